"""An adaptive tree of blocks whose features a shared network makes."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from inverse_inr.kernels.gather import gather
from inverse_inr.kernels.grouped import group
from inverse_inr.kernels.interpolate import cells, corners
from inverse_inr.priors.activations import ReLU, uniform
from inverse_inr.priors.blocks.linear_tree import DEEPEST, UNUSED, Leaf, LinearTree
from inverse_inr.priors.encodings import FourierFeatures, octave_frequencies
from inverse_inr.priors.topologies import MLP, Linear

FEW = 4
"""A table of all nodes is made where points look at more than one node in so many."""
SMALL = 2**18
"""A table of no more nodes than this is made whole; it takes no time."""


class _Kaiming(ReLU):
    """ReLU that keeps the variance (He et al. 2015): blocks must start unlike each other."""

    def initialize(
        self, weight: Tensor, bias: Tensor, first: bool, generator: torch.Generator
    ) -> None:
        super().initialize(weight, bias, first, generator)
        uniform(weight, math.sqrt(6 / weight.shape[1]), generator)


class AdaptiveTree(nn.Module):
    """Blocks of nodes^d features each, which one network makes from the block's centre and level.

    Features are interpolated and decoded. ACORN's integer program is replaced by greedy trades of
    splits and mergers under the same budget of blocks (`adapt`). As the coordinate encoder is
    shared, only buffers change then: optimisers go on as they are. `carry` is the part of a block's
    features that the encoder lacked when the block was made: splitting leaves the field as it was,
    merging keeps it at the nodes. Between blocks the field jumps.

    Args:
        extent: Half the box's sides, in normalised units.
        outputs: Numbers per point.
        level: The level of all blocks at the start: their side is 2^-level of the longest side.
        blocks: The most blocks there may be; None for as many as at the start.
        nodes: Nodes of a block along each axis.
        features: Features per node.
        width: Features per hidden layer of the encoder.
        depth: Number of hidden layers of the encoder.
        decoder: Features of the decoder's one hidden layer.
        generator: Source of the random starting weights.

    Source:
        Martel et al. 2021, ACORN.
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
        ndim = len(extent)
        self.nodes = nodes
        self.features = features
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
        """Evaluate at normalised coordinates (*s, d): (*s, outputs)."""
        flat = x.reshape(-1, x.shape[-1])
        leaf = self.tree.leaf(flat)
        corner, side = self.tree.corner(x.dtype)
        t = (flat - corner[leaf]) / side[leaf, None]
        nodes = len(self.tree.start) * self.nodes**self.tree.ndim
        if nodes > SMALL and FEW * len(flat) * 2**self.tree.ndim < nodes:
            features = self._seen(leaf, t)
        else:
            features = self._interpolate(self.table(), leaf, t)
        return self.decoder(features).reshape(*x.shape[:-1], -1)

    def table(self) -> Tensor:
        """Make the features of every block: (blocks, nodes^d · features)."""
        return self.encoder(self._codes()) + self.carry

    def _codes(self, blocks: Tensor | None = None) -> Tensor:
        """What the encoder is told of each block, or of some: (blocks, positions.size)."""
        corner, side = self.tree.corner(self.carry.dtype)
        center = corner + side[:, None] / 2
        where = torch.cat([center, self.tree.level[:, None].to(center) / 8], -1)
        if blocks is not None:
            where = where[blocks]
        return self.positions(where)

    def _seen(self, leaf: Tensor, t: Tensor) -> Tensor:
        """What `_interpolate` gives of the whole table, with only those nodes made that are seen.

        The encoder's last map has nodes^d · features rows, and a point looks at 2^d of the nodes.
        Points that look at the same ones, in whatever block, are one matrix product.
        """
        head = self.encoder.head
        assert isinstance(head, Linear)
        ndim = t.shape[-1]
        shape = [self.nodes] * ndim
        base, fraction = cells(t * (self.nodes - 1), shape)
        index, weight = corners(base, fraction, shape)
        blocks, place = torch.unique(leaf, return_inverse=True)
        code = self.encoder.hidden(self._codes(blocks)).index_select(0, place)
        cell = _flat(base, self.nodes - 1)
        lowest = torch.cartesian_prod(*[torch.arange(self.nodes - 1, device=t.device)] * ndim)
        lowest = lowest.reshape(-1, ndim)
        around, _ = corners(lowest, torch.zeros_like(lowest, dtype=t.dtype), shape)
        groups = group(cell, len(around))
        rows = head.weight.unflatten(0, (-1, self.features))[around].flatten(1, 2)
        products = groups.pack(code) @ rows[groups.block].mT
        products = groups.unpack(products).unflatten(-1, (-1, self.features))
        made = (products * weight[..., None]).sum(-2)
        made = made + gather(head.bias.reshape(-1, self.features), index, weight)
        first = leaf[:, None] * math.prod(shape)
        return made + gather(self.carry.reshape(-1, self.features), index + first, weight)

    def _interpolate(self, table: Tensor, leaf: Tensor, t: Tensor) -> Tensor:
        """Features (n, features) at t (n, d), in [0, 1] of a block's side, multilinear."""
        shape = [self.nodes] * t.shape[-1]
        index, weight = corners(*cells(t * (self.nodes - 1), shape), shape)
        return gather(
            table.reshape(-1, self.features), index + leaf[:, None] * math.prod(shape), weight
        )

    def spacing(self, x: Tensor) -> Tensor:
        """Give the distance of nodes around each of (n, d) normalised points: (n,)."""
        return self.tree.corner(x.dtype)[1][self.tree.leaf(x)] / (self.nodes - 1)

    @torch.no_grad()
    def adapt(self, x: Tensor, error: Tensor, fraction: float = 0.1) -> int:
        """Move blocks to where the error is; a block that no point fell in stays.

        Args:
            x: (n, d) normalised coordinates.
            error: (n,) squared error at these points.
            fraction: The largest share of the blocks that are split at once.

        Returns:
            How many blocks were split.
        """
        tree = self.tree
        leaf = tree.leaf(x)
        zeros = error.new_zeros(len(tree.start), dtype=torch.float64)
        count = zeros.index_add(0, leaf, torch.ones_like(error, dtype=torch.float64))
        mean = zeros.index_add(0, leaf, error.double()) / count  # 0 / 0 is NaN: unknown
        volume = tree.corner(torch.float64)[1] ** tree.ndim
        split, merge = tree.exchange(mean * volume, max(1, round(fraction * len(zeros))))
        if split:
            self._rebuild(split, merge)
        return len(split)

    def _rebuild(self, split: list[Leaf], merge: list[Leaf]) -> None:
        """Replace leaves to split by their children, and children to merge by their parents."""
        tree = self.tree
        made, gone = self._replacements(split, merge)
        slots = self._slots()
        levels = tree.level.tolist()
        kept = {code: (levels[k], k) for code, k in slots.items() if code not in gone}
        order = sorted([*kept, *made])
        carry = torch.zeros_like(self.carry)
        for k, code in enumerate(order):
            if code in kept:
                carry[k] = self.carry[kept[code][1]]
            else:
                carry[k] = made[code][1].flatten()
        self.carry.zero_()
        tree.start.fill_(UNUSED)
        tree.level.zero_()
        tree.start[: len(order)] = torch.tensor(order)
        tree.level[: len(order)] = torch.tensor([(kept.get(c) or made[c])[0] for c in order])
        new = torch.tensor([k for k, c in enumerate(order) if c not in kept], device=carry.device)
        carry[new] -= self.table()[new]
        self.carry.copy_(carry)

    def _replacements(
        self, split: list[Leaf], merge: list[Leaf]
    ) -> tuple[dict[int, tuple[int, Tensor]], set[int]]:
        """New blocks by code, as (level, features at the nodes), and the codes of those that go."""
        tree = self.tree
        table = self.table()
        slots = self._slots()
        axis = torch.linspace(0, 1, self.nodes, dtype=table.dtype)
        t = torch.cartesian_prod(*[axis] * tree.ndim).reshape(-1, tree.ndim).to(table.device)
        made: dict[int, tuple[int, Tensor]] = {}
        gone: set[int] = set()
        for start, level in split:
            gone.add(start)
            for code in tree.offspring(start, level):
                place = (t + self._offset(code, level).to(t)) / 2
                slot = torch.full((len(t),), slots[start], dtype=torch.int64, device=t.device)
                made[code] = level + 1, self._interpolate(table, slot, place)
        for start, level in merge:
            children = {code: slots[code] for code in tree.offspring(start, level)}
            made[start] = level, self._restricted(table, t, children, level)
            gone.update(children)
        return made, gone

    def _slots(self) -> dict[int, int]:
        """The slot of each block, by code."""
        return {code: k for k, code in enumerate(self.tree.start.tolist()) if code < UNUSED}

    def _restricted(self, table: Tensor, t: Tensor, slots: dict[int, int], level: int) -> Tensor:
        """Features of a parent at its nodes, each from the child around it, or else the nearest."""
        offsets = torch.stack([self._offset(code, level) for code in slots]).to(t)
        local = 2 * t[:, None] - offsets
        outside = (local.clamp(0, 1) - local).abs().sum(-1)
        child = outside.argmin(-1)
        leaf = torch.tensor(list(slots.values()), device=t.device)[child]
        return self._interpolate(table, leaf, local[torch.arange(len(t)), child].clamp(0, 1))

    def _offset(self, code: int, level: int) -> Tensor:
        """Which half of a parent of `level` a child fills along each axis: (d,)."""
        return self.tree.cell(torch.tensor([code]))[0] >> (DEEPEST - level - 1) & 1


def _flat(index: Tensor, count: int) -> Tensor:
    """Flat numbers (n,) of the cells (n, d) of a lattice of `count` cells per axis."""
    total = index[:, 0]
    for k in range(1, index.shape[1]):
        total = total * count + index[:, k]
    return total
