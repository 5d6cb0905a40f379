"""Coefficients of space times vectors of the last axis: a mean, and a correction from zero.

    c(x) + Σ_k (m_k(x) + a_k(x)) v_k,     c and v_k: functions of the last axis

The mean has as many vectors as it needs; the correction is made of the first few. m and a are
lattices of the same nodes, linear between them; c and v_k are linear between places of
the last axis, and constant beyond the outermost.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from inverse_inr.domain import Box, Grid
from inverse_inr.evaluation import sample
from inverse_inr.priors.lattices.axes import divided
from inverse_inr.priors.lattices.encoding import GridEncoding
from inverse_inr.regularizers import LocalGaussians
from inverse_inr.sampled import SampledField

PLACES = 32
"""Places of the last axis at which vectors stand before there is a mean."""
NEGLIGIBLE = 1e-4
"""Singular values below this part of the largest make no vector of their own."""


class Known(GridEncoding):
    """A lattice whose table is no parameter, because it is not learnt."""

    def __init__(self, box: Box, cells: list[float], features: int, **options: Any) -> None:
        super().__init__(box, cells, features, **options)
        known = self.table.detach()
        del self.table
        self.register_buffer("table", known)


class OffsetCoefficients(nn.Module):
    """Mean plus correction as one network: normalised (*s, d) -> (*s, outputs).

    Args:
        box: The box of the field; space is all axes but the last.
        outputs: Numbers per point.
        cells: Cells of the lattice along the longest side of space.
        rank: The most vectors that the correction is made of.
        patch: Pixels along each axis of the patches that `penalty` compares.
        floor: Standard deviation that patches of the guide do not show, beside coefficients of
            standard deviation 1.
    """

    places: Tensor
    centre: Tensor
    vectors: Tensor
    guide: Tensor

    def __init__(
        self, box: Box, outputs: int, *, cells: float, rank: int, patch: int, floor: float
    ) -> None:
        super().__init__()
        sides = [n * s / 2 for n, s in zip(box.lengths, box.scale, strict=True)]
        self.side = sides[-1]
        self.outputs = outputs
        self.rank = rank
        self.patch = patch
        self.floor = floor
        # a box of one axis has one place of space
        self.alone = box.ndim == 1
        sides = sides[:-1] or [1.0]
        self.reach = max(sides)
        self.smoothness = 0
        # coefficients are few beside the values: an image is cut into slabs late
        self.lattice_chunk = 2**23
        space = Box(tuple(-n for n in sides), tuple(sides))
        self.mean = Known(space, [cells], rank, table=2**31 - 1, centered=True)
        self.correction = GridEncoding(space, [cells], rank, table=2**31 - 1, centered=True)
        u = (torch.arange(PLACES) + 0.5) / PLACES
        waves = torch.cos(math.pi * torch.arange(rank)[:, None] * u)
        self.places = nn.Buffer(self.side * (2 * u - 1))
        self.centre = nn.Buffer(torch.zeros(PLACES, outputs))
        self.vectors = nn.Buffer(waves[..., None].expand(-1, -1, outputs).contiguous())
        self.guide = nn.Buffer(torch.zeros_like(self.mean.table))
        self._gaussians: tuple[Tensor, LocalGaussians] | None = None

    # --- its values -------------------------------------------------------------------------------

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate at normalised coordinates (*s, d): (*s, outputs)."""
        space = x[..., :-1] / self.reach
        if self.alone:
            space = torch.zeros_like(x)
        coefficients = self._joined(self.mean(space), self.correction(space))
        lower, upper, weight = self._between(x[..., -1])
        both = [
            self.centre[k] + torch.einsum("...k,k...c->...c", coefficients, self.vectors[:, k])
            for k in (lower, upper)
        ]
        return torch.lerp(both[0], both[1], weight[..., None])

    def on_axes(self, axes: Sequence[Tensor]) -> Tensor:
        """Evaluate on the lattice of d normalised axes: (*shape, outputs)."""
        space = [divided(a, self.reach) for a in axes[:-1]] or [torch.zeros_like(axes[-1][:1])]
        coefficients = self._joined(self.mean.on_axes(space), self.correction.on_axes(space))
        if self.alone:
            coefficients = coefficients[0]
        lower, upper, weight = self._between(axes[-1])
        weight = weight[:, None]
        centre = torch.lerp(self.centre[lower], self.centre[upper], weight)
        vectors = torch.lerp(self.vectors[:, lower], self.vectors[:, upper], weight)
        return centre + torch.tensordot(coefficients, vectors, 1)

    def _joined(self, mean: Tensor, correction: Tensor) -> Tensor:
        """Coefficients of all vectors, of which the correction has the first few."""
        more = mean.shape[-1] - correction.shape[-1]
        return mean + nn.functional.pad(correction, (0, more))

    def _between(self, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The places on either side of normalised last coordinates, and the fraction between."""
        places = self.places.to(u)
        upper = torch.searchsorted(places, u.detach().contiguous()).clamp(1, len(places) - 1)
        low, high = places[upper - 1], places[upper]
        return upper - 1, upper, ((u - low) / (high - low)).clamp(0, 1)

    # --- its mean ---------------------------------------------------------------------------------

    @torch.no_grad()
    def set_mean(self, values: Tensor, grid: Grid) -> None:
        """Take an image as the mean, and its main vectors along the last axis as the vectors.

        The correction begins at zero again.

        Args:
            values: (*grid.shape, outputs).
            grid: The pixels, of the box's axes; at least two along the last.
        """
        scale, middle = grid.box.scale[-1], grid.box.center[-1]
        places = (grid.axes(torch.float64)[-1] - middle) * scale
        rows = values.flatten(-2).flatten(0, -2).double()
        centre = rows.mean(0)
        left, sizes, right = torch.linalg.svd(rows - centre, full_matrices=False)
        kept = max(1, int((sizes > NEGLIGIBLE * sizes[0]).sum()))
        spread = sizes[:kept] / len(rows) ** 0.5
        spread = spread.clamp(min=float(torch.finfo(torch.float32).tiny))
        coefficients = left[:, :kept] * len(rows) ** 0.5
        shape = (kept, *values.shape[-2:])
        self.places = places.to(self.places)
        self.centre = centre.reshape(shape[1:]).to(self.centre)
        self.vectors = (spread[:, None] * right[:kept]).reshape(shape).to(self.vectors)
        space = Grid(Box((-1.0,), (1.0,)), (1,))
        if not self.alone:
            space = Grid(Box(grid.box.lower[:-1], grid.box.upper[:-1]), grid.shape[:-1])
        image = coefficients.reshape(*space.shape, kept).to(self.centre)
        at_nodes = SampledField(image, space)(self._nodes(space.box))
        self._size(kept, min(kept, self.rank))
        self.mean.table.copy_(at_nodes.reshape(-1, kept))
        self.guide.copy_(self.mean.table[:, : self.correction.size])

    def _nodes(self, space: Box) -> Tensor:
        """Physical coordinates of the lattice's nodes, (*nodes, d - 1), on a box of space."""
        axes = []
        for m, lower, length in zip(self.nodes, space.lower, space.lengths, strict=True):
            k = torch.arange(m, dtype=torch.float32, device=self.centre.device)
            axes.append(lower + (k + 0.5) * length / m)
        return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)

    @property
    def nodes(self) -> list[int]:
        """Nodes of the lattice along each axis of space."""
        return [int(n) + 1 for n in self.mean.top[0].tolist()]

    def _size(self, kept: int, rank: int) -> None:
        """Make room for vectors, with a correction of zero of the first `rank`."""
        table = self.mean.table.new_zeros(len(self.mean.table), kept)
        self.mean.register_buffer("table", table)
        self.correction.table = nn.Parameter(table[:, :rank].clone())
        self.guide = table[:, :rank].clone()
        self.mean.size, self.correction.size = kept, rank

    def adopt(self, shapes: dict[str, torch.Size]) -> None:
        """Make room for a saved state.

        Args:
            shapes: Shapes by the names of this module's state.
        """
        places = shapes.get("places", self.places.shape)
        vectors = shapes.get("vectors", self.vectors.shape)
        if len(vectors) != 3 or len(places) != 1 or vectors[1:] != (*places, self.outputs):
            return  # of another architecture, which loading says
        guide = shapes.get("guide", self.guide.shape)
        self._size(vectors[0], guide[-1])
        self.places = self.places.new_zeros(places)
        self.centre = self.centre.new_zeros(vectors[1:])
        self.vectors = self.vectors.new_zeros(vectors)

    # --- its penalty ------------------------------------------------------------------------------

    def look_again(self) -> None:
        """Let the coefficients as they are be the guide of the penalty."""
        with torch.no_grad():
            self.guide.copy_(self._guided())

    def _guided(self) -> Tensor:
        """The coefficients that the correction changes, (nodes, rank)."""
        return self.mean.table[:, : self.correction.size] + self.correction.table

    def penalty(self) -> Tensor:
        """Minus the logarithm of the likelihood of the coefficients, per node, without constants.

        The model is `LocalGaussians` of the guide.
        """
        values = self._guided().reshape(*self.nodes, -1)
        grid = Grid(Box((0.0,) * len(self.nodes), tuple(map(float, self.nodes))), tuple(self.nodes))
        if self._gaussians is None or not torch.equal(self._gaussians[0], self.guide):
            guide = SampledField(self.guide.reshape(values.shape).clone(), grid)
            model = LocalGaussians(guide, grid, patch=self.patch, floor=self.floor)
            self._gaussians = (self.guide.clone(), model)
        size = values.shape[-1]
        return 0.5 * size * self._gaussians[1](SampledField(values, grid), values)


def on_grid(field: object, grid: Grid) -> Tensor:
    """Values of any field on a grid, (*grid.shape, c), without a gradient.

    Args:
        field: The field.
        grid: The pixels.
    """
    with torch.no_grad():
        return sample(field, grid).detach()  # pyright: ignore[reportArgumentType]
