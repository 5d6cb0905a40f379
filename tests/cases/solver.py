"""Shared by the tests of the solver: a short run, a state on disk, runs compared bit by bit."""

from io import BytesIO

import torch

from inverse_inr import Problem, Solution, Solver, priors, solve
from inverse_inr.stopping import HeldOut


def run(problem: Problem, **keywords) -> Solution:
    """Solve with a small grid: 30 steps of 32 rows each, checked every 10."""
    made = {
        "steps": 30,
        "batch": 32,
        "points": 64,
        "stopping": HeldOut(every=10),
        "callbacks": (),
        **keywords,
    }
    return solve(problem, priors.grid(problem.box, cells=8), **made)


def through_disk(solver: Solver) -> dict:
    file = BytesIO()
    torch.save(solver.state_dict(), file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def history(run: Solver) -> list[dict]:
    return [{k: v for k, v in record.items() if k != "seconds"} for record in run.history]


def assert_same_run(a: Solver, b: Solver) -> None:
    assert history(a) == history(b)
    assert len(a.history) > 0
    assert a.best["step"] == b.best["step"]
    _assert_same_state(a.objective.state_dict(), b.objective.state_dict())
    _assert_same_state(a.best["state"], b.best["state"])


def _assert_same_state(mine: dict, other: dict) -> None:
    assert mine.keys() == other.keys()
    for key in mine:
        assert torch.equal(mine[key], other[key]), key
