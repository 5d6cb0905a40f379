"""Fields whose evaluation is divided between processes; each gets all values."""

from __future__ import annotations

import torch
from torch import Tensor

from inverse_inr.distributed.joining import joined
from inverse_inr.distributed.shares import in_order, length, share, slab
from inverse_inr.domain import Grid
from inverse_inr.evaluation import Field, Memo, evaluate


class DividedLattices(Memo):
    """A field whose lattices are cut into slabs, one for each process.

    Args:
        field: The field.
        chunk: Most points per call of the field; None as in `sample`.
        products: Half precision of the field's matrix products; None for its own.
        rank: The number of this process.
        world: The number of processes.
    """

    def __init__(
        self,
        field: Field,
        chunk: int | None,
        products: torch.dtype | None,
        rank: int,
        world: int,
    ) -> None:
        super().__init__(field, chunk, products)
        self.rank = rank
        self.world = world

    def _sampled(self, grid: Grid) -> Tensor:
        layers = grid.shape[0]
        start, count = slab(layers, self.rank, self.world)
        part = grid.crop([start] + [0] * (grid.ndim - 1), [count, *grid.shape[1:]])
        values = super()._sampled(part)
        missing = length(layers, self.world) - count
        if missing:
            values = torch.cat([values, values.new_zeros(missing, *values.shape[1:])])
        # rows that ask for a lattice are divided as well: gradients differ between processes
        return joined(values, alike=False).flatten(0, 1)[:layers]


class DividedPoints(DividedLattices):
    """A field whose points are divided, too: for values from which every process computes the same.

    Args:
        memo: The field as the other parts of the step ask it, with which lattices and the list of
            looks are shared.
    """

    def __init__(self, memo: DividedLattices) -> None:
        super().__init__(memo.field, memo.chunk, memo.products, memo.rank, memo.world)
        self.memo = memo
        self.looks = memo.looks

    def __call__(self, points: Tensor) -> Tensor:
        flat = points.reshape(-1, points.shape[-1])
        mine = flat[share(len(flat), self.rank, self.world, flat.device)]
        values = joined(evaluate(self.memo, mine, self.chunk), alike=True)
        return in_order(values, len(flat)).unflatten(0, points.shape[:-1])

    @property
    def sums_lines(self) -> bool:
        """Whether sums along lines may be asked: as of the field that the others ask."""
        return self.memo.sums_lines

    def line_sums(self, first: Tensor, step: Tensor, samples: int) -> Tensor:
        """Sum the field along lines, which are divided."""
        mine = share(len(first), self.rank, self.world, first.device)
        sums = joined(self.memo.line_sums(first[mine], step[mine], samples), alike=True)
        return in_order(sums, len(first))

    def sample(self, grid: Grid) -> Tensor:
        """Evaluate the field on a lattice, or return what an earlier call found there.

        Args:
            grid: The lattice.

        Returns:
            (*grid.shape, c) values.
        """
        return self.memo.sample(grid)
