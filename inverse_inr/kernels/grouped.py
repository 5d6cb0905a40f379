"""Points grouped by the block that they fall in: one batched matrix product serves all blocks.

Each block gets whole tiles of `rows` rows, as many as their points need: memory stays near that of
the points however unevenly they fall, and all shapes follow from (points, blocks) alone.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Groups(NamedTuple):
    """The place of each point in the tiles.

    Attributes:
        slot: (n,) int64, the row of the stacked tiles that holds each point.
        block: (tiles,) int64, the block that each tile belongs to.
        rows: The number of rows of a tile.
    """

    slot: Tensor
    block: Tensor
    rows: int

    def pack(self, values: Tensor) -> Tensor:
        """Put points' values, (n, f), into (tiles, rows, f), zero where a tile is not full."""
        packed = values.new_zeros(len(self.block) * self.rows, values.shape[-1])
        return packed.index_copy(0, self.slot, values).unflatten(0, (-1, self.rows))

    def unpack(self, values: Tensor) -> Tensor:
        """Take the points' values, (n, f), out of the tiles, (tiles, rows, f)."""
        return values.flatten(0, 1).index_select(0, self.slot)


def group(block: Tensor, blocks: int, rows: int | None = None) -> Groups:
    """Group n points by the block that they fall in.

    Args:
        block: (n,) int64, the block of each point, in [0, blocks).
        blocks: The number of blocks.
        rows: Rows per tile; by default as many as waste about a quarter of them, at most 256.
    """
    n = len(block)
    if rows is None:
        rows = min(256, max(1, n // (4 * blocks)))
    tiles = (n + blocks * (rows - 1)) // rows  # no distribution of the points needs more
    count = torch.zeros(blocks, dtype=torch.int64, device=block.device).scatter_add(
        0, block, torch.ones_like(block)
    )
    ends = ((count + rows - 1) // rows).cumsum(0)
    order = torch.argsort(block, stable=True)
    first = torch.cat([ends.new_zeros(1), ends[:-1]]) * rows - (count.cumsum(0) - count)
    slot = torch.empty_like(block).scatter(
        0, order, torch.arange(n, device=block.device) + first[block[order]]
    )
    owner = torch.searchsorted(ends, torch.arange(tiles, device=block.device), right=True)
    return Groups(slot, owner.clamp(max=blocks - 1), rows)
