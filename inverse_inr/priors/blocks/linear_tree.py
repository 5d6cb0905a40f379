"""A linear quadtree or octree: which blocks there are, and which to split and merge."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

DEEPEST = 10
"""Blocks are at least 2^-10 of the longest side."""

UNUSED = 2**62
"""Code of a slot without a block: beyond all codes, so that such slots come last."""

Leaf = tuple[int, int]
"""A block as (its first Morton code at the deepest level, its level)."""


class LinearTree(nn.Module):
    """A list of the blocks there are, sorted so that the block around a point is one search.

    A leaf is its first Morton code at the deepest level and its own level; leaves are sorted by
    code. Only blocks that meet the box [-extent, extent] exist. Unused slots come last.

    Args:
        extent: Half the box's sides, in normalised units.
        level: The level of all blocks at the start: their side is 2^-level of the longest side.
        blocks: The most leaves there may be; None for as many as at the start.

    Raises:
        ValueError: If `blocks` is fewer than at the start.

    Source:
        Linear quadtree: Gargantini 1982.
    """

    def __init__(self, extent: tuple[float, ...], level: int, blocks: int | None) -> None:
        super().__init__()
        self.ndim = len(extent)
        n = 2**DEEPEST
        self.first = [math.floor((1 - s) / 2 * n + 1e-6) for s in extent]
        self.last = [math.ceil((1 + s) / 2 * n - 1e-6) - 1 for s in extent]
        size = 2 ** (DEEPEST - level)
        axes = [
            torch.arange(a // size, b // size + 1) * size
            for a, b in zip(self.first, self.last, strict=True)
        ]
        start = self.morton(torch.cartesian_prod(*axes).reshape(-1, self.ndim)).sort().values
        if blocks is None:
            blocks = len(start)
        if blocks < len(start):
            raise ValueError(
                f"acorn: blocks={blocks} are fewer than the {len(start)} of level={level} "
                f"at the start."
            )
        self.start = nn.Buffer(torch.cat([start, torch.full((blocks - len(start),), UNUSED)]))
        self.level = nn.Buffer(torch.where(self.start < UNUSED, level, 0))

    def morton(self, cell: Tensor) -> Tensor:
        """Interleave the bits of cells of the deepest level.

        Args:
            cell: (n, d), integers from 0 to 2^DEEPEST - 1.

        Returns:
            (n,) Morton codes.
        """
        code = cell.new_zeros(len(cell))
        for bit in range(DEEPEST):
            for k in range(self.ndim):
                code = code | ((cell[:, k] >> bit) & 1) << (bit * self.ndim + self.ndim - 1 - k)
        return code

    def cell(self, code: Tensor) -> Tensor:
        """Give the cells (n, d) of the Morton codes (n,): the inverse of `morton`."""
        axes = [torch.zeros_like(code) for _ in range(self.ndim)]
        for bit in range(DEEPEST):
            for k in range(self.ndim):
                axes[k] = axes[k] | ((code >> (bit * self.ndim + self.ndim - 1 - k)) & 1) << bit
        return torch.stack(axes, -1)

    def leaf(self, x: Tensor) -> Tensor:
        """Find the leaf around each point; points outside the box see the nearest one.

        Args:
            x: (n, d) normalised coordinates.

        Returns:
            (n,) slots.
        """
        cell = ((x.detach() + 1) * 2 ** (DEEPEST - 1)).floor().long()
        limits = (torch.tensor(side, device=x.device) for side in (self.first, self.last))
        code = self.morton(torch.clamp(cell, *limits)).contiguous()
        return torch.searchsorted(self.start, code, right=True) - 1

    def corner(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Give each slot's lower corner (blocks, d) and side (blocks,), in normalised units."""
        side = 2.0 ** (1 - self.level.to(dtype))
        return self.cell(self.start % UNUSED).to(dtype) * 2.0 ** (1 - DEEPEST) - 1, side

    def offspring(self, start: int, level: int) -> list[int]:
        """List the children of a block that meet the box.

        Args:
            start: The block's code.
            level: The block's level.

        Returns:
            The children's codes.
        """
        size = DEEPEST - level - 1
        codes = [start + (i << self.ndim * size) for i in range(2**self.ndim)]
        low = self.cell(torch.tensor(codes))
        first, last = torch.tensor(self.first), torch.tensor(self.last)
        inside = ((low + 2**size > first) & (low <= last)).all(-1).tolist()
        return [code for code, kept in zip(codes, inside, strict=True) if kept]

    def exchange(self, error: Tensor, swaps: int) -> tuple[list[Leaf], list[Leaf]]:
        """Choose leaves to split and siblings to merge, greedily; mergers give slots to splits.

        Node spacings halve, so a split leaves a quarter of a leaf's error and a merger makes four
        times that of the siblings: it pays to trade while 3 Σ siblings < 3/4 leaf.

        Args:
            error: (blocks,) squared error of each leaf, NaN if unknown.
            swaps: The most leaves to look at.

        Returns:
            (leaves to split, parents whose children merge), each as (code, level).
        """
        known = {
            (s, v): e
            for s, v, e in zip(
                self.start.tolist(), self.level.tolist(), error.tolist(), strict=True
            )
            if s < UNUSED
        }
        free = len(self.start) - len(known)
        mergers = sorted(self._siblings(known).items(), key=lambda item: item[1])
        split: list[Leaf] = []
        merge: list[Leaf] = []
        for leaf, e in sorted(known.items(), key=_worst_first)[:swaps]:
            if not e > 0 or leaf[1] >= DEEPEST:
                continue
            needed = len(self.offspring(*leaf)) - 1
            while free < needed and mergers and mergers[0][1] < e / 4:
                parent, _ = mergers.pop(0)
                merge.append(parent)
                free += len(self.offspring(*parent)) - 1
            if free >= needed:
                split.append(leaf)
                free -= needed
        return split, merge

    def _siblings(self, known: dict[Leaf, float]) -> dict[Leaf, float]:
        """Parents whose children are all leaves of known error, and the sum of their errors."""
        parents = {self._parent(start, level) for start, level in known if level > 0}
        sums = {
            p: sum(known.get((c, p[1] + 1), math.nan) for c in self.offspring(*p)) for p in parents
        }
        return {p: e for p, e in sums.items() if not math.isnan(e)}

    def _parent(self, start: int, level: int) -> Leaf:
        shift = self.ndim * (DEEPEST - level + 1)
        return start >> shift << shift, level - 1


def _worst_first(item: tuple[Leaf, float]) -> float:
    """The key that sorts leaves by falling error; unknown errors count as none."""
    _, error = item
    if math.isnan(error):
        return 0.0
    return -error
