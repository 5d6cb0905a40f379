"""Rows of large acquisitions: all but a few, without a list of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import torch
from torch import Tensor

from inverse_inr import memory
from inverse_inr.kernels.permutation import permuted

LARGE = 2**24
"""Rows from which on nobody lists them all: each costs 8 bytes, wherever a list is kept."""

TOGETHER = 16
"""Blocks of a file whose rows are shuffled together: a step of rows from one alone would be biased
by what they have in common, a view say."""


class AllBut:
    """The rows 0 .. count-1 without some, in order; it is asked by places as a tensor of them is.

    Args:
        count: Number of all rows.
        without: (m,) rows that are left out, ascending; few.

    Example:
        >>> rows = AllBut(6, torch.tensor([1, 4]))
        >>> len(rows), rows[torch.tensor([0, 1, 3])], rows[2:]
        (4, tensor([0, 2, 5]), tensor([3, 5]))
    """

    def __init__(self, count: int, without: Tensor) -> None:
        self.count = count
        self.without = without
        # the place of each gap: so many rows stand before it
        self._gaps = without - torch.arange(len(without), device=without.device)

    def __len__(self) -> int:
        return self.count - len(self.without)

    def __getitem__(self, places: Tensor | slice) -> Tensor:
        if isinstance(places, slice):
            places = torch.arange(*places.indices(len(self)))
        return places + torch.searchsorted(self._gaps, places, right=True)

    def tensor(self) -> Tensor:
        """List the rows, (n,) int64."""
        memory.require(f"indices of {len(self)} rows", 24 * len(self))
        return self[:]


Rows = Tensor | AllBut
"""Rows of a term: a (b,) int64 tensor, or all but a few."""


def listed(rows: Rows) -> Tensor:
    """List rows as a (b,) tensor, which costs 8 bytes each."""
    if isinstance(rows, AllBut):
        return rows.tensor()
    return rows


class ListedWhenAsked(Sequence[Tensor]):
    """The rows of each term as (b,) tensors, each listed when somebody looks at it.

    Args:
        rows: The rows of each term.
    """

    def __init__(self, rows: Sequence[Rows]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Tensor: ...
    @overload
    def __getitem__(self, index: slice) -> list[Tensor]: ...
    def __getitem__(self, index: int | slice) -> Tensor | list[Tensor]:
        if isinstance(index, slice):
            return [listed(rows) for rows in self.rows[index]]
        return listed(self.rows[index])


def drawn(count: int, limit: int, seed: int) -> Tensor:
    """Draw different places of a row of numbers at random, in the order in which they are drawn.

    Args:
        count: The length of the row.
        limit: The most places.
        seed: Decides which.

    Returns:
        (min(count, limit),) int64 places.
    """
    if count >= LARGE:
        return permuted(torch.arange(min(count, limit)), count, seed)
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:limit]
