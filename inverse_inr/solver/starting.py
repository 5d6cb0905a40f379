"""The beginning of a fit: its prior, by name or from an earlier fit, and its optimizer."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from inverse_inr import optimizers, priors
from inverse_inr.devices import CPU, HALF, chosen_precision, device_of, moved
from inverse_inr.on_cpu import works_anywhere
from inverse_inr.precision import placement
from inverse_inr.problem import Problem
from inverse_inr.ranges import Positive, Seed, checked
from inverse_inr.registry import nearest
from inverse_inr.solver.solution import Solution


@checked
def make_prior(
    problem: Problem,
    prior: str | nn.Module | None,
    seed: Seed,
    *,
    dtype: torch.dtype | None = None,
    **native: Any,
) -> nn.Module:
    """Make the prior of a fit, where the problem's measurements are.

    A prior by name gets the problem's box and channels and the grid's Nyquist frequency as its
    bandwidth, unless `native` says otherwise. It is made on the CPU and moved. The problem's own
    prior is prepared by `Suggestion.start`, others by their functions of `Suggestion.starts`.

    Args:
        problem: The problem that the prior is for.
        prior: A name of the catalogue, a made prior (returned as it is, or a copy where it is on
            another device or of another precision), or None for the problem's suggestion.
        seed: The seed of the initial parameters of a prior by name.
        dtype: Precision of the prior; None for its own.
        native: Further options of a prior by name; the suggested prior has its own.

    Returns:
        A module that maps points to values.

    Raises:
        TypeError: The prior is neither a name nor a module.
        ValueError: The prior's box has another number of axes than the problem's.
    """
    start = None
    if prior is None:
        prior = problem.suggested.prior
        native = problem.suggested.options
        start = problem.suggested.start
    elif isinstance(prior, str):
        start = problem.suggested.starts.get(prior)
    if isinstance(prior, str):
        created = _by_name(problem, prior, seed, native)
        if dtype is not None:
            created = created.to(dtype)
        if start is not None and not works_anywhere(start):
            replaced = start(created)  # it was made with the problem, on the CPU
            if isinstance(replaced, nn.Module):
                created = replaced
            start = None
        created = created.to(problem.device)
        if start is not None:
            replaced = start(created)
            if isinstance(replaced, nn.Module):
                return replaced
        return created
    if isinstance(prior, priors.Prior) and prior.box.ndim != problem.box.ndim:
        raise ValueError(
            f"The prior's box has {prior.box.ndim} axes, the problem's {problem.box.ndim}."
        )
    if device_of(prior) is not None:
        prior = moved(prior, problem.device)
    if dtype not in (None, placement(prior)[0]):
        prior = copy.deepcopy(prior).to(dtype)
    return prior


def precisions(
    dtype: str | torch.dtype | None,
) -> tuple[torch.dtype | None, torch.dtype | None]:
    """Say what a precision means for a fit.

    Args:
        dtype: "float32", "float64" or "bfloat16", or torch's type; None for the prior's own.

    Returns:
        The precision of the prior, None for its own, and that of its matrix products, None for the
        prior's: in bfloat16 the parameters are float32.
    """
    if dtype is None:
        return None, None
    chosen = chosen_precision(dtype)
    if chosen in HALF:
        return torch.float32, chosen
    return chosen, None


def beside_prior(
    problem: Problem, prior: str | nn.Module | None, device: str | torch.device | None
) -> Problem:
    """Copy a problem to where its fit takes place.

    Args:
        problem: The problem.
        prior: The prior as it was given.
        device: The device that was asked for. None for that of a made prior, or the problem's: what
            was taken off the CPU, where all things are made, decides.

    Returns:
        The copy, or the problem itself where it is there.

    Raises:
        ValueError: There is no such device.
    """
    own = device_of(prior)
    if device is None and own != CPU:
        device = own
    return problem.to(device)


def _by_name(problem: Problem, name: str, seed: int, options: dict[str, Any]) -> nn.Module:
    defaults: dict[str, Any] = {"bandwidth": priors.bandwidth_of(problem.grid), "seed": seed}
    if problem.is_complex:
        defaults["head"] = "complex"
    # some are complex by themselves and have no head to choose, some draw nothing and need no seed
    taken = inspect.signature(priors.registry.get(name)).parameters
    if not any(p.kind is p.VAR_KEYWORD for p in taken.values()):
        defaults = {k: v for k, v in defaults.items() if k in taken}
    created = priors.create(name, problem.box, problem.channels, **{**defaults, **options})
    if not hasattr(created, "name"):  # tables and figures call it as the user did
        created.__dict__["name"] = name.rpartition(":")[2]
    return created


def going_on_from(fit: Callable[[], Solution]) -> Callable[[nn.Module], None]:
    """Start from the parameters of an earlier fit of the same prior.

    The result is a value for `Suggestion.start`.

    Args:
        fit: Gives the earlier solution; it is called only when a prior is to be prepared.

    Returns:
        A function that copies the parameters of that solution's field into the prior it is given.
        It raises TypeError if the field is no module.
    """

    def start(prior: nn.Module) -> None:
        field = fit().field
        if not isinstance(field, nn.Module):
            raise TypeError(
                f"going_on_from: a fit of {type(prior).__name__} is needed, "
                f"not of {type(field).__name__}."
            )
        prior.load_state_dict(field.state_dict())

    return start


@checked
def make_optimizer(
    optimizer: str | optimizers.Optimizer, lr: Positive | None
) -> optimizers.Optimizer:
    """Turn the name of an optimizer into a value of `optimizers`.

    Args:
        optimizer: A name, or a value, which is returned as it is.
        lr: The learning rate of an optimizer by name; None for its default, e.g. the prior's
            suggestion.

    Returns:
        The value, whose `build` makes torch's optimizer.

    Raises:
        ValueError: The name is unknown, or `lr` is given together with a value or for an optimizer
            without learning rate.
    """
    if not isinstance(optimizer, str):
        if lr is not None:
            raise ValueError("Give the learning rate once: lr=... or inside the optimizer value.")
        return optimizer
    if optimizer not in optimizers.NAMES:
        raise ValueError(f"Unknown optimizer {optimizer!r}. {nearest(optimizer, optimizers.NAMES)}")
    made = optimizers.NAMES[optimizer]
    if lr is None:
        return made()
    if "lr" not in inspect.signature(made).parameters:
        raise ValueError(
            f"lr={lr:g} is given, but the optimizer {optimizer!r} has no learning rate: it finds "
            "the length of its steps itself."
        )
    return made(lr=lr)
