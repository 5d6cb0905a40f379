"""Which solvers can make their steps together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from inverse_inr.hooks import BeforeStep
from inverse_inr.optimizers import Several
from inverse_inr.priors import Prior
from inverse_inr.solver.loop import Solver
from inverse_inr.solver.objective import learns

WORK = 4e7
"""Multiplications of a field in one step up to which a batched step is worth while on a CPU."""

LOOK = 4000
"""What one point costs beside the products of its network, in multiplications: tables, sines."""


def require_together(solvers: Sequence[Solver]) -> None:
    """Refuse solvers that cannot make their steps together.

    Args:
        solvers: The solvers.

    Raises:
        ValueError: The message says why not.
    """
    if len(solvers) < 2:
        raise ValueError("there is one problem only")
    for solver in solvers:
        found = solver.optimizer
        if not isinstance(found, Several) or [type(o) for o in found.optimizers] != [
            torch.optim.Adam
        ]:
            raise ValueError("only Adam moves every parameter by its own gradient alone")
        instruments = [*solver.objective.operators, *solver.objective.fidelities]
        if any(learns(part) for part in instruments):
            raise ValueError("operators or fidelities learn something")
        if solver.objective.products is not None:
            raise ValueError("products in half precision")
        if solver.is_divided:
            raise ValueError("several processes hold parts of the parameters")
        if solver._twin is not None:
            raise ValueError("the stopping rule compares twins")
        if any(map(_changes, solver.prior.modules())):
            raise ValueError("the prior changes from step to step")
    for what, values in (
        ("numbers of steps", [s.steps for s in solvers]),
        ("numbers of terms", [len(s.objective.terms) for s in solvers]),
        ("numbers of rows a step", [[c.batch for c in s.schedules] for s in solvers]),
        ("learning rates", [_rates(s) for s in solvers]),
    ):
        if any(value != values[0] for value in values):
            raise ValueError(f"the problems differ in their {what}")


def require_short(solver: Solver, points: int) -> None:
    """Refuse fits whose arithmetic takes so long that the host's time between does not matter.

    A batched step saves that time. On a CPU its arithmetic is no faster than that of one fit after
    the other, and slower where values no longer fit in the caches. Measured: `docs/distributed.md`.

    Args:
        solver: One of the fits.
        points: The number of points at which a step looks at its field.

    Raises:
        ValueError: A step is long.
    """
    if solver._device.type != "cpu":
        return
    groups = getattr(solver.prior, "param_groups", list)()
    tables = {id(p) for group in groups if group["role"] == "table" for p in group["params"]}
    numbers = sum(p.numel() for p in solver.prior.parameters() if id(p) not in tables)
    if points * (numbers + LOOK) > WORK:
        raise ValueError(
            f"a step asks each field at {points} points, which takes longer than what a batch saves"
        )


def _changes(part: nn.Module) -> bool:
    """Whether a part of a prior wants to know of each step; a `Prior` only tells its parts."""
    told = getattr(type(part), "before_step", None)
    return isinstance(part, BeforeStep) and told is not Prior.before_step


def _rates(solver: Solver) -> list[Any]:
    assert isinstance(solver.optimizer, Several)
    groups = solver.optimizer.optimizers[0].param_groups
    return [[{k: v for k, v in group.items() if k != "params"} for group in groups]]
