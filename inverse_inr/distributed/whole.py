"""Where a fit's parameters are: here, all of them in each process. `Sharded` divides them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

State = dict[str, Any]
"""Tensors by their names in the objective."""


class Whole:
    """All parameters of a fit in this process.

    Args:
        objective: The loss as a module: prior, operators and fidelities.
        evaluate: What computes the parts of the loss whose gradients count.

    Attributes:
        parameters: The tensors that the optimizer moves.
        evaluate: What computes the parts of the loss whose gradients count.
        is_divided: Whether other processes hold a part of the parameters.
    """

    is_divided = False

    def __init__(self, objective: nn.Module, evaluate: Callable[..., Tensor]) -> None:
        self.objective = objective
        self.parameters: Sequence[Tensor] = list(objective.parameters())
        self.evaluate = evaluate

    @contextmanager
    def stepping(self) -> Iterator[None]:
        """Make the block one step: the objective has all its parameters till its gradient."""
        yield

    @contextmanager
    def together(self) -> Iterator[None]:
        """Let the block, which all processes enter, evaluate the prior and the operators."""
        yield

    @contextmanager
    def led(self) -> Iterator[None]:
        """Let the first process alone do something in the block; the others give what it asks."""
        yield

    def settle(self) -> None:
        """Keep what was written into the parameters since the block of a step began."""

    def kept(self) -> State:
        """Copy the present state, or this process's part of it, to be kept while steps go on."""
        return {name: v.detach().clone() for name, v in self.objective.state_dict().items()}

    def full(self, state: State | None) -> State | None:
        """Make a kept state that of a whole objective.

        Args:
            state: What `kept` or `part` gave last, or None, which stays so.
        """
        return state

    def readable(self, state: State | None) -> State | None:
        """Do as `full`; for None, give the present state if the objective does not hold it."""
        return state

    def present(self) -> State:
        """Collect the present state; its tensors change with the next step."""
        return self.objective.state_dict()

    def copied(self) -> State:
        """Collect the present state in tensors of its own."""
        return copy.deepcopy(self.objective.state_dict())

    def part(self, state: State | None) -> State | None:
        """Take this process's part of a whole state.

        Args:
            state: Tensors by their names in the objective, or None, which stays so.
        """
        if state is None:
            return None
        device = self.parameters[0].device
        return {name: v.to(device) for name, v in state.items()}

    def load(self, state: State) -> None:
        """Let a whole state be the present one.

        Args:
            state: Tensors by their names in the objective.

        Raises:
            ValueError: It is of another objective.
        """
        self.objective.load_state_dict(state)

    def optimizer_state(self, optimizer: Any) -> Any:
        """Collect the whole state of an optimizer of these parameters.

        Args:
            optimizer: The optimizer.
        """
        return optimizer.state_dict()

    def load_optimizer(self, optimizer: Any, states: Any) -> None:
        """Restore an optimizer of these parameters.

        Args:
            optimizer: The optimizer.
            states: What `optimizer_state` gave, in whatever number of processes.
        """
        optimizer.load_state_dict(states)

    def not_finite(self) -> list[str]:
        """List the names of parameters that hold NaN or Inf."""
        named = self.objective.named_parameters()
        return [name for name, p in named if not bool(torch.isfinite(p).all())]


def require_shardable(wanted: bool, optimizer: object, *, compile: bool, twins: bool) -> None:
    """Refuse a fit whose parameters cannot be divided.

    Args:
        wanted: Whether they are to be divided.
        optimizer: The optimizer's settings.
        compile: Whether the step is to be compiled.
        twins: Whether the stopping rule compares two fits.

    Raises:
        ValueError: The optimizer moves a parameter by more than its own gradient, or the other two
            are so.
    """
    if not wanted:
        return
    name = type(optimizer).__name__
    if name != "Adam":
        raise ValueError(
            f"sharded=True: {name} moves a parameter by what it knows of others, which are in "
            "other processes. Take Adam, or leave sharded out."
        )
    if compile:
        raise ValueError(
            "sharded=True and compile=True: parameters that are collected in each step are not "
            "compiled. Leave one of the two out."
        )
    if twins:
        raise ValueError(
            "sharded=True: the stopping rule compares two fits, and one alone is divided. Take "
            "HeldOut, or leave sharded out."
        )
