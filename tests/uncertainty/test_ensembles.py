"""Spread of several fits: its arithmetic on known fields, its size against rows that no fit saw."""

import math

import pytest
import torch
from torch import Tensor, nn

from inverse_inr import (
    Box,
    Grid,
    Problem,
    Solution,
    Term,
    fidelity,
    noise,
    priors,
    stopping,
    uncertainty,
)
from inverse_inr.evaluation import CHUNK
from inverse_inr.operators import PointSamples
from inverse_inr.problems.ct import ct
from inverse_inr.uncertainty import Ensemble, MeanField, ensemble, held_out_scale

BOX = Box((0.0,), (1.0,))


class Constant(nn.Module):
    """A field with one value everywhere."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))

    def forward(self, points: Tensor) -> Tensor:
        return self.value.expand(*points.shape[:-1], 1)


def members(values: list[float], y: Tensor, sigma: float = 1.0) -> list[Solution]:
    term = Term(PointSamples(torch.rand(len(y), 1)), y, noise.Gaussian(sigma))
    problem = Problem([term], BOX, Grid(BOX, (4,)))
    return [
        Solution(Constant(v), problem, "constant", watched=[torch.arange(len(y))]) for v in values
    ]


def test_scale_explains_what_no_fit_saw():
    """Truth 10, fits 1 ± 0.5, noise 0.1: the spread must grow until it reaches from 1 to 10."""
    generator = torch.Generator().manual_seed(0)
    y = 10 + 0.1 * torch.randn(4000, generator=generator)
    found = held_out_scale(members([0.5, 1.5], y, 0.1))
    assert found == pytest.approx(9 / math.sqrt(0.5), rel=1e-2)


def test_fits_as_good_as_the_noise_need_no_spread():
    y = torch.tensor([1.0, -1.0]).repeat(50) * 0.9  # residuals a little smaller than the noise
    assert held_out_scale(members([-0.1, 0.1], y)) == 0.0


def test_mean_and_deviation_are_those_of_the_members():
    fits = members([1.0, 2.0, 6.0], torch.zeros(3))
    several = Ensemble(fits, scale=2.0)
    torch.testing.assert_close(several.mean.sample(), torch.full((4, 1), 3.0))
    torch.testing.assert_close(several.deviation(), torch.full((4, 1), 2 * math.sqrt(7)))
    unscaled = Ensemble(fits, math.nan).deviation()
    torch.testing.assert_close(unscaled, torch.full((4, 1), math.sqrt(7)))
    assert isinstance(several.mean.field, MeanField)
    assert several.mean.method == "3 x constant"


def test_a_mean_of_priors_keeps_their_fast_lattice():
    box = Box((0.0, 0.0), (4.0, 6.0))
    grid = Grid(box, (4, 6))
    fits = [priors.create("separable", box, seed=k, rank=4, width=8) for k in range(2)]
    mean = MeanField(fits)
    torch.testing.assert_close(mean.sample(grid), mean(grid.points().float()))
    assert mean.lattice_chunk == fits[0].lattice_chunk > CHUNK


def test_an_ensemble_holds_the_same_rows_out_and_explains_them():
    problem = ct(size=24, views=16, noise_level=0.02)
    found = ensemble(problem, "hash", count=3, steps=60, callbacks=[])
    assert all(torch.equal(m.watched[0], found.members[0].watched[0]) for m in found.members)
    assert not torch.equal(found.members[0].sample(), found.members[1].sample())
    deviation = found.deviation()
    assert deviation.shape == (24, 24, 1)
    assert found.scale > 0
    errors = [m.metrics()["relative error"] for m in found.members]
    # convexity; the inequality is strict because the fits differ
    assert found.mean.metrics()["relative error"] < sum(errors) / 3


def test_without_held_out_rows_there_is_no_scale():
    problem = ct(size=16, views=8)
    found = ensemble(problem, "grid", count=2, steps=3, stopping=stopping.Never(), callbacks=[])
    assert math.isnan(found.scale)
    term = Term(problem.terms[0].operator, problem.terms[0].y, fidelity.L2())
    plain = Problem([term], problem.box, problem.grid)
    assert math.isnan(ensemble(plain, "grid", count=2, steps=3, callbacks=[]).scale)


def test_an_ensemble_of_one_fit_is_refused():
    with pytest.raises(ValueError, match="at least 2"):
        ensemble(ct(size=16, views=8), "grid", count=1)


def test_an_ensemble_takes_its_prior_by_name():
    with pytest.raises(TypeError, match=r"ensemble: prior=Identity\(\) must be a text or None"):
        uncertainty.ensemble(ct(size=16, views=8), nn.Identity())  # type: ignore[arg-type]
