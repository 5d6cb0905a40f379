"""`solve_many`: one call from many problems to their solutions."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from typing import Any

from torch import nn

from inverse_inr.problem import Problem
from inverse_inr.ranges import Seed, checked
from inverse_inr.solver.callbacks import Progress
from inverse_inr.solver.interrupt import interruptible
from inverse_inr.solver.loop import Solver
from inverse_inr.solver.many.alike import require_short
from inverse_inr.solver.many.batch import Batch
from inverse_inr.solver.solution import Solution


@checked
def solve_many(
    problems: Sequence[Problem],
    prior: str | nn.Module | Sequence[nn.Module] | None = None,
    *,
    seed: Seed | Sequence[int] = 0,
    **solving: Any,
) -> list[Solution]:
    """Fit many problems, e.g. the slices of a volume, by one batched step where that can be done.

    Each solution is that of `Solver(problem, prior, seed=seed, ...).run()`, to rounding: rows,
    random points, held-out rows and the end by the stopping rule are each problem's own. Fields of
    one architecture are evaluated together and moved by one Adam; a problem that has ended leaves
    the batch.

    Problems that cannot go together, or gain nothing by it, are solved one after the other, and
    `details["one by one"]` of each solution says why: other shapes or architectures, another
    optimizer than Adam, operators that learn or ask the field themselves, long steps on a CPU.

    Args:
        problems: The problems. What they leave out of `solving` is each problem's own suggestion.
        prior: A name of the catalogue, a prior from whose copies all start, or one for each
            problem, which is fitted itself; default: each problem's.
        seed: Seed of all, or one for each problem.
        **solving: Keywords of `Solver`, e.g. `steps` and `regularizers`. Its `callbacks` are called
            for each problem; default: a progress bar.

    Returns:
        A solution for each problem. Their `seconds` are equal shares of the time.

    Raises:
        ValueError: The list of problems is empty, or the numbers of priors or seeds are others.
        FloatingPointError: One of the fits became NaN or Inf before its first good state.
    """
    problems = list(problems)
    if not problems:
        raise ValueError("solve_many: the list of problems is empty.")
    seeds = _each("seeds", seed, len(problems))
    starts = _each("priors", prior, len(problems))
    made = [
        Solver(problem, _own(start, prior), seed=number, **solving)
        for problem, start, number in zip(problems, starts, seeds, strict=True)
    ]
    shown = "callbacks" not in solving
    try:
        batch = batch_of(made)
    except ValueError as error:
        if shown:
            for solver in made:
                solver.callbacks = [Progress()]
        return _one_by_one(made, str(error))
    if shown:
        made[0].callbacks = [Progress()]
    return together(batch, made)


def batch_of(solvers: Sequence[Solver]) -> Batch:
    """Let fits go together.

    Args:
        solvers: The fits, each at its first step.

    Raises:
        ValueError: They cannot, or it does not pay; the message says why.
    """
    batch = Batch(solvers)
    require_short(solvers[0], batch.points)
    return batch


def _each(what: str, value: Any, count: int) -> list[Any]:
    """One value for each problem."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        return [value] * count
    if len(value) != count:
        raise ValueError(f"solve_many: there are {len(value)} {what} for {count} problems.")
    return list(value)


def _own(start: Any, given: Any) -> str | nn.Module | None:
    """A prior of the problem's own: a copy, unless one was given for each problem."""
    if isinstance(start, nn.Module) and start is given:
        return copy.deepcopy(start)
    return start


def _one_by_one(solvers: Sequence[Solver], reason: str) -> list[Solution]:
    found = []
    for solver in solvers:
        solution = solver.run()
        solution.details["one by one"] = reason
        found.append(solution)
        if solution.stopped.kind == "interrupted":
            break
    # those that an interruption left out are where they began
    return found + [solver.solution() for solver in solvers[len(found) :]]


def together(batch: Batch, solvers: Sequence[Solver]) -> list[Solution]:
    """Run fits that go together, each to its own end.

    Args:
        batch: What `batch_of` made of them.
        solvers: The fits.

    Returns:
        A solution for each. After Ctrl-C all of them are interrupted.
    """
    began = time.perf_counter()
    modes = [[(m, m.training) for m in solver.objective.modules()] for solver in solvers]
    with interruptible() as interrupt:
        while batch.solvers:
            each = batch.step()
            seconds = (time.perf_counter() - began) / len(solvers)
            for solver, parts in zip(batch.solvers, each, strict=True):
                solver.seconds = seconds
                solver.after_step(parts, interrupt)
            going = [k for k, solver in enumerate(batch.solvers) if not solver.finished]
            if len(going) < len(batch.solvers):
                batch.keep(going)
    total = (time.perf_counter() - began) / len(solvers)
    for solver, own in zip(solvers, modes, strict=True):
        solver.seconds = total
        for module, mode in own:
            module.training = mode
        solver._tell()
    return [solver.solution() for solver in solvers]
