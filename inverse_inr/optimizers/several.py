"""Torch's optimisers stepped as one with a schedule, and a plain loop for losses of any kind."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch
from torch import Tensor

ScheduleName = Literal["cosine", "exponential", "constant"]
"""Names of the learning rate's schedules."""

SCHEDULES: dict[str, Callable[[float], float]] = {
    "cosine": lambda t: 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(t, 1.0))),
    "exponential": lambda t: 0.1 ** min(t, 1.0),
    "constant": lambda t: 1.0,
}
"""Factor of the learning rate when a fraction t of the run is done."""


class Several:
    """Several torch optimisers stepped as one, with learning rates that follow a schedule.

    Args:
        optimizers: Torch's optimisers; their learning rates are those of the beginning.
        schedule: Name of a schedule, or the factor of the learning rate as a function of the
            fraction of the run that is done.

    Raises:
        ValueError: The schedule's name is unknown.
    """

    def __init__(
        self, optimizers: list[torch.optim.Optimizer], schedule: str | Callable[[float], float]
    ) -> None:
        if isinstance(schedule, str):
            if schedule not in SCHEDULES:
                raise ValueError(f"schedule must be one of {sorted(SCHEDULES)}, got {schedule!r}.")
            schedule = SCHEDULES[schedule]
        self.optimizers = optimizers
        self.schedule = schedule
        self._base = [[g["lr"] for g in o.param_groups] for o in optimizers]

    def step(self, closure: Callable[[], Tensor], progress: float) -> Tensor:
        """Take one step.

        Args:
            closure: Function that computes the loss and fills the gradients.
            progress: Fraction of the run that is done, from 0 to 1.

        Returns:
            The loss before the step, a scalar.
        """
        factor = self.schedule(progress)
        for optimizer, base in zip(self.optimizers, self._base, strict=True):
            for group, lr in zip(optimizer.param_groups, base, strict=True):
                group["lr"] = lr * factor
        first = self.optimizers[0]
        if isinstance(first, torch.optim.LBFGS):
            return torch.as_tensor(first.step(closure))  # pyright: ignore[reportArgumentType]
        loss = closure()
        for optimizer in self.optimizers:
            optimizer.step()
        return loss

    def zero_grad(self) -> None:
        """Clear the gradients of all parameters."""
        for optimizer in self.optimizers:
            optimizer.zero_grad()

    def state_dict(self) -> list[dict[str, Any]]:
        """List the states of the optimisers, for `load_state_dict`."""
        return [o.state_dict() for o in self.optimizers]

    def load_state_dict(self, states: list[dict[str, Any]]) -> None:
        """Restore the states of the optimisers.

        Args:
            states: What `state_dict` returned.
        """
        for optimizer, state in zip(self.optimizers, states, strict=True):
            optimizer.load_state_dict(state)


def descend(optimizer: Several, loss: Callable[[], Tensor], progress: Iterable[float]) -> None:
    """Minimise a loss that is no `Problem`: a surface through points, a network with examples.

    Args:
        optimizer: The optimiser of the parameters.
        loss: Function that computes the loss anew for each step.
        progress: Fraction of the run that is done at each step, from 0 to 1.
    """

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    for t in progress:
        optimizer.step(closure, t)
