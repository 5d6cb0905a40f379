"""A box tiled in cubes with a small network of its own in each: one scale of a pyramid."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn

from inverse_inr.kernels.grouped import group
from inverse_inr.priors.periodic import Sine


class Scale(nn.Module):
    """A box tiled in cubes, each with a SIREN of its own on coordinates [-1, 1] of the block.

    Neighbours blend by a C² partition of unity: a point near a border is seen by two networks per
    axis, others by one. With overlap 0 the scale jumps at the borders.

    Args:
        extent: Half the box's sides, in normalised units.
        side: Side of the cubes, in normalised units.
        outputs: Numbers per point.
        width: Features per hidden layer of a block.
        depth: Number of hidden layers of a block.
        omega: Frequency of the sines, in radians per unit of their input, on the block's own
            coordinates.
        overlap: The fraction of a side over which neighbours blend, from 0 to 1/2.
        generator: Source of the random starting weights.
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
        self.extent = extent
        self.side = side
        self.overlap = overlap
        self.tiles = [max(1, math.ceil(2 * n / side - 1e-9)) for n in extent]
        self.width = width
        self.depth = depth
        self.omega = omega
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
        """Evaluate at normalised coordinates (n, d): (n, outputs)."""
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
        """All pairs of a point and a tile that it sees: points (m,), tiles (m, d), shares (m,)."""
        top = torch.tensor(self.tiles, device=position.device)
        border = torch.minimum(position.detach().round().clamp(min=0), top)
        rise = _smootherstep(((position - border) / self.overlap + 0.5).clamp(0, 1))
        # beyond the box is nobody
        right = torch.where(border <= 0, 1, torch.where(border >= top, 0, rise))
        shares = _products([1 - right, right])
        corner, point = shares.detach().nonzero(as_tuple=True)
        offsets = torch.cartesian_prod(
            *[torch.arange(-1, 1, device=top.device)] * len(top)
        ).reshape(-1, len(top))
        return point, border.long()[point] + offsets[corner], shares[corner, point]

    def _networks(self, position: Tensor, tile: Tensor) -> Tensor:
        """Each point's value by the network of its tile, (m, outputs), all blocks at once."""
        block = tile[:, 0]
        for k in range(1, tile.shape[1]):
            block = block * self.tiles[k] + tile[:, k]
        groups = group(block, math.prod(self.tiles))
        h = groups.pack(2 * (position - tile.to(position.dtype)) - 1)
        for k, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if k > 0:
                h = self.sine(h)
            h = h @ weight[groups.block] + bias[groups.block][:, None]
        return groups.unpack(h)

    def split(self) -> Scale:
        """Make a scale of twice as many tiles per axis that computes the same.

        Returns:
            The finer scale. If blocks do not overlap it is the very same function.
        """
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
            first = child.weights[0]
            bias = child.biases[0]
            first /= 2  # parent's coordinate = (child's ± 1) / 2
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
