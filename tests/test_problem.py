"""Terms and problems: measurements, rows, weights and parts that do not fit are refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from cases.solver import run
from torch import Tensor

from inverse_inr import Box, Grid, Problem, Term, fidelity, priors
from inverse_inr.operators import ParallelBeam
from inverse_inr.solver import Solver

BOX = Box((-1.0, -1.0), (1.0, 1.0))
BEAM = ParallelBeam(BOX, torch.arange(12) * torch.pi / 12, detectors=16)
ROWS = len(BEAM)
Y = torch.zeros(ROWS)
NAME = r"ParallelBeam\(shape=\(12, 16\)\)"


# --- terms --------------------------------------------------------------------------------------


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
        partly = Term(term.operator, y, term.fidelity, rows=good)
        images.append(run(replace(problem, terms=[partly])).sample())
    assert torch.isfinite(images[0]).all()
    assert torch.equal(*images)
    assert torch.equal(Term(BEAM, Y, fidelity.L2(), rows=good.repeat(2).flip(0)).trusted, good)


# --- problems -----------------------------------------------------------------------------------


class KeepsChannels:
    def __len__(self) -> int:
        return 5

    def __call__(self, rows: Tensor):
        return torch.zeros(len(rows), 3, 2), lambda values: values.sum(1)


GRID = Grid(BOX, (16, 16))
CUBE = Box((0, 0, 0), (1, 1, 1))
VOXELS = Grid(CUBE, (4, 4, 4))
TERM = Term(BEAM, Y, fidelity.L2())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Problem([], BOX, GRID), r"terms is empty; pass at least one Term"),
        (lambda: Problem([TERM], BOX, VOXELS), "the grid has 3 axes and the box 2"),
        (
            lambda: Problem([TERM], CUBE, VOXELS),
            r"ParallelBeam.* looks at 2-D points; the box has 3 axes",
        ),
        (
            lambda: Problem([TERM], BOX, GRID, channels=0),
            "channels must be at least 1, got 0",
        ),
        (
            lambda: Problem([Term(KeepsChannels(), torch.zeros(5), fidelity.L2())], BOX, GRID),
            r"shape \(1, 1\) for one row; y has \(1,\) a row.*Take values\[\.\.\., 0\]",
        ),
        (
            lambda: Solver(Problem([TERM], BOX, GRID), priors.grid(CUBE, cells=4)),
            "The prior's box has 3 axes, the problem's 2",
        ),
    ],
    ids=["no terms", "grid", "operator", "no channels", "channels kept", "prior"],
)
def test_problems_that_do_not_fit_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
