"""Linearised posteriors against the exact ones of linear Gaussian problems."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from inverse_inr import Box, Grid, Problem, Solution, Term, baselines, noise
from inverse_inr.operators import PointSamples
from inverse_inr.problems.ct import ct
from inverse_inr.uncertainty import coordinate_laplace, linearised

F64 = torch.float64
BOX = Box((0.0,), (1.0,))
GRID = Grid(BOX, (24,))
SIGMA = 0.3
SPREAD = 0.8


class Waves(nn.Module):
    """Σ_k θ_k cos(π k x), linear in its parameters."""

    def __init__(self, values: Tensor) -> None:
        super().__init__()
        self.values = nn.Parameter(values)

    @staticmethod
    def basis(points: Tensor) -> Tensor:
        return torch.cos(math.pi * torch.arange(9, dtype=points.dtype) * points)

    def forward(self, points: Tensor) -> Tensor:
        return (self.basis(points) * self.values).sum(-1, keepdim=True)


def drawn(count: int, seed: int = 0) -> tuple[Solution, Tensor]:
    """A fit of a field drawn from the prior, and where it was measured."""
    generator = torch.Generator().manual_seed(seed)
    at = torch.rand(count, 1, dtype=F64, generator=generator)
    truth = Waves(SPREAD * torch.randn(9, dtype=F64, generator=generator))
    clean = truth(at)[:, 0].detach()
    y = clean + SIGMA * torch.randn(count, dtype=F64, generator=generator)
    problem = Problem([Term(PointSamples(at), y, noise.Gaussian(SIGMA))], BOX, GRID)
    phi = Waves.basis(at)
    inverse = torch.linalg.inv(phi.T @ phi / SIGMA**2 + torch.eye(9, dtype=F64) / SPREAD**2)
    fitted = inverse @ (phi.T @ y) / SIGMA**2
    return Solution(Waves(fitted), problem, "waves", watched=[torch.zeros(0).long()]), inverse


def test_a_linear_problem_has_its_exact_posterior():
    solution, inverse = drawn(40)
    found = linearised(solution, variance=SPREAD**2).deviation()
    phi = Waves.basis(GRID.points(F64))
    exact = (phi @ inverse @ phi.T).diagonal().sqrt()
    torch.testing.assert_close(found[:, 0], exact)


def test_averages_of_pixels_are_surer_than_their_centres():
    solution, inverse = drawn(40)
    found = linearised(solution, variance=SPREAD**2).deviation(average=3)
    phi = Waves.basis(GRID.refined(3).points(F64)).unflatten(0, (-1, 3)).mean(1)
    exact = (phi @ inverse @ phi.T).diagonal().sqrt()
    torch.testing.assert_close(found[:, 0], exact)


def test_the_evidence_finds_the_spread_of_the_prior():
    found = [linearised(drawn(60, seed)[0]).variance for seed in range(12)]
    typical = torch.tensor(found).log().mean().exp()
    assert float(typical) == pytest.approx(SPREAD**2, rel=0.35)


def test_held_out_rows_find_the_spread_of_the_prior():
    found = []
    for seed in range(12):
        solution, _ = drawn(60, seed)
        watched = torch.arange(6, 60)
        rows = torch.arange(6)
        operator = solution.problem.terms[0].operator
        assert isinstance(operator, PointSamples)
        at = operator.points[rows]
        phi = Waves.basis(at)
        inverse = torch.linalg.inv(phi.T @ phi / SIGMA**2 + torch.eye(9, dtype=F64) / SPREAD**2)
        fitted = inverse @ (phi.T @ solution.problem.terms[0].y[rows]) / SIGMA**2
        unseen = replace(solution, field=Waves(fitted), watched=[watched])
        found.append(linearised(unseen).variance)
    assert float(torch.tensor(found).log().mean().exp()) == pytest.approx(SPREAD**2, rel=0.4)


def test_rows_that_are_drawn_count_for_all():
    solution, _ = drawn(600)
    whole = linearised(solution, variance=1.0).deviation()
    thinned = linearised(solution, variance=1.0, rows=150).deviation()
    torch.testing.assert_close(thinned, whole, rtol=0.3, atol=0)


def test_displacements_of_a_ramp_have_their_exact_posterior():
    """f(x) = slope x: a displacement u changes it by slope u, which is again a linear problem."""
    slope = 2.0
    generator = torch.Generator().manual_seed(0)
    at = torch.rand(30, 1, dtype=F64, generator=generator)

    class Ramp(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.slope = nn.Parameter(torch.tensor(slope, dtype=F64))

        def forward(self, points: Tensor) -> Tensor:
            return self.slope * points

    y = slope * at[:, 0]
    problem = Problem([Term(PointSamples(at), y, noise.Gaussian(SIGMA))], BOX, GRID)
    solution = Solution(Ramp(), problem, "ramp", watched=[torch.zeros(0).long()])
    found = coordinate_laplace(solution, nodes=5, variance=0.01).deviation()

    def weights(points: Tensor) -> Tensor:
        place = (points * 5 - 0.5).clamp(0, 4)
        return (1 - (place - torch.arange(5)).abs()).clamp(min=0)

    a = slope * weights(at)
    inverse = torch.linalg.inv(a.T @ a / SIGMA**2 + torch.eye(5, dtype=F64) / 0.01)
    g = slope * weights(GRID.points(F64))
    torch.testing.assert_close(found[:, 0], (g @ inverse @ g.T).diagonal().sqrt())


def test_a_solution_without_parameters_is_refused():
    problem = ct(size=12, views=6)
    with pytest.raises(TypeError, match="no parameters"):
        linearised(baselines.cgls(problem, 2))
