"""deepinv, sigpy, mrpro and xarray: equal maps and adjoints, equal reconstructions."""

from typing import Any

import numpy as np
import pytest
import torch

from inverse_inr import Box, Grid, Problem, Solution, Term, adjoint, baselines, noise, predict
from inverse_inr.interoperation import (
    from_deepinv,
    from_mrpro,
    from_sigpy,
    reconstructor,
    to_deepinv,
    to_sigpy,
    to_xarray,
)
from inverse_inr.operators import Mask, ParallelBeam
from inverse_inr.sampled import SampledField

BOX = Box((0.0, 0.0), (16.0, 12.0), units=("mm", "mm"))
GRID = Grid(BOX, (16, 12))


def image(channels: int = 1, seed: int = 0) -> torch.Tensor:
    return torch.rand(*GRID.shape, channels, generator=torch.Generator().manual_seed(seed))


def scanner() -> tuple[Grid, Any]:
    """More rays than pixels, so that least squares has one answer."""
    box = Box((-1.0, -1.0), (1.0, 1.0))
    grid = Grid(box, (6, 6))
    return grid, ParallelBeam(box, torch.arange(24) * torch.pi / 24, 12).on(grid)


@pytest.mark.parametrize("channels", [1, 3])
def test_deepinvs_blur_is_the_same_as_an_operator_of_ours(dinv, channels):
    kernel = torch.rand(1, 1, 3, 3, generator=torch.Generator().manual_seed(1))
    physics = dinv.physics.Blur(filter=kernel, padding="circular")
    operator = from_deepinv(physics, GRID, channels=channels)
    x = image(channels)
    seen = operator.unflatten(predict(operator, SampledField(x, GRID)))
    expected = physics.A(x.movedim(-1, 0)[None])[0]
    torch.testing.assert_close(seen, expected)
    y = torch.rand(len(operator), generator=torch.Generator().manual_seed(2))
    back = adjoint(operator, None, y, channels=channels)
    torch.testing.assert_close((back * x).sum(), (seen.flatten() * y).sum())


def test_an_operator_of_ours_is_a_linear_physics(dinv):
    grid, beam = scanner()
    physics = to_deepinv(beam, grid)
    x = torch.rand(2, 1, *grid.shape, generator=torch.Generator().manual_seed(0))
    y = physics.A(x)
    assert y.shape == (2, *beam.shape)
    first = predict(beam, SampledField(x[0].movedim(0, -1), grid))
    torch.testing.assert_close(y[0].flatten(), first)
    assert physics.adjointness_test(x).abs() < 1e-3
    again = from_deepinv(physics, grid)
    torch.testing.assert_close(predict(again, SampledField(x[0].movedim(0, -1), grid)), first)


def test_both_libraries_find_the_same_least_squares_image(dinv):
    grid, beam = scanner()
    truth = torch.rand(*grid.shape, 1, generator=torch.Generator().manual_seed(3))
    y = predict(beam, SampledField(truth, grid))
    physics = to_deepinv(beam, grid)
    theirs = physics.A_dagger(physics.A(truth.movedim(-1, 0)[None]), max_iter=500, tol=1e-10)
    problem = Problem([Term(beam, y, noise.Gaussian(1e-4))], grid.box, grid)
    ours = baselines.cgls(problem, iterations=500)
    torch.testing.assert_close(ours.image()[..., 0], theirs[0, 0], atol=2e-3, rtol=0)


@pytest.mark.slow
def test_a_fit_serves_as_a_model_of_deepinv(dinv):
    physics = dinv.physics.Inpainting(
        img_size=(1, 16, 12), mask=0.5, rng=torch.Generator().manual_seed(0)
    )
    physics.noise_model = dinv.physics.GaussianNoise(sigma=0.01)
    x = torch.linspace(0, 1, 16)[:, None] * torch.linspace(1, 0, 12)
    batch = torch.stack([x, 1 - x])[:, None]
    y = physics(batch)
    model = reconstructor("siren", steps=300, seed=0)
    assert isinstance(model, dinv.models.Reconstructor)
    found = model(y, physics)
    assert found.shape == batch.shape
    assert (found - batch).square().mean().sqrt() < 0.5 * (y - batch).square().mean().sqrt()
    assert len(model.solutions) == 2


def test_deepinv_without_noise_that_is_understood_is_refused(dinv):
    physics = dinv.physics.Denoising()
    physics.noise_model = dinv.physics.UniformNoise(0.1)
    physics.img_size = (1, *GRID.shape)
    with pytest.raises(ValueError, match="UniformNoise"):
        reconstructor("grid")(torch.rand(1, 1, *GRID.shape), physics)


def test_what_is_no_physics_is_refused():
    with pytest.raises(TypeError, match="Identity is no deepinv physics"):
        from_deepinv(torch.nn.Identity(), GRID)


class ListOfTwo:
    """A physics as deepinv's stacked ones answer: a list of measurements."""

    def A(self, x):  # noqa: N802
        return [x, x]


def test_a_stacked_physics_is_refused_with_what_to_do():
    with pytest.raises(TypeError, match=r"one Term of each of its parts, from_deepinv\(physics\[k"):
        from_deepinv(ListOfTwo(), GRID)


def test_sigpys_fourier_transform_there_and_back():
    linop = pytest.importorskip("sigpy.linop", reason="sigpy is not installed")
    transform = linop.FFT(GRID.shape)
    operator = from_sigpy(transform, GRID)
    x = torch.complex(image(), image(seed=1))
    y = predict(operator, SampledField(x, GRID))
    np.testing.assert_allclose(y.numpy(), transform(x[..., 0].numpy()).ravel(), atol=1e-5)
    back = adjoint(operator, None, y)  # FFT is unitary
    torch.testing.assert_close(back, x)
    again = to_sigpy(operator, GRID)
    np.testing.assert_allclose(again(x[..., 0].numpy()), transform(x[..., 0].numpy()), atol=1e-5)
    np.testing.assert_allclose(again.H(again(x[..., 0].numpy())), x[..., 0].numpy(), atol=1e-5)
    with pytest.raises(ValueError, match=r"takes images of shape \(5, 5\)"):
        from_sigpy(linop.FFT((5, 5)), GRID)
    with pytest.raises(TypeError, match="no sigpy"):
        from_sigpy(torch.nn.Identity(), GRID)


class Doubled(torch.nn.Module):
    """An operator of mrpro's form: five axes in, a tuple out."""

    def forward(self, x):
        assert x.ndim == 5
        assert x.is_complex()
        return (2j * x,)


def test_operators_of_mrpros_form():
    operator = from_mrpro(Doubled(), GRID)
    assert operator.shape == (1, 1, 1, *GRID.shape)
    y = predict(operator, SampledField(image(), GRID))
    torch.testing.assert_close(y, 2j * image().flatten())
    with pytest.raises(ValueError, match="Identity does not map an image"):
        from_mrpro(torch.nn.Identity(), GRID)


def test_xarray_carries_coordinates_and_units():
    pytest.importorskip("xarray", reason="xarray is not installed")
    values = image(channels=2)
    mask = Mask(torch.ones(GRID.shape, dtype=torch.bool), GRID)
    term = Term(mask, torch.zeros(len(mask), 2), noise.Gaussian(1.0))
    problem = Problem([term], BOX, GRID, channels=2)
    solution = Solution(SampledField(values, GRID), problem, "made")
    array = to_xarray(solution, GRID, names=("y", "x"))
    assert array.dims == ("y", "x", "channel")
    assert array.attrs["method"] == "made"
    assert array["x"].attrs["units"] == "mm"
    np.testing.assert_allclose(array["x"][:2], [0.5, 1.5])
    np.testing.assert_allclose(array.sel(y=0.5, x=1.5, channel=1), values[0, 1, 1])
    with pytest.raises(ValueError, match="2 different ones"):
        to_xarray(solution, GRID, names=("x", "x"))
