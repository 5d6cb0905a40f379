"""Spectra from three colours and a coarse cube: the camera, closed-form baselines, fits, slips."""

from pathlib import Path

import pytest
import torch

from inverse_inr import Grid, as_linear_map, metrics, priors, sample, solve
from inverse_inr.command.config import Run
from inverse_inr.problems.spectral import fusion, spectral_sr
from inverse_inr.problems.spectral.from_colours import (
    camera_curves,
    coarse_pixels,
    interpolated,
    smoothest_spectra,
)


def quality(solution) -> float:
    problem = solution.problem
    truth = sample(problem.reference, problem.grid)[..., 0]
    return float(metrics.band_psnr(solution.sample()[..., 0], truth).mean())


def test_the_cameras_curves_integrate_to_one():
    knots = torch.arange(420.0, 701.0, 5.0, dtype=torch.float64)
    assert torch.allclose(
        torch.trapezoid(camera_curves(knots), knots, dim=0), torch.ones(3, dtype=torch.float64)
    )
    assert knots[camera_curves(knots).argmax(0)].tolist() == [600.0, 540.0, 465.0]


def test_coarse_pixels_are_means():
    grid = fusion(size=8, factor=4, bands=3).grid
    operator, cube = coarse_pixels(grid, 4), torch.rand(8, 8, 3)
    assert operator.shape == (2, 2, 3)
    assert torch.allclose(operator.map(cube)[1, 0], cube[4:, :4].mean((0, 1)))
    linear = as_linear_map(operator, grid)
    x, y = torch.rand(8, 8, 3, 1), torch.rand(12)
    assert torch.allclose((linear(x) * y).sum(), (x * linear.adjoint(y)).sum())


def test_smoothest_spectra_keep_the_colours():
    """They explain the measured colours to the noise; with a large weight they are straight."""
    problem = spectral_sr(size=8)
    found = smoothest_spectra(problem)
    assert found.misfit([problem.terms[0].trusted]) <= 0.51  # half of chi² = 1
    stiff = smoothest_spectra(problem, 1e9).sample()[..., 0]
    bend = stiff[..., 2:] - 2 * stiff[..., 1:-1] + stiff[..., :-2]
    assert bend.abs().max() < 1e-3 * stiff.abs().max()


@pytest.mark.parametrize(
    ("make", "options", "margin"), [(spectral_sr, {}, -0.5), (fusion, {"factor": 4}, 1.0)]
)
def test_a_fit_is_as_good_as_the_closed_form_on_colours_and_better_with_a_cube(
    make, options, margin
):
    """On colours only smoothness chooses a spectrum, so the closed form does as well."""
    problem = make(size=16, **options)
    solution = solve(problem, callbacks=[])
    others = {
        name: quality(method(problem)) for name, method in problem.suggested.baselines.items()
    }
    assert quality(solution) > max(others.values()) + margin, others


def test_fusion_has_two_terms_and_an_interpolated_start():
    problem = fusion(size=8, factor=4, bands=3)
    assert [len(t.operator) for t in problem.terms] == [64, 12]
    assert interpolated(problem).sample().shape == (8, 8, 3, 1)


def test_the_preset_is_checked_and_runs():
    run = Run.read(Path(__file__).parents[3] / "problems" / "spectral_sr.toml")
    assert isinstance(run.problem().grid, Grid)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: fusion(size=10, factor=4), "must divide size=10"),
        (
            lambda: coarse_pixels(spectral_sr(size=8, bands=3).grid, 3),
            "must divide the grid's 8 x 8",
        ),
        (lambda: spectral_sr(size=8, noise_level=0), "noise_level=0"),
        (lambda: spectral_sr("astronot", size=8), "Unknown scene"),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_one_network_of_space_gives_whole_spectra():
    """A vector output: alike on a lattice and at points, and it explains the colours."""
    problem = spectral_sr(size=12, bands=6)
    prior = priors.create(
        "spectral_basis", problem.box, bandwidth=priors.bandwidth_of(problem.grid), space="network"
    )
    assert torch.allclose(prior.sample(problem.grid), prior(problem.grid.points()), atol=1e-5)
    found = solve(problem, prior, steps=400, lr=1e-2, callbacks=[])
    assert found.misfit([problem.terms[0].trusted]) < 1
    assert quality(found) > 20


def test_an_unknown_kind_of_space_is_refused():
    problem = spectral_sr(size=12, bands=6)
    with pytest.raises(ValueError, match="space='mesh' must be 'lattice' or 'network'"):
        priors.create("spectral_basis", problem.box, space="mesh")
