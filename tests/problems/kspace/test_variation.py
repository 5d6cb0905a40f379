"""Least total variation with half pixels, and what `solve` makes of it."""

from functools import cache

import pytest
import torch

import inverse_inr as ii
from inverse_inr import baselines
from inverse_inr.problems.kspace import kspace
from inverse_inr.problems.kspace.classical import classical
from inverse_inr.problems.kspace.variation import total_variation, values_per_side


@cache
def scan() -> ii.Problem:
    """Ellipses, whose edges lie within pixels, with little noise: closed-form k-space."""
    return kspace(
        size=32,
        sampling="variable_density",
        acceleration=2.5,
        calibration=12,
        coils=4,
        noise_level=0.005,
        phase="coils",
    )


def test_half_pixels_are_of_two_dimensions():
    assert values_per_side(scan().grid) == 2
    box = ii.Box((0.0,) * 3, (1.0,) * 3)
    assert values_per_side(ii.Grid(box, (4, 4, 4))) == 1


@cache
def most() -> ii.Solution:
    """The image with half pixels of most samples, of the weight that suits pixels."""
    return total_variation(scan(), factors=(1.0,))


def test_half_pixels_keep_edges_that_lie_within_pixels():
    halves = most()
    pixels = total_variation(scan(), finer=1)
    assert halves.psnr() > pixels.psnr() + 1
    assert torch.equal(halves.watched[0], pixels.watched[0])
    held, on_pixels = halves.held_out(), pixels.held_out()
    assert held is not None
    assert on_pixels is not None
    assert held < on_pixels


def test_a_known_weight_is_kept_and_all_samples_are_used():
    whole = total_variation(scan(), most())
    assert whole.details["weight"] == most().details["weight"]
    assert whole.misfit(most().watched) < most().misfit(most().watched)


@pytest.mark.slow
@pytest.mark.parametrize("sampling", ["variable_density", "radial"])
def test_solve_is_ahead_of_total_variation_on_pixels(sampling: str):
    """The strongest of the classical methods, its weight by held-out readouts or by the truth."""
    problem = kspace(
        size=48, sampling=sampling, acceleration=4, spokes=16, coils=4, noise_level=0.01
    )
    answer = ii.solve(problem)
    assert answer.details["held-out by method"]["TV of a real image"] > 0
    for rule in ("held-out", "oracle"):
        assert answer.psnr() > baselines.tv(classical(problem), rule).psnr() + 1
