"""The exact inverse of CASSI's A A': diagonal, tridiagonal, seen rows, conjugate gradients."""

import pytest
import torch
from cases.spectral import camera, rand

from inverse_inr import adjoint


@pytest.mark.parametrize("pixels", [1.0, 0.4, 1.7, -1.0, -1.7])
@pytest.mark.parametrize("mode", ["single", "dual"])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("eta", [0.0, 0.3])
def test_gram_solve_is_exact(pixels, mode, axis, eta):
    a = camera(pixels=pixels, mode=mode, axis=axis)
    seen = a.on(a.bands)
    z = seen.gram_solve(rand(*a.shape, seed=3), eta)
    again = seen.snapshot(adjoint(seen, None, seen.flatten(z))[..., 0]) + eta * z
    assert torch.allclose(again, rand(*a.shape, seed=3), atol=1e-11)


def test_gram_solve_of_rows_that_were_seen():
    a = camera(pixels=0.6)
    seen = a.on(a.bands)
    rows = rand(*a.shape, seed=4) < 0.7
    z = seen.gram(0.1, rows)(rand(*a.shape, seed=3))
    assert not z[~rows].any()
    again = seen.snapshot(adjoint(seen, None, seen.flatten(z))[..., 0]) + 0.1 * z
    assert torch.allclose(again[rows], rand(*a.shape, seed=3)[rows], atol=1e-11)


@pytest.mark.parametrize(
    "keywords",
    [
        {"psf": 0.6},
        {"psf": lambda w: 0.5 + 0.1 * w / 600},
        {"psf": 0.6, "axis": 0},
        {"psf": 0.6, "mode": "dual"},
        {"mask": rand(2, 6, 9, 1) + 0.1},
        {"mask": rand(2, 6, 9, 5) + 0.1},
    ],
)
def test_gram_solve_of_blur_and_of_several_shots(keywords):
    a = camera(pixels=0.6, **keywords)
    seen = a.on(a.bands)
    y = rand(*a.shape, seed=3)
    z = seen.gram_solve(y, 0.2)
    again = seen.snapshot(adjoint(seen, None, seen.flatten(z))[..., 0]) + 0.2 * z
    assert torch.allclose(again, y, atol=1e-7)


def test_rows_that_see_the_same_pixel_only_are_counted_once():
    """One lit scene pixel laid half on each of two detector pixels: A A' is singular there."""
    mask = torch.zeros(6, 9, dtype=torch.float64)
    mask[:, 4] = 1
    a = camera(pixels=1.5, mask=mask)
    seen = a.on(a.bands)
    cube = rand(*seen.grid.shape, seed=5)
    y = seen.snapshot(cube)
    z = seen.gram_solve(y)
    assert z.isfinite().all()
    again = seen.snapshot(adjoint(seen, None, seen.flatten(z))[..., 0])
    assert torch.allclose(again, y, atol=1e-9)
