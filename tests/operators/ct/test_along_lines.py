"""Rays that a field sums itself: the predictions of the operator's own points, by any beam."""

import math

import pytest
import torch
from torch import nn

from inverse_inr import Box, Detector, Problem, Warp, noise, predict, priors, regularizers
from inverse_inr.domain import Grid
from inverse_inr.operators import ConeBeam, DetectorDrift, FanBeam, ParallelBeam
from inverse_inr.problems.ct import ct
from inverse_inr.solver import Solver
from inverse_inr.term import Term

FLAT = Box((-1.0, 0.0), (1.0, 1.5), ("cm", "cm"))
SOLID = Box((-1.0, -1.0, 0.0), (1.0, 1.0, 1.0))
ANGLES = torch.arange(5, dtype=torch.float64) * math.pi / 5
BEAMS = {
    "parallel": lambda q: ParallelBeam(FLAT, ANGLES, 7, subrays=q),
    "fan": lambda q: FanBeam(FLAT, ANGLES, 7, 4.0, 2.0, center=0.1, subrays=q),
    "cone": lambda q: ConeBeam(SOLID, ANGLES, (3, 4), 4.0, 2.0, height=0.1, subrays=q),
}


class Summed(priors.Prior):
    """A field that offers its sums along lines on a CPU too, by their definition."""

    asked = 0

    @property
    def sums_lines(self):
        return True

    def line_sums(self, first, step, samples):
        self.asked += 1
        return super().line_sums(first, step, samples)


def fields(box, channels=1, dtype=torch.float64):
    """A small `hash` field, and the same one that sums lines itself."""
    made = []
    for _ in range(2):
        field = priors.create(
            "hash", box, channels, levels=3, coarsest=4, finest=16, log2_table=8, width=8
        )
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for parameter in field.parameters():
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
        made.append(field.to(dtype))
    made[1].__class__ = Summed
    return made


def both(operator, pair, train=False):
    """The predictions of both fields, and their derivatives."""
    operator.train(train)
    rows = torch.tensor([3, 0, len(operator) - 1, 3])
    found = []
    for field in pair:
        torch.manual_seed(4)
        values = predict(operator, field, rows)
        up = torch.randn(values.shape, generator=torch.Generator().manual_seed(2)).to(values)
        slopes = torch.autograd.grad(values, list(field.parameters()), up)
        found.append([values.detach(), *slopes, torch.rand(2)])
    return found


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("subrays", [1, 2])
@pytest.mark.parametrize("name", BEAMS)
def test_sums_along_rays_are_the_predictions_by_points(name, subrays, train):
    operator = BEAMS[name](subrays)
    pair = fields(operator.box)
    by_points, by_lines = both(operator, pair, train)
    assert pair[1].asked == 1
    for a, b in zip(by_points, by_lines, strict=True):
        torch.testing.assert_close(b, a, rtol=1e-10, atol=1e-12)


def test_several_channels_and_what_follows_the_rays_stay_the_same():
    drift = DetectorDrift(BEAMS["fan"](1))
    with torch.no_grad():
        drift.coefficients.copy_(torch.arange(14.0).reshape(2, 7))
    for operator in (Detector(torch.expm1) @ BEAMS["parallel"](2), drift):
        pair = fields(FLAT, 2 if operator is not drift else 1)
        by_points, by_lines = both(operator, pair)
        assert pair[1].asked == 1
        for a, b in zip(by_points, by_lines, strict=True):
            torch.testing.assert_close(b, a, rtol=1e-10, atol=1e-12)


def test_rays_that_are_learnt_or_bent_are_asked_by_points():
    learnt = ParallelBeam(FLAT, ANGLES, 7, center=nn.Parameter(torch.tensor(0.1)))
    bent = BEAMS["parallel"](1) @ Warp(lambda points: 0.9 * points)
    for operator in (learnt, bent):
        pair = fields(FLAT)
        by_points, by_lines = both(operator, pair)
        assert pair[1].asked == 0
        torch.testing.assert_close(by_lines[0], by_points[0])


def test_an_operator_that_knows_no_lines_is_asked_by_points():
    class Means:
        def __len__(self):
            return 6

        def __call__(self, rows):
            places = rows[:, None, None] / 6 + torch.zeros(len(rows), 3, 2)
            return places, lambda values: values.mean((1, 2))

    pair = fields(FLAT, dtype=torch.float32)
    expected, found = (predict(Means(), field) for field in pair)
    assert pair[1].asked == 0
    torch.testing.assert_close(found, expected)


def steps(field, problem, **options):
    solver = Solver(problem, field, steps=4, batch=16, **options)
    for _ in range(4):
        solver.step()
    return solver.prior


def test_a_solve_sums_rays_by_the_field_and_ends_at_the_same_parameters():
    problem = ct("shepp_logan", size=16, views=8)
    pair = fields(problem.box, dtype=torch.float32)
    ends = [steps(field, problem) for field in pair]
    assert pair[1].asked >= 4  # each step, and the held-out rows
    for a, b in zip(ends[0].parameters(), ends[1].parameters(), strict=True):
        torch.testing.assert_close(b, a, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"regularizers": [1e-3 * regularizers.PairDifference()]},
        {"dtype": "bfloat16"},
    ],
    ids=["a regularizer looks at the points", "half precision"],
)
def test_a_solve_that_needs_the_points_asks_for_them(options):
    field = fields(FLAT, dtype=torch.float32)[1]
    operator = BEAMS["parallel"](1).float()
    term = Term(operator, torch.ones(len(operator)), noise.Gaussian(0.1))
    steps(field, Problem([term], FLAT, Grid(FLAT, (8, 8))), **options)
    assert field.asked == 0


def test_a_ray_that_misses_the_box_gives_nothing():
    operator = ParallelBeam(FLAT, ANGLES, 9, pitch=1.0)
    pair = fields(FLAT)
    rows = torch.tensor([0, 8])
    for field in pair:
        values = predict(operator, field).detach()
        assert float(values[rows].abs().max()) == 0.0
        assert bool(values.isfinite().all())
        assert bool(values.any())
