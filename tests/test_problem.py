"""What is solved and what it is judged by: validation messages, the objective, rows, stopping rules."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import inverse_inr as ii
from inverse_inr import (
    Box,
    Grid,
    OnGrid,
    Problem,
    Solution,
    Term,
    fidelity,
    noise,
    predict,
    priors,
    solve,
)
from inverse_inr.operators import ParallelBeam
from inverse_inr.regularizers import L1, TotalVariation, as_weighted
from inverse_inr.solver import AgainstReference, Solver
from inverse_inr.solver.objective import Objective, RowSchedule
from inverse_inr.stopping import Discrepancy, HeldOut, Never

BOX = Box((-1.0, -1.0), (1.0, 1.0))
BEAM = ParallelBeam(BOX, torch.arange(12) * torch.pi / 12, detectors=16)
ROWS = len(BEAM)
Y = torch.zeros(ROWS)
NAME = r"ParallelBeam\(shape=\(12, 16\)\)"


def run(problem: Problem, **keywords) -> Solution:
    made = {
        "steps": 30,
        "batch": 32,
        "points": 64,
        "stopping": HeldOut(every=10),
        "callbacks": (),
        **keywords,
    }
    return solve(problem, priors.grid(problem.box, cells=8), **made)


# --- terms --------------------------------------------------------------------------------------------------------


def spoilt(value: float) -> Tensor:
    y = Y.clone()
    y[[3, 7]] = value
    return y


WRONG_Y = {
    "nan": (
        spoilt(float("nan")),
        ValueError,
        r"y holds 2 NaN or Inf among 192 values.*rows=torch.isfinite\(y\)",
    ),
    "inf": (spoilt(float("inf")), ValueError, "y holds 2 NaN or Inf among 192 values"),
    "short": (
        Y[:-1],
        ValueError,
        NAME + r" has 192 rows; y has shape \(191,\)\. One value .* belongs to each row",
    ),
    "scalar": (Y[0], ValueError, r"y has shape \(\)"),
    "natural": (
        Y.reshape(12, 16),
        ValueError,
        r"y has shape \(12, 16\)\. .*flat along rows: pass operator.flatten",
    ),
    "transposed": (
        Y.reshape(16, 12),
        ValueError,
        r"y has shape \(16, 12\)\. Transposed\? Pass y.T.reshape\(-1\)",
    ),
    "integer": (Y.int(), TypeError, "got torch.int32. Pass torch.as_tensor"),
    "numpy": (
        np.zeros(ROWS),
        TypeError,
        "must be a floating or complex tensor, got ndarray. Pass torch.as_tensor",
    ),
    "list": ([0.0] * ROWS, TypeError, "got list"),
}


@pytest.mark.parametrize("case", WRONG_Y)
def test_wrong_measurements_are_refused(case):
    y, error, message = WRONG_Y[case]
    with pytest.raises(error, match=message):
        Term(BEAM, y, fidelity.L2())


WRONG_ROWS = {
    "mask": (torch.ones(ROWS, dtype=torch.bool), ValueError, "boolean mask; pass indices"),
    "float": (torch.zeros(3), ValueError, "integer tensor, got torch.float32"),
    "two axes": (torch.zeros(3, 2, dtype=torch.long), ValueError, r"of shape \(3, 2\)"),
    "empty": (torch.zeros(0, dtype=torch.long), ValueError, "rows is empty"),
    "negative": (
        torch.tensor([-1, 4]),
        IndexError,
        "rows run from -1 to 4, but ParallelBeam has 192 rows",
    ),
    "beyond": (torch.tensor([0, ROWS]), IndexError, r"192 rows \(0 to 191\)"),
}


@pytest.mark.parametrize("case", WRONG_ROWS)
def test_wrong_rows_are_refused(case):
    rows, error, message = WRONG_ROWS[case]
    with pytest.raises(error, match=message):
        Term(BEAM, Y, fidelity.L2(), rows=rows)


@pytest.mark.parametrize("weight", [-1.0, 0.0, float("nan"), float("inf")])
def test_wrong_weights_are_refused(weight):
    with pytest.raises(ValueError, match="weight must be positive and finite"):
        Term(BEAM, Y, fidelity.L2(), weight)


def test_what_is_no_operator_is_refused():
    with pytest.raises(TypeError, match="function is no operator: it needs __len__ and __call__"):
        Term(lambda rows: (rows, rows), Y, fidelity.L2())  # type: ignore[arg-type]


def test_rows_that_are_not_trusted_may_hold_nan_and_are_never_seen(problem):
    term = problem.terms[0]
    bad = torch.tensor([0, 5, 100])
    good = torch.ones(ROWS, dtype=torch.bool).index_fill(0, bad, False).nonzero()[:, 0]
    images = []
    for value in (float("nan"), 1e9):
        y = term.y.index_fill(0, bad, value)
        images.append(
            run(replace(problem, terms=[Term(term.operator, y, term.fidelity, rows=good)])).sample()
        )
    assert torch.isfinite(images[0]).all()
    assert torch.equal(*images)
    assert torch.equal(Term(BEAM, Y, fidelity.L2(), rows=good.repeat(2).flip(0)).trusted, good)


# --- problems -----------------------------------------------------------------------------------------------------


class KeepsChannels:
    def __len__(self) -> int:
        return 5

    def __call__(self, rows: Tensor):
        return torch.zeros(len(rows), 3, 2), lambda values: values.sum(1)


def test_problems_that_do_not_fit_are_refused():
    term, grid = Term(BEAM, Y, fidelity.L2()), Grid(BOX, (16, 16))
    cube = Box((0, 0, 0), (1, 1, 1))
    with pytest.raises(ValueError, match=r"terms is empty; pass at least one Term"):
        Problem([], BOX, grid)
    with pytest.raises(ValueError, match="the grid has 3 axes and the box 2"):
        Problem([term], BOX, Grid(cube, (4, 4, 4)))
    with pytest.raises(ValueError, match=r"ParallelBeam.* looks at 2-D points; the box has 3 axes"):
        Problem([term], cube, Grid(cube, (4, 4, 4)))
    with pytest.raises(ValueError, match="channels must be at least 1, got 0"):
        Problem([term], BOX, grid, channels=0)
    kept = Term(KeepsChannels(), torch.zeros(5), fidelity.L2())
    with pytest.raises(
        ValueError,
        match=r"shape \(1, 1\) for one row; y has \(1,\) a row.*Take values\[\.\.\., 0\]",
    ):
        Problem([kept], BOX, grid)
    with pytest.raises(ValueError, match="The prior's box has 3 axes, the problem's 2"):
        Solver(Problem([term], BOX, grid), priors.grid(cube, cells=4))


# --- the objective ------------------------------------------------------------------------------------------------


class Counting(nn.Module):
    """A pixel field that counts how often a lattice asks for it."""

    def __init__(self) -> None:
        super().__init__()
        self.values, self.lattices = nn.Parameter(torch.rand(8, 8, 1)), 0

    def forward(self, points: Tensor) -> Tensor:
        return points[..., :1] * self.values.mean()

    def sample(self, grid: Grid) -> Tensor:
        self.lattices += 1
        return self.values


def test_objective_names_and_weighs_its_parts(problem):
    first = problem.terms[0]
    terms = [first, replace(first, weight=2.0, fidelity=fidelity.L2())]
    objective = Objective(
        priors.grid(BOX, cells=8), terms, [2e-3 * L1() + 0.0 * TotalVariation()]
    ).eval()
    assert objective.names == ["D(ParallelBeam)", "D(ParallelBeam)", "R(L1)"]
    rows, points = torch.arange(9), BOX.random_points(20)
    with torch.no_grad():
        parts = objective([rows, rows], points)
        predicted = predict(first.operator, objective.prior, rows)
        assert torch.allclose(parts[0], first.fidelity(predicted, first.y[:9]))
        assert torch.allclose(parts[1], 2 * fidelity.L2()(predicted, first.y[:9]))
        assert torch.allclose(parts[2], 2e-3 * objective.prior(points).abs().mean())


def test_one_lattice_serves_data_and_regularizers():
    grid = Grid(BOX, (8, 8))
    operator = OnGrid(torch.fft.fft2, grid, (8, 8))
    term = Term(operator, torch.zeros(64, dtype=torch.complex64), noise.ComplexGaussian(1.0))
    shared = [as_weighted(TotalVariation(grid)), as_weighted(L1(grid))]
    for regularizers, expected in ((shared, 1), ([*shared, as_weighted(L1(Grid(BOX, (8, 4))))], 2)):
        prior = Counting()
        objective = Objective(prior, [term, term], regularizers)
        objective([torch.arange(64)] * 2, BOX.random_points(4)).sum().backward()
        assert prior.lattices == expected


def test_rows_at_a_step_are_a_pure_function():
    rows = torch.arange(100)[::2]
    a, b = RowSchedule(rows, 8, seed=3), RowSchedule(rows, 8, seed=3)
    order = [17, 3, 3, 0, 40, 17]
    assert all(torch.equal(a.at(k), b.at(k)) for k in order)
    assert {k: a.at(k).tolist() for k in range(60)} == {
        k: b.at(k).tolist() for k in reversed(range(60))
    }
    epochs = [torch.cat([a.at(6 * e + k) for k in range(6)]) for e in range(9)]
    for epoch in epochs:
        assert len(epoch) == 48  # constant batches: the last 2 rows of an epoch's order wait
        assert len(epoch.unique()) == 48
        assert torch.isin(epoch, rows).all()
    assert len({tuple(e.tolist()) for e in epochs}) == 9
    assert torch.equal(torch.cat(epochs).unique(), rows)
    assert not torch.equal(a.at(0), RowSchedule(rows, 8, seed=4).at(0))
    for batch in (None, 50, 1000):
        assert torch.equal(RowSchedule(rows, batch, 0).at(5), rows)


# --- stopping -----------------------------------------------------------------------------------------------------


def test_held_out_rows_are_never_fitted(problem):
    solver = Solver(problem, "grid", batch=20, stopping=HeldOut(0.1))
    seen = torch.cat([solver.schedules[0].at(k) for k in range(50)]).unique()
    watched = solver.watched_rows[0]
    assert len(watched) == 19
    assert not torch.isin(watched, seen).any()
    assert torch.equal(torch.cat([watched, seen]).sort().values, torch.arange(ROWS))
    assert len(HeldOut(0.5, limit=7).split(problem.terms, 0)[1][0]) == 7


def test_held_out_rows_may_be_named(problem):
    view = torch.arange(32, 48)
    solution = run(problem, stopping=HeldOut(every=10, rows=[view]))
    assert torch.equal(solution.watched[0], view)
    assert solution.held_out() == pytest.approx(min(r["held-out"] for r in solution.history))
    for rows in (torch.arange(ROWS), torch.tensor([ROWS + 5])):
        with pytest.raises(ValueError, match=r"HeldOut leaves .* rows to fit and .* to watch"):
            run(problem, stopping=HeldOut(rows=[rows]))


def test_patience_stops_and_the_best_state_is_kept(problem):
    solution = run(
        problem, lr=3.0, steps=60, stopping=HeldOut(every=2, patience=3)
    )  # far too fast: it overshoots
    values = {r["step"]: r["held-out"] for r in solution.history}
    assert str(solution.stopped) == f"held-out satisfied at step {solution.steps}"
    assert solution.steps == solution.best_step + 6 < 60
    assert solution.best_step == min(values, key=values.__getitem__)
    assert solution.held_out() == pytest.approx(values[solution.best_step])


def test_discrepancy_stops_at_the_noise(problem):
    solution = run(problem, steps=60, lr=0.1, stopping=Discrepancy(tau=400.0, every=5))
    term = problem.terms[0]
    chi2 = float(
        term.fidelity.standardized(predict(term.operator, solution.field), term.y).square().mean()
    )
    assert str(solution.stopped) == f"discrepancy satisfied at step {solution.steps}"
    assert chi2 <= 400
    assert solution.history[-1]["discrepancy"] == pytest.approx(chi2 - 400, abs=0.01)
    assert all(r["discrepancy"] > 0 for r in solution.history[:-1])
    with pytest.raises(ValueError, match="Discrepancy needs a noise model as fidelity, not L2"):
        run(replace(problem, terms=[replace(term, fidelity=fidelity.L2())]), stopping=Discrepancy())


def test_never_fits_everything_and_keeps_the_last_state(problem):
    solver = Solver(problem, priors.grid(BOX, cells=8), steps=23, stopping=Never(every=10))
    solution = solver.run()
    assert (solution.best_step, str(solution.stopped), solution.held_out()) == (
        23,
        "all steps done",
        None,
    )
    assert [r["step"] for r in solution.history] == [10, 20, 23]
    with (
        torch.no_grad()
    ):  # as `Solution.sample` does: with gradients recorded, sums are taken in another order
        assert torch.equal(solution.sample(), ii.sample(solver.prior, problem.grid))


def test_the_truth_never_decides(problem):
    wrong = replace(problem, reference=lambda points: -5 * points[..., :1])
    watched = run(wrong, callbacks=[AgainstReference()])
    assert all("PSNR (reference)" in r for r in watched.history)
    for other in (
        run(problem),
        run(replace(problem, reference=None), callbacks=[AgainstReference()]),
    ):
        assert torch.equal(watched.sample(), other.sample())
        assert (watched.best_step, watched.stopped) == (other.best_step, other.stopped)
