"""The separable prior with knots: its network's values at them, and linear in between."""

from pathlib import Path

import pytest
import torch

from inverse_inr import BandGrid, Box, Solution, priors, sample
from inverse_inr.problems.spectral import cassi
from inverse_inr.solver import load_field

BOX = Box((0.0, 0.0, 450.0), (6.0, 5.0, 650.0), ("px", "px", "nm"))
BANDS = (460.0, 470.0, 500.0, 600.0)
OPTIONS = {"rank": 4, "width": 16, "omega0": 6.0}


def spectra(prior, wavelengths) -> torch.Tensor:
    return sample(prior, BandGrid.of(BOX, (6, 5), wavelengths)).detach()


def test_at_the_knots_it_is_the_prior_without_them():
    plain, knotted = (priors.create("separable", BOX, knots=k, **OPTIONS) for k in (None, BANDS))
    torch.testing.assert_close(spectra(knotted, BANDS), spectra(plain, BANDS), rtol=1e-4, atol=1e-6)


def test_between_them_it_is_linear_and_beyond_them_constant():
    prior = priors.create("separable", BOX, knots=BANDS, **OPTIONS)
    at = spectra(prior, BANDS)
    between = spectra(prior, (455.0, 465.0, 492.5, 525.0, 640.0))
    expected = [
        at[:, :, 0],
        at[:, :, :2].mean(2),
        0.25 * at[:, :, 1] + 0.75 * at[:, :, 2],
        0.75 * at[:, :, 2] + 0.25 * at[:, :, 3],
        at[:, :, 3],
    ]
    torch.testing.assert_close(between, torch.stack(expected, 2), rtol=1e-3, atol=1e-6)


def test_points_and_lattice_agree_and_gradients_arrive():
    prior = priors.create("separable", BOX, knots=BANDS, **OPTIONS)
    grid = BandGrid.of(BOX, (6, 5), (455.0, 480.0, 560.0))
    on_points = prior(grid.points(torch.float32))
    torch.testing.assert_close(sample(prior, grid), on_points, rtol=1e-4, atol=1e-6)
    on_points.square().mean().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in prior.parameters())


def test_it_is_saved_with_its_knots(tmp_path: Path):
    problem = cassi(size=8, bands=4)
    prior = priors.create("separable", problem.box, **problem.suggested.options)
    Solution(prior, problem, "separable").save(tmp_path)
    again = load_field(tmp_path / "field.safetensors")
    points = problem.box.random_points(50)
    torch.testing.assert_close(again(points), prior.eval()(points))


@pytest.mark.parametrize("knots", [(500.0,), (500.0, 500.0), (520.0, 500.0)])
def test_knots_that_do_not_rise_are_refused(knots):
    with pytest.raises(ValueError, match="two or more and rise"):
        priors.create("separable", BOX, knots=knots)
