"""The seeds of one prior in a comparison as one batched fit, where that is wanted and pays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from inverse_inr.command.cell import Cell, attempt, count_parameters, remember
from inverse_inr.command.config import Run
from inverse_inr.command.memory import step_memory
from inverse_inr.command.runs import digests_of
from inverse_inr.problem import Problem
from inverse_inr.solver import Checkpoint, Progress
from inverse_inr.solver.many.solving import batch_of, together


class Seed(NamedTuple):
    """One seed of a prior.

    Attributes:
        run: Its config.
        problem: Its problem.
        folder: The folder of its cell.
    """

    run: Run
    problem: Problem
    folder: Path


def fit_together(method: str, seeds: Sequence[Seed], progress: Progress) -> str:
    """Fit the seeds that have not begun by one batched step, and write their cells.

    Args:
        method: The prior's name.
        seeds: All seeds of the comparison, from 0.
        progress: What is shown on the way; it is closed at the end.

    Returns:
        Why they must be fitted one by one; "" where there is nothing to say.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed; checkpoints are left, from which the seeds go on one
            by one.
    """
    new = {seed: one for seed, one in enumerate(seeds) if _is_new(one.folder)}
    if len(new) < 2:
        return ""
    kept = {
        seed: Checkpoint(one.folder / "state.pt", config=digests_of(one.run.tables))
        for seed, one in new.items()
    }
    try:
        solvers = {seed: one.run.solver(one.problem, [kept[seed]]) for seed, one in new.items()}
        batch = batch_of([*solvers.values()])
        first = next(iter(new.values()))
        memory = step_memory(first.run.solver(first.problem, []))
    except (ValueError, TypeError) as error:
        return str(error)
    for one in new.values():
        one.folder.mkdir(parents=True, exist_ok=True)
    next(iter(solvers.values())).callbacks.append(progress)
    try:
        solutions = together(batch, [*solvers.values()])
    except FloatingPointError as error:
        return str(error)
    finally:
        progress.close()
    if any(solution.stopped.kind == "interrupted" for solution in solutions):
        for seed, solver in solvers.items():
            kept[seed].write(solver)
        raise KeyboardInterrupt
    for seed, solution in zip(new, solutions, strict=True):
        more = {"parameters": count_parameters(solvers[seed].prior), "memory": memory}
        if memory is not None:
            more["memory"] = memory / 1e6
        folder = new[seed].folder
        attempt(method, seed, folder, lambda at, s=solution, m=more: remember(s, m, at))
    return ""


def _is_new(folder: Path) -> bool:
    """Whether a cell is neither done nor begun."""
    found = Cell.read(folder)
    return (found is None or found.failed) and not (folder / "state.pt").exists()
