"""Tissue maps: images of echoes, pixel-wise fits, variation, and fits that gain on them."""

from typing import Any

import pytest
import torch

import inverse_inr as ii
from inverse_inr.problems.kspace import kspace_maps
from inverse_inr.problems.kspace.maps.fits import (
    MapsVariation,
    echo_images,
    maps_fit,
    pixelwise,
    rate_channel,
)
from inverse_inr.problems.kspace.maps.phantom import Tissues
from inverse_inr.problems.kspace.maps.simulated import sequence_of

SEQUENCES = ["spin_echo", "inversion_recovery", "gradient_echoes"]
SMALL: dict[str, Any] = {"size": 20, "coils": 2}


def inside(problem: ii.Problem) -> torch.Tensor:
    """Pixels within one tissue, away from its edges."""
    assert isinstance(problem.reference, Tissues)
    labels = problem.reference.labels(problem.grid.refined(5).points())
    parts = labels.unflatten(0, (-1, 5)).unflatten(2, (-1, 5)).movedim(1, 2).flatten(2)
    return (parts == parts[..., :1]).all(-1) & (parts[..., 0] > 0)


def wrong(solution: ii.Solution) -> torch.Tensor:
    """Errors of the rates relative to the truth, over pixels within tissue."""
    problem = solution.problem
    assert problem.reference is not None
    k, where = rate_channel(problem.channels), inside(problem)
    truth = ii.sample(problem.reference, problem.grid)[where][:, k]
    return (solution.sample()[where][:, k] / truth - 1).abs()


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_pixel_wise_fits_find_exact_signals(sequence: str):
    """Signals of known maps, without noise or pixels, give the maps back."""
    problem = kspace_maps(sequence, **SMALL)  # pyright: ignore[reportArgumentType]
    assert problem.reference is not None
    truth = ii.sample(problem.reference, problem.grid)
    signals = sequence_of(sequence)(truth)  # pyright: ignore[reportArgumentType]
    found = pixelwise(problem, signals.to(torch.complex64)).sample()
    where = inside(problem)
    assert int(where.sum()) > 20
    scale = truth[where].abs().amax(0)
    assert float(((found[where] - truth[where]) / scale).abs().max()) < 2e-3


def test_images_of_echoes_are_those_of_the_head():
    """Coils combine to the signals, whose noise is what was asked for."""
    problem = kspace_maps("spin_echo", **SMALL, noise_level=0.01)
    assert problem.reference is not None
    signals = sequence_of("spin_echo")(ii.sample(problem.reference, problem.grid, average=4))
    error = (echo_images(problem) - signals)[inside(problem)]
    assert float(error.abs().mean()) < 0.05 * float(signals.max())
    air = echo_images(problem)[0]
    assert float(air.abs().square().mean().sqrt()) == pytest.approx(0.01, rel=0.4)


def test_variation_is_of_amplitudes_and_of_logarithms():
    grid = ii.Grid(ii.Box((0.0, 0.0), (1.0, 1.0)), (4, 4))
    x = grid.points()[..., :1]
    maps = ii.SampledField(torch.cat([3 * x, torch.exp(4 * x)], -1), grid)
    value = MapsVariation(grid, epsilon=0.0)(maps, torch.zeros(0))
    assert float(value) == pytest.approx(0.75 * 5)  # the last row has no next one
    still = ii.SampledField(torch.cat([0 * x, 0 * x, 1 + 0 * x, 40 * x], -1), grid)
    smooth = MapsVariation(grid, epsilon=0.0)(still, torch.zeros(0))
    assert float(smooth) == pytest.approx(0.75)


@pytest.mark.slow
@pytest.mark.parametrize("sequence", SEQUENCES)
def test_maps_together_gain_on_pixels(sequence: str):
    problem = kspace_maps(sequence, size=32, coils=2, noise_level=0.03)  # pyright: ignore[reportArgumentType]
    alone, together = pixelwise(problem), maps_fit(problem)
    assert bool((together.sample()[..., rate_channel(problem.channels)] > 0).all())
    assert float(wrong(together).mean()) < 0.8 * float(wrong(alone).mean())


def test_other_problems_are_refused():
    grid = ii.Grid(ii.Box((-1.0, -1.0), (1.0, 1.0)), (4, 4))
    other = ii.OnGrid(torch.nn.Identity(), grid, (4, 4))
    term = ii.Term(other, torch.zeros(16), ii.noise.Gaussian(1.0))
    with pytest.raises(TypeError, match="ThroughSequence"):
        pixelwise(ii.Problem([term], grid.box, grid))
