"""By what a run is known: measurements and prior of a state, and the record of a solution."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor, nn

from inverse_inr.hooks import Stored
from inverse_inr.io.provenance import recording
from inverse_inr.problem import Problem
from inverse_inr.term import Term, describe

Solution = Any  # `Solution` asks these functions, so this file cannot import it
SIMPLE = (str, int, float, bool, tuple, list, type(None))
"""Kinds of attributes that are settings of an object."""
LARGEST = 2**20
"""The most numbers of an operator's tensor that is written beside an image."""
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


# --- the record -----------------------------------------------------------------------------------


@contextmanager
def recorded(solution: Solution) -> Iterator[None]:
    """Let all files that are written inside the block hold the record of a solution.

    Args:
        solution: The solution.
    """
    with recording(record_of(solution)):
        yield


def record_of(solution: Solution) -> dict[str, Any]:
    """Gather every setting by which a solution was made.

    It holds no times, so that the same fit has the same record.

    Args:
        solution: The solution.

    Returns:
        "software" with versions, "problem" (terms, box, grid, notes, a digest of the
        measurements), "prior", "solver", "result" and the small parameters that were "learnt".
    """
    return {
        "software": {**versions(), "python": platform.python_version()},
        "method": solution.method,
        "problem": _problem(solution.problem),
        "prior": _prior(solution.field),
        "solver": solution.settings,
        "result": {
            "steps": solution.steps,
            "best step": solution.best_step,
            "ended": str(solution.stopped),
            "details": solution.details,
        },
        "learnt": solution.learnt,
    }


def versions() -> dict[str, str]:
    """The versions of this library and of those that its numbers rest on."""
    return {name: version(name) for name in ("inverse-inr", "torch", "numpy", "scipy")}


def settings_of(solver: Any) -> dict[str, Any]:
    """List the settings of a solver, the suggested ones included.

    Args:
        solver: The `Reconstruction`.
    """
    return {
        "seed": solver.seed,
        "steps": solver.steps,
        "rows per step": [len(schedule.at(0)) for schedule in solver.schedules],
        "optimizer": described(solver.made_of),
        "operator_lr": solver.operator_lr,
        "stopping": described(solver.stopping),
        "regularizers": [
            {"weight": weight, **described(part)} for weight, part in solver.objective.parts
        ],
        "points": solver.points,
        "dtype": str(next(solver.prior.parameters()).dtype),
        "deterministic": solver.deterministic,
        "processes": solver.ranks.world,
    }


def described(thing: object) -> dict[str, Any]:
    """Say what an object is and how it is set, as far as its attributes are plain values.

    Args:
        thing: A fidelity, a regularizer, an optimizer, a rule.
    """
    names = [f.name for f in fields(thing)] if is_dataclass(thing) else list(vars(thing))
    plain = {
        name: value
        for name in names
        if not name.startswith("_") and isinstance(value := getattr(thing, name, None), SIMPLE)
    }
    plain.pop("training", None)
    return {"name": type(thing).__name__, **plain}


def _problem(problem: Problem) -> dict[str, Any]:
    found = {
        "terms": [_term(term) for term in problem.terms],
        "box": described(problem.box),
        "shape": problem.grid.shape,
        "channels": problem.channels,
        "notes": problem.notes,
    }
    if not any(isinstance(term.y, Stored) for term in problem.terms):
        found["measurements"] = measurements_digest(problem)  # what lies on disk takes too long
    return found


def _term(term: Term) -> dict[str, Any]:
    return {
        "operator": describe(term.operator),
        "measurements": tuple(term.y.shape),
        "trusted": term.count,
        "fidelity": described(term.fidelity),
        "weight": term.weight,
    }


def _prior(field: object) -> dict[str, Any]:
    recipe = getattr(field, "recipe", None)
    if recipe is None:
        return {"name": type(field).__name__}
    return {"name": recipe.name, **recipe.options}


def tensors_of(solution: Solution) -> Mapping[str, Tensor]:
    """List what was learnt, and the geometry of the operators, to be kept beside an image.

    Args:
        solution: The solution.

    Returns:
        Tensors by name: "learnt/0.shift", and parameters and buffers of each term's operator as
        "operators/0/angles", those of more than `LARGEST` numbers left out.
    """
    found = {f"learnt/{name}": value for name, value in solution.learnt.items()}
    for k, term in enumerate(solution.problem.terms):
        if isinstance(term.operator, nn.Module):
            state = [*term.operator.named_parameters(), *term.operator.named_buffers()]
            named = {f"operators/{k}/{name}": value.detach() for name, value in state}
            found |= {name: value for name, value in named.items() if value.numel() <= LARGEST}
    return found
