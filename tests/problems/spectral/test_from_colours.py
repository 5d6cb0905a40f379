"""Spectra from three colours: the camera, a fit beside closed forms, slips."""

from pathlib import Path

import pytest
import torch

from inverse_inr import Grid, metrics, priors, sample, solve
from inverse_inr.command.config import Run
from inverse_inr.problems.spectral import spectral_sr
from inverse_inr.problems.spectral.from_colours import camera_curves


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


@pytest.mark.slow
def test_a_fit_is_better_than_closed_forms_and_no_worse_than_its_own_mean():
    problem = spectral_sr(size=32)
    fit = solve(problem, callbacks=[]).psnr()
    others = {name: method(problem).psnr() for name, method in problem.suggested.baselines.items()}
    assert fit > others["smoothest spectra"] + 1, others
    assert fit > max(others.values()) - 0.1, others


def test_the_preset_is_checked_and_runs():
    run = Run.read(Path(__file__).parents[3] / "problems" / "spectral_sr.toml")
    assert isinstance(run.problem().grid, Grid)


@pytest.mark.parametrize(
    ("make", "message"),
    [
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
    found = solve(problem, prior, steps=400, lr=1e-2, regularizers=[], callbacks=[])
    assert found.misfit([problem.terms[0].trusted]) < 1
    assert quality(found) > 20


def test_an_unknown_kind_of_space_is_refused():
    problem = spectral_sr(size=12, bands=6)
    with pytest.raises(ValueError, match="space='mesh' must be 'lattice' or 'network'"):
        priors.create("spectral_basis", problem.box, space="mesh")
