"""What a fit begins with: the prior that a problem suggests or a name asks for, or an earlier fit of the same one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from torch import nn

from inverse_inr import priors
from inverse_inr.problem import Problem
from inverse_inr.solver.solution import Solution


def make_prior(
    problem: Problem, prior: str | nn.Module | None, seed: int, **native: Any
) -> nn.Module:
    """A prior by name gets the problem's box, channels and the grid's Nyquist frequency, unless `native` says else.

    The suggested one is prepared by `Suggestion.start`.
    """
    options = problem.suggested.options if prior is None else native
    start = problem.suggested.start if prior is None else None
    prior = problem.suggested.prior if prior is None else prior
    if isinstance(prior, str):
        takes_head = (
            "head" in inspect.signature(priors.registry.get(prior)).parameters
        )  # some are complex by themselves
        head = {"head": "complex"} if problem.is_complex and takes_head else {}
        made = {"bandwidth": priors.bandwidth_of(problem.grid), "seed": seed, **head, **options}
        created = priors.create(prior, problem.box, problem.channels, **made)
        if start is not None:
            start(created)
        return created
    if not isinstance(prior, nn.Module):
        raise TypeError(
            f"prior must be a name or an nn.Module that maps points to values, got {type(prior).__name__}."
        )
    if isinstance(prior, priors.Prior) and prior.box.ndim != problem.box.ndim:
        raise ValueError(
            f"The prior's box has {prior.box.ndim} axes, the problem's {problem.box.ndim}."
        )
    return prior


def going_on_from(fit: Callable[[], Solution]) -> Callable[[nn.Module], None]:
    """`Suggestion.start`: the parameters of an earlier fit of the same prior, made when they are asked for."""

    def start(prior: nn.Module) -> None:
        field = fit().field
        if not isinstance(field, nn.Module):
            raise TypeError(
                f"going_on_from: a fit of {type(prior).__name__} is needed, not of {type(field).__name__}."
            )
        prior.load_state_dict(field.state_dict())

    return start
