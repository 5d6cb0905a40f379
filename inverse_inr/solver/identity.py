"""What a state belongs to: the measurements and the prior, by which a resumed run knows it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from inverse_inr.problem import Problem
from inverse_inr.term import describe

AT_ONCE = 2**22
"""Measurements that are read at a time."""

KEYS = frozenset(
    {
        "step",
        "steps",
        "seed",
        "seconds",
        "measurements",
        "prior",
        "parts",
        "objective",
        "optimizer",
        "best",
        "history",
        "stopped",
    }
)
"""All that `Reconstruction.state_dict` holds."""


def measurements_digest(problem: Problem) -> str:
    """Compute a fingerprint of all measurements, by which a later session knows the problem again.

    Args:
        problem: The problem.

    Returns:
        The SHA-256 of the values, the trusted rows and the weight of every term, and of box, grid
        and channels, as 64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    _add(digest, problem.box.lower, problem.box.upper, problem.grid.shape, problem.channels)
    for term in problem.terms:
        _add(digest, describe(term.operator), len(term.operator), term.weight)
        for values, kind, shape in (
            (term.y, term.y.dtype, tuple(term.y.shape)),
            (term.fitted, torch.int64, (term.count,)),
        ):
            _add(digest, str(kind), shape)
            for start in range(0, len(values), AT_ONCE):  # they may lie on disk
                digest.update(_plain(values[start : start + AT_ONCE]).numpy().tobytes())
    return digest.hexdigest()


def _add(digest: Any, *facts: object) -> None:
    digest.update(repr(facts).encode())


def _plain(values: Tensor) -> Tensor:
    return values.detach().cpu().resolve_conj().resolve_neg().contiguous()


def prior_recipe(prior: nn.Module) -> str:
    """Say what a prior is made of: the name and the options of the catalogue, or its class.

    Args:
        prior: The prior.

    Returns:
        One line of text, equal for priors that were made alike.
    """
    recipe = getattr(prior, "recipe", None)
    if recipe is None:
        return type(prior).__name__
    return f"{recipe.name} {json.dumps(recipe.options, sort_keys=True, default=str)}"


def check_same(state: Mapping[str, Any], mine: Mapping[str, Any]) -> None:
    """Refuse the state of another run.

    Args:
        state: The state that is to be read.
        mine: The state of the solver that reads it.

    Raises:
        ValueError: The state is incomplete, or has another seed, number of steps, other
            measurements, another prior or another objective.
    """
    missing = sorted(KEYS - set(state))
    if missing:
        raise ValueError(f"This checkpoint is incomplete: it lacks {', '.join(missing)}.")
    for key in ("seed", "steps"):
        if state[key] != mine[key]:
            raise ValueError(
                f"This checkpoint has {key}={state[key]}, the solver {mine[key]}: not the same run."
            )
    for key, what in (("prior", "the prior"), ("parts", "the objective")):
        if state[key] != mine[key]:
            raise ValueError(
                f"This checkpoint is of another run: {what} was {state[key]}, and is {mine[key]}."
            )
    if state["measurements"] != mine["measurements"]:
        raise ValueError(
            "This checkpoint is of other measurements than the solver's. Did the measured file, "
            "the seed of the noise or the machine that simulated them change since?"
        )
