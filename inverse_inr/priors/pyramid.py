"""A pyramid of small local networks, all blocks of a scale by batched matrix products, and the preset `miner`."""

from __future__ import annotations

import copy
import itertools
import math

import torch
from torch import Tensor, nn

from inverse_inr.domain import Box
from inverse_inr.kernels.grouped import group
from inverse_inr.priors.encodings import Identity
from inverse_inr.priors.heads import HeadName
from inverse_inr.priors.periodic import Sine
from inverse_inr.priors.preset import band, preset, seeded
from inverse_inr.priors.prior import Prior
from inverse_inr.priors.state import Recipe


class Scale(nn.Module):
    """The box tiled in cubes of `side`, a SIREN of its own in each, on coordinates [-1, 1] of the block.

    Neighbours blend over the fraction `overlap` of a side, by a C² partition of unity: a point there is seen by two
    networks an axis, others by one. With overlap 0 the scale jumps at the borders.
    """

    def __init__(
        self,
        extent: tuple[float, ...],
        side: float,
        outputs: int,
        *,
        width: int,
        depth: int,
        omega: float,
        overlap: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.extent, self.side, self.overlap = extent, side, overlap
        self.tiles = [max(1, math.ceil(2 * n / side - 1e-9)) for n in extent]
        self.width, self.depth, self.omega = width, depth, omega
        sizes = [len(extent), *[width] * depth, outputs]
        blocks = math.prod(self.tiles)
        self.sine = Sine(omega)
        pairs = list(itertools.pairwise(sizes))
        self.weights = nn.ParameterList(torch.empty(blocks, a, b) for a, b in pairs)
        self.biases = nn.ParameterList(torch.empty(blocks, b) for _, b in pairs)
        for k, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            self.sine.initialize(weight, torch.empty(0), k == 0, generator)
            bound = weight.shape[1] ** -0.5
            with torch.no_grad():
                bias.uniform_(-bound, bound, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        position = torch.stack([(x[:, k] + n) / self.side for k, n in enumerate(self.extent)], -1)
        if not self.overlap or math.prod(self.tiles) == 1:
            top = torch.tensor(self.tiles, device=x.device) - 1
            tile = torch.minimum(position.detach().floor().long().clamp(min=0), top)
            return self._networks(position, tile)
        point, tile, share = self._seen(position)
        values = self._networks(position[point], tile)
        return values.new_zeros(len(x), values.shape[-1]).index_add(
            0, point, values * share[:, None]
        )

    def _seen(self, position: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Which points (m,) see which tiles (m, d), and with what share (m,)."""
        top = torch.tensor(self.tiles, device=position.device)
        border = torch.minimum(position.detach().round().clamp(min=0), top)
        rise = _smootherstep(((position - border) / self.overlap + 0.5).clamp(0, 1))
        right = torch.where(
            border <= 0, 1, torch.where(border >= top, 0, rise)
        )  # beyond the box is nobody
        shares = _products([1 - right, right])
        corner, point = shares.detach().nonzero(as_tuple=True)
        offsets = torch.cartesian_prod(
            *[torch.arange(-1, 1, device=top.device)] * len(top)
        ).reshape(-1, len(top))
        return point, border.long()[point] + offsets[corner], shares[corner, point]

    def _networks(self, position: Tensor, tile: Tensor) -> Tensor:
        block = tile[:, 0]
        for k in range(1, tile.shape[1]):
            block = block * self.tiles[k] + tile[:, k]
        groups = group(block, math.prod(self.tiles))
        h = groups.pack(2 * (position - tile.to(position.dtype)) - 1)
        for k, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            h = self.sine(h) if k else h
            h = h @ weight[groups.block] + bias[groups.block][:, None]
        return groups.unpack(h)

    def split(self) -> Scale:
        """Twice as many tiles an axis that compute the same: where blocks do not overlap, the very same function."""
        outputs = self.biases[-1].shape[-1]
        child = Scale(
            self.extent,
            self.side / 2,
            outputs,
            width=self.width,
            depth=self.depth,
            omega=self.omega,
            overlap=self.overlap,
            generator=torch.Generator(),
        ).to(self.weights[0])
        place = torch.cartesian_prod(*[torch.arange(n) for n in child.tiles]).reshape(
            -1, len(self.tiles)
        )
        strides = torch.tensor([math.prod(self.tiles[k + 1 :]) for k in range(len(self.tiles))])
        parent = (place // 2 * strides).sum(-1).to(self.weights[0].device)
        with torch.no_grad():
            for name, own in self.named_parameters():
                child.get_parameter(name).copy_(own[parent])
            first, bias = (
                child.weights[0],
                child.biases[0],
            )  # parent's coordinate = (child's ± 1) / 2
            first /= 2
            bias += ((2.0 * (place % 2) - 1).to(first)[:, None] @ first)[:, 0]
        return child


def _smootherstep(t: Tensor) -> Tensor:
    """0 to 1 with two vanishing derivatives at either end; t and 1 - t add to 1."""
    return t * t * t * (10 + t * (6 * t - 15))


def _products(pair: list[Tensor]) -> Tensor:
    """Two (n, d) arrays -> products over d of one or the other: (2^d, n), the last axis fastest."""
    total = torch.stack([p[:, 0] for p in pair])
    for k in range(1, pair[0].shape[1]):
        total = (total[:, None] * torch.stack([p[:, k] for p in pair])).flatten(0, 1)
    return total


class Pyramid(nn.Module):
    """The sum of scales, coarse to fine, each with blocks half as large (Saragadam et al. 2022, MINER).

    MINER fits one scale after the other to the signal and stops the blocks that fit. Behind an operator blocks are not
    free of each other and their error is not known: here all scales are fitted together, and none stops on its own.
    """

    fills_the_box = True

    def __init__(self, scales: list[Scale]) -> None:
        super().__init__()
        self.scales = nn.ModuleList(scales)
        blends = all(s.overlap or math.prod(s.tiles) == 1 for s in scales)
        self.smoothness = 2 if blends else -1

    def forward(self, x: Tensor) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        values = [scale(flat) for scale in self.scales]
        return torch.stack(values).sum(0).reshape(*x.shape[:-1], -1)

    def refined(self) -> Pyramid:
        """One scale more, that adds nothing yet: it starts as the children of the finest, with a last layer of zero."""
        finer = copy.deepcopy(self)
        last = self.scales[-1]
        assert isinstance(last, Scale)
        child = last.split()
        nn.init.zeros_(child.weights[-1])
        nn.init.zeros_(child.biases[-1])
        finer.scales.append(child)
        return finer


def refined(prior: Prior) -> Prior:
    """The same field as a `miner` prior with one scale more: solve coarse, refine, solve on.

    Raises TypeError for another prior.
    """
    if not isinstance(prior.network, Pyramid):
        raise TypeError(f"refined: '{prior.name}' has no scales; 'miner' has.")
    finer = copy.deepcopy(prior)
    finer.network = prior.network.refined()
    last = finer.network.scales[-1]
    assert isinstance(last, Scale)
    options = {**prior.recipe.options, "scales": len(finer.network.scales), "omega0": last.omega}
    finer.recipe = Recipe(prior.name, options, prior.recipe.summary)
    return finer


@preset
def miner(
    box: Box,
    channels: int = 1,
    bandwidth: float | None = None,
    *,
    scales: int | None = None,
    omega0: float | None = None,
    width: int = 18,
    coarsest_width: int = 72,
    depth: int = 2,
    overlap: float | None = 0.25,
    head: HeadName = "linear",
    seed: int = 0,
) -> Prior:
    """A pyramid of tiny SIRENs, one a block, each scale with blocks half as large (MINER, Saragadam et al. 2022).

    Blocks blend over the fraction `overlap` of their side; None is the published network, which jumps at their borders
    (no total variation by slopes sees a jump: use one on a grid). `omega0` is that of a block's own coordinates. By
    default the finest blocks hold the published 32² or 16³ samples of the Nyquist lattice.
    """
    bandwidth, b = band(box, bandwidth)
    if overlap is not None and overlap > 0.5:
        raise ValueError(f"miner: overlap={overlap} of a block's side is more than half of it.")
    count = (
        1 + max(0, round(math.log2(4 * b / (16 if box.ndim > 2 else 32))))
        if scales is None
        else scales
    )
    # two narrow layers make fewer harmonics than a SIREN: they start higher
    omega = 2 * math.pi * box.ndim * b / 2 ** (count - 1) / 5 if omega0 is None else omega0
    half = tuple(n * s / 2 for n, s in zip(box.lengths, box.scale, strict=True))
    generator = seeded(seed)

    def scale(k: int, outputs: int) -> Scale:
        made = Scale(
            half,
            2.0 / 2**k,
            outputs,
            width=width if k else coarsest_width,
            depth=depth,
            omega=omega,
            overlap=overlap or 0.0,
            generator=generator,
        )
        nn.init.zeros_(made.biases[-1])  # or the field starts as a patchwork of constants
        return made

    def network(outputs: int) -> Pyramid:
        return Pyramid([scale(k, outputs) for k in range(count)])

    return Prior(
        box,
        Identity(box.ndim),
        network,
        channels=channels,
        head=head,
        bandwidth=bandwidth,
        learning_rate=5e-3,
    )
