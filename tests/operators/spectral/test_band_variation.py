"""Total variation of bands that share their edges, against closed forms."""

import math

import pytest
import torch

from inverse_inr import Box, Grid
from inverse_inr.operators import BandTotalVariation
from inverse_inr.sampled import SampledField

BOX = Box((0.0, 0.0, 450.0), (12.0, 5.0, 650.0), ("px", "px", "nm"))
GRID = Grid(BOX, (24, 10, 8))  # pixels of half a px


def test_a_ramp_of_each_band_has_the_root_mean_square_of_their_slopes():
    slopes = torch.arange(8.0)

    def ramps(p: torch.Tensor) -> torch.Tensor:
        band = ((p[..., 2:] - 450) / 25).floor()
        return band * (0.3 * p[..., :1] + 0.4 * p[..., 1:2])

    penalty = BandTotalVariation(GRID, stride=1)(ramps, torch.zeros(1, 3))
    assert float(penalty) == pytest.approx(0.5 * math.sqrt(float(slopes.square().mean())), rel=1e-3)


def test_shared_edges_cost_less_and_spectra_cost_nothing():
    step = torch.zeros(24, 10, 8, 1)
    step[12:, :, 0], step[12:, :, 1] = 1.0, 1.0
    apart = torch.zeros_like(step)
    apart[12:, :, 0], apart[6:, :, 1] = 1.0, 1.0
    penalty, nowhere = BandTotalVariation(GRID, stride=1), torch.zeros(1, 3)
    together, separate = (float(penalty(SampledField(v, GRID), nowhere)) for v in (step, apart))
    assert together == pytest.approx(separate / math.sqrt(2), rel=2e-3)
    flat = torch.rand(8).expand(24, 10, 8)[..., None]
    assert float(penalty(SampledField(flat, GRID), nowhere)) == pytest.approx(0, abs=1e-7)


def test_a_stride_looks_at_every_band_in_turn():
    """For one edge, squares of the penalty on every other band average to that on all bands."""
    edge = torch.rand(8).expand(24, 10, 8).clone()[..., None]
    edge[:12] = 0
    field, nowhere = SampledField(edge, GRID), torch.zeros(1, 3)
    torch.manual_seed(0)
    seen = {
        round(float(BandTotalVariation(GRID, stride=2, epsilon=1e-9)(field, nowhere)), 7)
        for _ in range(20)
    }
    whole = float(BandTotalVariation(GRID, stride=1, epsilon=1e-9)(field, nowhere))
    assert len(seen) == 2
    assert sum(v**2 for v in seen) / 2 == pytest.approx(whole**2, rel=1e-4)


def test_gradients_are_those_of_finite_differences():
    grid = Grid(Box((0.0, 0.0, 0.0), (3.0, 4.0, 1.0)), (3, 4, 5))
    values = torch.rand(3, 4, 5, 1, dtype=torch.float64, requires_grad=True)
    penalty = BandTotalVariation(grid, stride=1)
    assert torch.autograd.gradcheck(lambda v: penalty(lambda p: v, torch.zeros(1, 3)), values)


@pytest.mark.parametrize(
    "options", [{"grid": Grid(Box((0.0,), (1.0,)), (4,))}, {"grid": GRID, "stride": 0}]
)
def test_a_grid_without_space_and_a_stride_of_zero_are_refused(options):
    with pytest.raises(ValueError, match="BandTotalVariation"):
        BandTotalVariation(**options)
