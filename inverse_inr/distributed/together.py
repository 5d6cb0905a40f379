"""`Together`: several processes of `torch.distributed` that work on one fit.

A step is divided by rows: each process computes the predictions of its share of the batch, all get
all predictions, and compare them with all measurements. So a batch of any size, and a fidelity that
is no mean over rows, have the loss of one process. An operator that draws random numbers is asked
for all rows by every process, from the same random numbers, and the points at which it looks are
divided instead. The regularizers' random points are the same everywhere and seen by every process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from inverse_inr.devices import CPU
from inverse_inr.distributed.drawing import Generators
from inverse_inr.distributed.fields import DividedLattices, DividedPoints
from inverse_inr.distributed.joining import joined
from inverse_inr.distributed.ranks import Ranks
from inverse_inr.distributed.shares import in_order, share
from inverse_inr.distributed.whole import Whole
from inverse_inr.evaluation import Field, Memo
from inverse_inr.protocol import Operator, Predicts, ask

T = TypeVar("T")

UNDIVIDED = 2**62
"""Points per call of a field that divides its points, and cuts its share into chunks itself."""


class Together(Ranks):
    """The processes of the default group of `torch.distributed`."""

    def __init__(self) -> None:
        self.rank = dist.get_rank()
        self.world = dist.get_world_size()
        self._drawing: set[int] = set()
        self._flags = CPU
        if "gloo" not in dist.get_backend_config():
            self._flags = torch.device("cuda", torch.cuda.current_device())

    def memo(self, field: Field, chunk: int | None, products: torch.dtype | None) -> Memo:
        """Make the field as the parts of one step ask it: lattices are divided."""
        return DividedLattices(field, chunk, products, self.rank, self.world)

    def ask(
        self,
        operator: Operator,
        field: Memo,
        rows: Tensor,
        chunk: int | None = None,
        *,
        needs_looks: bool = False,
    ) -> Tensor:
        """Compute A(f) for some rows, which are divided; or the points, see above."""
        assert isinstance(field, DividedLattices)
        if not needs_looks and id(operator) not in self._drawing:
            generators = Generators(rows.device)
            mine = rows[share(len(rows), self.rank, self.world, rows.device)]
            seen = ask(operator, field, mine, chunk)
            if not self.any(generators.used()):
                return in_order(joined(seen, alike=True), len(rows))
            generators.restore()
            field.looks.clear()
            self._drawing.add(id(operator))
        if isinstance(operator, Predicts):
            return ask(operator, field, rows, chunk)  # it asks as often as it likes
        return ask(operator, DividedPoints(field), rows, UNDIVIDED)

    def field(self, field: Field, chunk: int | None = None) -> Field:
        """Make the field as a stopping rule asks it: points and lattices are divided."""
        return DividedPoints(DividedLattices(field, chunk, None, self.rank, self.world))

    def reduced(self, module: torch.nn.Module) -> Callable[..., Any]:
        """Let gradients of a module's parameters be the mean over the processes."""
        if not any(p.requires_grad for p in module.parameters()):
            return module
        world = dist.group.WORLD
        assert world is not None
        spared = _Spared(module)
        buffers = [name for name, _ in spared.named_buffers()]
        # they are the same everywhere, and some are no plain memory that could be sent
        DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(spared, buffers)
        return DistributedDataParallel(
            spared,
            process_group=group_like(world),
            find_unused_parameters=True,
        )

    def held(self, objective: torch.nn.Module, optimizer: Any, sharded: bool) -> Whole:
        """Settle where a fit's parameters are: in every process, or a part of them in each."""
        self.require_same("Solver: sharded", sharded)
        if not sharded:
            return super().held(objective, optimizer, sharded)
        # FSDP takes a second to load
        from inverse_inr.distributed.sharded import Sharded

        world = dist.group.WORLD
        assert world is not None
        return Sharded(objective, optimizer, self, group_like(world))

    def anywhere(self, flags: Sequence[bool]) -> list[bool]:
        """Say of each flag whether it is set in one of the processes."""
        found = torch.tensor([int(flag) for flag in flags], device=self._flags)
        dist.all_reduce(found, dist.ReduceOp.MAX)
        return [bool(flag) for flag in found.tolist()]

    def from_first(self, value: T) -> T:
        """The value that process 0 has."""
        values = [value]
        dist.broadcast_object_list(values, 0)
        return values[0]

    def require_same(self, what: str, value: object) -> None:
        """Refuse a value in which the processes differ."""
        theirs = self.from_first(repr(value))
        different = repr(value) != theirs
        if self.any(different):
            slip = "Does every process read the same file, with the same versions and seed?"
            if different:
                raise ValueError(f"{what} of rank {self.rank} is not that of rank 0. {slip}")
            raise ValueError(f"{what} is not the same in all ranks. {slip}")


class _Spared(torch.nn.Module):
    """A module with one parameter that it never uses.

    Which parameters have a gradient changes from step to step (levels that join late). DDP looks
    for those without only if it is told to, and warns each process where it finds none.
    """

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.module = module
        self.spare = torch.nn.Parameter(torch.zeros(1, device=next(module.parameters()).device))

    def forward(self, rows: Sequence[Tensor], points: Tensor) -> Tensor:
        return self.module(rows, points)


@cache
def group_like(world: dist.ProcessGroup) -> dist.ProcessGroup:
    """Make a group of the same processes once, whose messages do not mix with those of the first.

    Gradients are sent whenever a bucket of them is full, and so between other messages.

    Args:
        world: The group.
    """
    made = dist.new_group(dist.get_process_group_ranks(world))
    assert isinstance(made, dist.ProcessGroup)
    return made


_ALONE = Ranks()


def current() -> Ranks:
    """The processes that the next fit is divided between.

    Returns:
        A `Together` where `torch.distributed` was started with more than one process.
    """
    if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
        return Together()
    return _ALONE
