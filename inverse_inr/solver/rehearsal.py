"""The first step is rehearsed where a solver is made: what cannot run is refused there.

The rehearsal asks the prior at a few places, and evaluates the objective once without a gradient's
way back, on the rows and random numbers of the first step. It changes nothing.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from inverse_inr.precision import placement, require_precise
from inverse_inr.problem import Problem
from inverse_inr.protocol import evaluating
from inverse_inr.solver.objective import Objective
from inverse_inr.solver.seeds import seeded

PLACES = (0.5, 0.375)
"""Where in the box the prior is asked, as fractions of each side."""


def require_field(problem: Problem, prior: nn.Module) -> None:
    """Refuse a prior whose values are no field of the problem.

    Args:
        problem: The problem.
        prior: A module that maps points of its box to values.

    Raises:
        TypeError: Its parameters have half precision, its values are no tensor, or they are complex
            where the problem and all measurements are real.
        ValueError: Its values have another shape than one number per point and channel.
    """
    name = getattr(prior, "name", type(prior).__name__)
    dtype, device = placement(prior)
    require_precise(f"Solver: prior {name}", dtype)
    corner = torch.tensor(problem.box.lower, dtype=dtype, device=device)
    sides = torch.tensor(problem.box.lengths, dtype=dtype, device=device)
    points = torch.stack([corner + part * sides for part in PLACES])
    with torch.no_grad(), evaluating(prior), seeded(0, 0, device):
        values = prior(points)
    if not isinstance(values, Tensor):
        raise TypeError(
            f"Solver: prior {name} gives a {type(values).__name__} for points; "
            "a field gives a tensor, (*s, d) -> (*s, channels)."
        )
    expected = (len(points), problem.channels)
    if tuple(values.shape) != expected:
        slip = "Another number of channels?"
        if values.ndim < 2:
            slip = "Keep the last axis: one value is (*s, 1)."
        raise ValueError(
            f"Solver: prior {name} gives values of shape {tuple(values.shape)} for "
            f"{len(points)} points; the problem has channels={problem.channels}, so {expected} "
            f"was expected. {slip}"
        )
    measured_complex = any(term.y.is_complex() for term in problem.terms)
    if values.is_complex() and not (problem.is_complex or measured_complex):
        raise TypeError(
            f"Solver: prior {name} is complex; the problem is real (is_complex=False), and so are "
            "its measurements. Take another head, or say Problem(..., is_complex=True)."
        )


def require_objects(what: str, parts: Sequence[Any], arguments: tuple[str, ...]) -> None:
    """Refuse functions of other arguments, and a class in the place of one of its objects.

    Args:
        what: The argument, for the message: "callbacks".
        parts: Functions and objects that can be called.
        arguments: What they will be called with, for the message.

    Raises:
        TypeError: One of them is a class, or takes another number of arguments.
    """
    for part in parts:
        if isinstance(part, type):
            name = part.__name__
            raise TypeError(
                f"Solver: {what} holds the class {name} instead of an object of it. "
                f"Write {name}(...)."
            )
        if not _takes(part, len(arguments)):
            name = getattr(part, "__name__", type(part).__name__)
            raise TypeError(
                f"Solver: {what} holds {name}, which cannot be called as "
                f"{name}({', '.join(arguments)})."
            )


def _takes(part: Any, count: int) -> bool:
    """Whether something can be called with so many arguments; True where nobody can tell."""
    try:
        signature = inspect.signature(part)
    except (TypeError, ValueError):
        return True
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True


def rehearse(objective: Objective, rows: Sequence[Tensor], points: Tensor, seed: int) -> None:
    """Evaluate the objective once, as the first step will.

    Args:
        objective: The objective.
        rows: For each term, (b,) indices of the measurements of the first step.
        points: (n, d) points of the box for the regularizers.
        seed: Seed of the run.

    Raises:
        TypeError: A regularizer or a fidelity gives no tensor.
        ValueError: A regularizer or a fidelity gives more than one number.
    """
    device = placement(objective.prior)[1]
    with seeded(seed, 0, device), evaluating(objective):
        objective(rows, points)
