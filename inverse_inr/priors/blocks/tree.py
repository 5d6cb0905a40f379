"""An adaptive quadtree or octree of blocks whose features a shared network makes, and the preset `acorn`."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from inverse_inr.domain import Box
from inverse_inr.kernels.gather import gather
from inverse_inr.kernels.interpolate import cells, corners
from inverse_inr.priors.activations import ReLU, uniform
from inverse_inr.priors.encodings import FourierFeatures, Identity, octave_frequencies
from inverse_inr.priors.heads import HeadName
from inverse_inr.priors.preset import band, preset, seeded
from inverse_inr.priors.prior import Prior
from inverse_inr.priors.topologies import MLP

DEEPEST = 10
"""Blocks are at least 2^-10 of the longest side."""
_UNUSED = 2**62


class _Kaiming(ReLU):
    """ReLU that keeps the variance of what it is given (He et al. 2015): blocks must start unlike each other."""

    def initialize(
        self, weight: Tensor, bias: Tensor, first: bool, generator: torch.Generator
    ) -> None:
        super().initialize(weight, bias, first, generator)
        uniform(weight, math.sqrt(6 / weight.shape[1]), generator)


class LinearTree(nn.Module):
    """Which blocks there are: a linear quadtree or octree (Gargantini 1982), at most `blocks` leaves.

    A leaf is its first Morton code at the deepest level and its own level; leaves are sorted by code, so that the leaf
    of a point is one search. Only blocks that meet the box [-extent, extent] exist. Unused slots come last.
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
        count = len(start) if blocks is None else blocks
        if count < len(start):
            raise ValueError(
                f"acorn: blocks={count} are fewer than the {len(start)} of level={level} at the start."
            )
        self.start = nn.Buffer(torch.cat([start, torch.full((count - len(start),), _UNUSED)]))
        self.level = nn.Buffer(torch.where(self.start < _UNUSED, level, 0))

    def morton(self, cell: Tensor) -> Tensor:
        """Interleaved bits of (n, d) cells of the deepest level: (n,)."""
        code = cell.new_zeros(len(cell))
        for bit in range(DEEPEST):
            for k in range(self.ndim):
                code = code | ((cell[:, k] >> bit) & 1) << (bit * self.ndim + self.ndim - 1 - k)
        return code

    def cell(self, code: Tensor) -> Tensor:
        """The inverse of `morton`."""
        axes = [torch.zeros_like(code) for _ in range(self.ndim)]
        for bit in range(DEEPEST):
            for k in range(self.ndim):
                axes[k] = axes[k] | ((code >> (bit * self.ndim + self.ndim - 1 - k)) & 1) << bit
        return torch.stack(axes, -1)

    def leaf(self, x: Tensor) -> Tensor:
        """The slot of the leaf around each of (n, d) normalised points; points outside see the nearest one."""
        cell = ((x.detach() + 1) * 2 ** (DEEPEST - 1)).floor().long()
        limits = (torch.tensor(side, device=x.device) for side in (self.first, self.last))
        return (
            torch.searchsorted(
                self.start, self.morton(torch.clamp(cell, *limits)).contiguous(), right=True
            )
            - 1
        )

    def corner(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Lower corner (blocks, d) and side (blocks,) of each slot, in normalised units."""
        side = 2.0 ** (1 - self.level.to(dtype))
        return self.cell(self.start % _UNUSED).to(dtype) * 2.0 ** (1 - DEEPEST) - 1, side

    def offspring(self, start: int, level: int) -> list[int]:
        """Codes of the children that meet the box."""
        size = DEEPEST - level - 1
        codes = [start + (i << self.ndim * size) for i in range(2**self.ndim)]
        low = self.cell(torch.tensor(codes))
        first, last = torch.tensor(self.first), torch.tensor(self.last)
        inside = ((low + 2**size > first) & (low <= last)).all(-1).tolist()
        return [code for code, kept in zip(codes, inside, strict=True) if kept]

    def exchange(
        self, error: Tensor, swaps: int
    ) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Which leaves to split and which siblings to merge, as (start, level): the greedy step.

        `error` (blocks,): squared error of each leaf, NaN where unknown. Node spacings halve, so a split leaves a
        quarter of a leaf's error and a merger makes four times that of the siblings: it pays to trade while
        3 Σ siblings < 3/4 leaf. Mergers give their slots to splits.
        """
        known = {
            (s, v): e
            for s, v, e in zip(
                self.start.tolist(), self.level.tolist(), error.tolist(), strict=True
            )
            if s < _UNUSED
        }
        free = len(self.start) - len(known)
        mergers = sorted(self._siblings(known).items(), key=lambda item: item[1])
        split: list[tuple[int, int]] = []
        merge: list[tuple[int, int]] = []
        for leaf, e in sorted(
            known.items(), key=lambda item: -item[1] if item[1] == item[1] else 0.0
        )[:swaps]:
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

    def _siblings(self, known: dict[tuple[int, int], float]) -> dict[tuple[int, int], float]:
        """Parents whose children are all leaves of known error, and the sum of their errors."""
        parents = {
            (s >> shift << shift, v - 1)
            for s, v in known
            for shift in [self.ndim * (DEEPEST - v + 1)]
            if v > 0
        }
        sums = {
            p: sum(known.get((c, p[1] + 1), math.nan) for c in self.offspring(*p)) for p in parents
        }
        return {p: e for p, e in sums.items() if e == e}


class AdaptiveTree(nn.Module):
    """Blocks of `nodes`^d features made from the block's centre and level by one network, interpolated and decoded.

    Martel et al. 2021 (ACORN). Its integer program is replaced by greedy trades of splits and mergers under the same
    budget of blocks (`adapt`). As the coordinate encoder is shared, only buffers change then: optimisers go on as they
    are. `carry` is what the encoder lacked when a block was made: splitting leaves the field as it was, merging keeps
    it at the nodes. Between blocks the field jumps.
    """

    fills_the_box = True
    smoothness = -1

    def __init__(
        self,
        extent: tuple[float, ...],
        outputs: int,
        *,
        level: int,
        blocks: int | None,
        nodes: int,
        features: int,
        width: int,
        depth: int,
        decoder: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.tree = LinearTree(extent, level, blocks)
        ndim, self.nodes, self.features = len(extent), nodes, features
        self.positions = FourierFeatures(octave_frequencies(ndim + 1, 2.0**level)[0], raw=True)
        self.encoder = MLP(
            self.positions.size,
            features * nodes**ndim,
            width=width,
            depth=depth,
            activation=_Kaiming(),
            generator=generator,
        )
        with torch.no_grad():
            self.encoder.head.get_parameter("weight").mul_(0.3)
        self.decoder = MLP(
            features, outputs, width=decoder, depth=1, activation=ReLU(), generator=generator
        )
        self.carry = nn.Buffer(torch.zeros(len(self.tree.start), nodes**ndim * features))

    def forward(self, x: Tensor) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        leaf = self.tree.leaf(flat)
        corner, side = self.tree.corner(x.dtype)
        features = self._interpolate(self.table(), leaf, (flat - corner[leaf]) / side[leaf, None])
        return self.decoder(features).reshape(*x.shape[:-1], -1)

    def table(self) -> Tensor:
        """The features of every block: (blocks, nodes^d · features)."""
        corner, side = self.tree.corner(self.carry.dtype)
        center = corner + side[:, None] / 2
        where = torch.cat([center, self.tree.level[:, None].to(center) / 8], -1)
        return self.encoder(self.positions(where)) + self.carry

    def _interpolate(self, table: Tensor, leaf: Tensor, t: Tensor) -> Tensor:
        """Features at t (n, d) in [0, 1] of a block's side, multilinear between nodes on its faces and inside."""
        shape = [self.nodes] * t.shape[-1]
        index, weight = corners(*cells(t * (self.nodes - 1), shape), shape)
        return gather(
            table.reshape(-1, self.features), index + leaf[:, None] * math.prod(shape), weight
        )

    def spacing(self, x: Tensor) -> Tensor:
        """Distance of nodes at (n, d) points, in normalised units: (n,)."""
        return self.tree.corner(x.dtype)[1][self.tree.leaf(x)] / (self.nodes - 1)

    @torch.no_grad()
    def adapt(self, x: Tensor, error: Tensor, fraction: float = 0.1) -> int:
        """Move blocks to where the squared `error` (n,) at normalised points (n, d) is; returns how many were split.

        At most `fraction` of the blocks are split at once; a block that no point fell in stays.
        """
        tree, leaf = self.tree, self.tree.leaf(x)
        zeros = error.new_zeros(len(tree.start), dtype=torch.float64)
        count = zeros.index_add(0, leaf, torch.ones_like(error, dtype=torch.float64))
        mean = zeros.index_add(0, leaf, error.double()) / count  # 0 / 0 is NaN: unknown
        volume = tree.corner(torch.float64)[1] ** tree.ndim
        split, merge = tree.exchange(mean * volume, max(1, round(fraction * len(zeros))))
        if split:
            self._rebuild(split, merge)
        return len(split)

    def _rebuild(self, split: list[tuple[int, int]], merge: list[tuple[int, int]]) -> None:
        tree, table = self.tree, self.table()
        slots = {code: k for k, code in enumerate(tree.start.tolist()) if code < _UNUSED}
        levels = tree.level.tolist()
        axis = torch.linspace(0, 1, self.nodes, dtype=table.dtype)
        t = torch.cartesian_prod(*[axis] * tree.ndim).reshape(-1, tree.ndim).to(table.device)
        made = {}
        for start, level in split:
            for code in tree.offspring(start, level):
                offset = self._offset(code, level).to(t)
                made[code] = (
                    level + 1,
                    self._interpolate(table, self._slot(slots[start], t), (t + offset) / 2),
                )
        gone = {start for start, _ in split}
        for start, level in merge:
            children = tree.offspring(start, level)
            made[start] = (
                level,
                self._restricted(table, t, {c: slots[c] for c in children}, level),
            )
            gone.update(children)
        kept = {code: (levels[k], k) for code, k in slots.items() if code not in gone}
        order = sorted([*kept, *made])
        carry = torch.zeros_like(self.carry)
        for k, code in enumerate(order):
            carry[k] = self.carry[kept[code][1]] if code in kept else made[code][1].flatten()
        self.carry.zero_()
        tree.start.fill_(_UNUSED)
        tree.level.zero_()
        tree.start[: len(order)] = torch.tensor(order)
        tree.level[: len(order)] = torch.tensor([(kept.get(c) or made[c])[0] for c in order])
        new = torch.tensor([k for k, c in enumerate(order) if c not in kept], device=carry.device)
        carry[new] -= self.table()[new]
        self.carry.copy_(carry)

    def _restricted(self, table: Tensor, t: Tensor, slots: dict[int, int], level: int) -> Tensor:
        """Features of a parent at its nodes, each from the child around it (the nearest where that one is outside)."""
        offsets = torch.stack([self._offset(code, level) for code in slots]).to(t)
        local = 2 * t[:, None] - offsets
        outside = (local.clamp(0, 1) - local).abs().sum(-1)
        child = outside.argmin(-1)
        leaf = torch.tensor(list(slots.values()), device=t.device)[child]
        return self._interpolate(table, leaf, local[torch.arange(len(t)), child].clamp(0, 1))

    def _offset(self, code: int, level: int) -> Tensor:
        """Which half of a parent of `level` a child fills along each axis: (d,)."""
        return self.tree.cell(torch.tensor([code]))[0] >> (DEEPEST - level - 1) & 1

    @staticmethod
    def _slot(slot: int, t: Tensor) -> Tensor:
        return torch.full((len(t),), slot, dtype=torch.int64, device=t.device)


@preset
def acorn(
    box: Box,
    channels: int = 1,
    bandwidth: float | None = None,
    *,
    level: int | None = None,
    blocks: int | None = None,
    nodes: int | None = None,
    features: int = 16,
    width: int = 128,
    depth: int = 3,
    decoder: int = 64,
    head: HeadName = "linear",
    seed: int = 0,
) -> Prior:
    """An adaptive tree of blocks, features from a shared coordinate encoder (ACORN, Martel et al. 2021).

    It starts as the uniform tree of `level` (blocks of 2^-level of the longest side) with `nodes` an axis (about 8, in
    3-D 6); `blocks` is the budget, by default what it starts with. `Adapt` splits and merges while a solver
    runs. The field jumps between blocks, which no total variation by slopes sees: use one on a grid.
    """
    bandwidth, b = band(box, bandwidth)
    usual = (6 if box.ndim > 2 else 8) if nodes is None else nodes
    start = (
        min(DEEPEST - 2, max(0, round(math.log2(4 * b / max(1, usual - 1)))))
        if level is None
        else level
    )
    count = max(2, 1 + round(4 * b / 2**start)) if nodes is None else nodes
    if count < 2:
        raise ValueError(f"acorn: a block needs at least 2 nodes an axis, got nodes={nodes}.")
    extent = tuple(n * s / 2 for n, s in zip(box.lengths, box.scale, strict=True))

    def network(outputs: int) -> AdaptiveTree:
        return AdaptiveTree(
            extent,
            outputs,
            level=start,
            blocks=blocks,
            nodes=count,
            features=features,
            width=width,
            depth=depth,
            decoder=decoder,
            generator=seeded(seed),
        )

    return Prior(
        box,
        Identity(box.ndim),
        network,
        channels=channels,
        head=head,
        bandwidth=bandwidth,
        learning_rate=2e-3,
    )
