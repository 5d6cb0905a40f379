"""Total variation by a part of the rows at a time, where an operator's cost is that of its rows."""

from dataclasses import replace

import pytest
import torch
from cases.linear import F64, GRID, blocks, image_of, random
from torch import Tensor

from inverse_inr import baselines
from inverse_inr.compose import OnGrid
from inverse_inr.least_squares import LeastSquares
from inverse_inr.noise import Gaussian
from inverse_inr.problem import Problem
from inverse_inr.protocol import Query
from inverse_inr.term import Term


class ByRows(OnGrid):
    """A dense operator whose cost is that of the rows it is asked for."""

    def __init__(self, matrix: Tensor, batch: int | None) -> None:
        super().__init__(lambda v: matrix @ v.reshape(-1), GRID, (len(matrix),))
        self.matrix = matrix
        self.batch = batch

    def forward(self, rows: Tensor) -> Query:
        return Query(self.grid, lambda v: self.matrix[rows] @ v.reshape(-1))


def problem_by_rows(batch: int | None, rows: int = 60, weight: float = 1.0) -> Problem:
    matrix = random(rows, GRID.numel)
    y = matrix @ blocks().reshape(-1) + 0.05 * random(rows, seed=1)
    term = Term(ByRows(matrix, batch), y, Gaussian(0.05), weight=weight)
    return Problem([term], box=GRID.box, grid=GRID)


@pytest.mark.parametrize(("batch", "count"), [(None, 1), (100, 1), (20, 3), (7, 9)])
def test_parts_add_up_to_the_whole(batch: int | None, count: int) -> None:
    problem = problem_by_rows(batch, weight=2.0)
    rows = [torch.arange(0, 60)]
    whole = LeastSquares.of(problem, rows)
    parts = whole.in_parts(problem, rows)
    assert len(parts) == count
    image = random(*GRID.shape, 1, seed=3)
    total = sum(part.value(image) for part in parts)
    assert total == pytest.approx(whole.value(image), rel=1e-12)
    seen = torch.cat([part.targets[0] for part in parts])
    torch.testing.assert_close(seen.sort().values, whole.targets[0].sort().values)


def test_terms_are_parted_together_or_not_at_all() -> None:
    problem = problem_by_rows(20)
    other = problem_by_rows(None, rows=24).terms[0]
    rows = [torch.arange(60), torch.arange(24)]
    mixed = replace(problem, terms=[*problem.terms, other])
    assert len(LeastSquares.of(mixed, rows).in_parts(mixed, rows)) == 1
    both = replace(problem, terms=[*problem.terms, problem_by_rows(12, rows=24).terms[0]])
    whole = LeastSquares.of(both, rows)
    parts = whole.in_parts(both, rows)
    assert [[len(y) for y in part.targets] for part in parts] == [[30, 12], [30, 12]]
    image = random(*GRID.shape, 1, seed=3)
    total = sum(part.value(image) for part in parts)
    assert total == pytest.approx(whole.value(image), rel=1e-12)


@pytest.mark.parametrize(
    "weight",
    [pytest.param(0.3, marks=pytest.mark.slow), 3.0, pytest.param(30.0, marks=pytest.mark.slow)],
)
def test_parts_of_the_rows_reach_the_image_of_all_rows(weight: float) -> None:
    """The sum is strictly convex here, so that both methods end at one image."""
    expected = image_of(baselines.tv(problem_by_rows(None), weight, iterations=3000))
    got = image_of(baselines.tv(problem_by_rows(12), weight, iterations=6000))
    torch.testing.assert_close(got, expected, rtol=0, atol=2e-3)


def test_negative_pixels_are_refused_by_parts_too() -> None:
    problem = problem_by_rows(12)
    got = image_of(baselines.tv(problem, 1.0, iterations=400, nonnegative=True))
    assert (got >= 0).all()
    assert got.dtype == F64


def test_each_weight_begins_where_the_one_before_ended() -> None:
    problem = problem_by_rows(12)
    rows = [torch.arange(60)]
    parts = LeastSquares.of(problem, rows).in_parts(problem, rows)
    expected = image_of(baselines.tv(problem_by_rows(None), 3.0, iterations=3000))

    def error(method: baselines.StochasticPrimalDual, iterations: int) -> float:
        return float((method.solve(3.0, iterations).reshape(-1) - expected).norm())

    start = torch.zeros(*GRID.shape, 1, dtype=F64)
    start[1, 1] = 1.0  # its size is the unit of the method
    fresh = baselines.StochasticPrimalDual(parts, GRID.spacing, start)
    warm = baselines.StochasticPrimalDual(parts, GRID.spacing, start)
    warm.solve(4.0, 3000)
    assert error(warm, 60) < 0.2 * error(fresh, 60)
    again = error(warm, 6000)
    assert again < 0.01


@pytest.mark.parametrize(("factor", "left"), [(1e-3, 0.05), (1e3, 0.5)])
def test_a_step_that_does_not_suit_is_balanced(
    factor: float, left: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = problem_by_rows(12)
    rows = [torch.arange(60)]
    parts = LeastSquares.of(problem, rows).in_parts(problem, rows)
    expected = image_of(baselines.tv(problem_by_rows(None), 3.0, iterations=3000))

    def error() -> float:
        start = torch.zeros(*GRID.shape, 1, dtype=F64)
        start[1, 1] = 1.0  # its size is the unit of the method
        method = baselines.StochasticPrimalDual(parts, GRID.spacing, start)
        method.solve(3.0, 1)
        method._tau *= factor
        return float((method.solve(3.0, 1000).reshape(-1) - expected).norm())

    balanced = error()
    monkeypatch.setattr(baselines.StochasticPrimalDual, "_balance", lambda self: None)
    assert balanced < left * error()
