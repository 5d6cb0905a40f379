"""`Ranks`: the processes that work on one fit, as the solver sees them; here a single one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from inverse_inr.distributed.whole import Whole
from inverse_inr.evaluation import Field, Memo
from inverse_inr.protocol import Operator, ask

T = TypeVar("T")


class Ranks:
    """One process, which does everything itself. `Together` is the same for several.

    Attributes:
        rank: The number of this process, from 0.
        world: The number of processes.
    """

    rank = 0
    world = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes files and calls the callbacks."""
        return self.rank == 0

    def memo(self, field: Field, chunk: int | None, products: torch.dtype | None) -> Memo:
        """Make the field as the parts of one step ask it.

        Args:
            field: The prior.
            chunk: Most points per call of the field; None for the library's.
            products: Half precision of the field's matrix products; None for its own.
        """
        return Memo(field, chunk, products)

    def ask(
        self,
        operator: Operator,
        field: Memo,
        rows: Tensor,
        chunk: int | None = None,
        *,
        needs_looks: bool = False,
    ) -> Tensor:
        """Compute A(f) for some rows.

        Args:
            operator: The operator A.
            field: The field f, as `memo` made it.
            rows: (b,) indices of the measurements, the same in every process.
            chunk: Most points per call of the field; None for the library's.
            needs_looks: Every process must see all points at which the operator looks.

        Returns:
            (b, *m) predictions, the same in every process.
        """
        return ask(operator, field, rows, chunk)

    def field(self, field: Field, chunk: int | None = None) -> Field:
        """Make the field as a stopping rule asks it, without gradients.

        Args:
            field: The prior.
            chunk: Most points per call of the field; None for the library's.
        """
        return field

    def reduced(self, module: torch.nn.Module) -> Callable[..., Any]:
        """Let gradients of a module's parameters be those of all processes' shares together.

        Args:
            module: The objective.

        Returns:
            What is to be called instead of the module.
        """
        return module

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in one of the processes."""
        return self.anywhere([flag])[0]

    def anywhere(self, flags: Sequence[bool]) -> list[bool]:
        """Say of each flag whether it is set in one of the processes.

        Args:
            flags: As many in every process.
        """
        return list(flags)

    def from_first(self, value: T) -> T:
        """The value that process 0 has."""
        return value

    def require_same(self, what: str, value: object) -> None:
        """Refuse a value in which the processes differ.

        Args:
            what: Its name, for the message.
            value: The value, which has a `repr`.

        Raises:
            ValueError: It is another one in process 0.
        """

    def held(self, objective: torch.nn.Module, optimizer: Any, sharded: bool) -> Whole:
        """Settle where a fit's parameters are.

        Args:
            objective: The objective.
            optimizer: The optimizer of its parameters, before its first step.
            sharded: Let each process keep a part of them, where there are several.
        """
        return Whole(objective, self.reduced(objective))
