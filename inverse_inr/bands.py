"""`BandGrid`: a lattice whose last axis has centres of its own, like a spectrometer's bands."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr.devices import constant
from inverse_inr.domain import Box, Grid

SAME_CENTER = 1e-6
"""Centres that differ by less than this fraction of a band are the same: it allows for rounding."""


@dataclass(frozen=True)
class BandGrid(Grid):
    """A lattice of pixels with bands at given centres along its last axis.

    The space axes are those of a `Grid`. Neighbouring bands meet half-way between their centres.

    Args:
        box: The region that the lattice fills.
        shape: Number of pixels along each axis; the last axis counts bands.
        affine: Optional 4x4 map to world coordinates in mm, as in a NIfTI file.
        metadata: What the file from which it was read says besides, as in `Grid`.
        centers: (bands,) rising centres in the unit of the last axis, usually nm.

    Raises:
        ValueError: There are more or fewer centres than bands, or the centres do not rise or lie
            outside the box.
    """

    centers: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        centers = tuple(float(c) for c in self.centers)
        lower = self.box.lower[-1]
        upper = self.box.upper[-1]
        if len(centers) != self.shape[-1]:
            raise ValueError(
                f"BandGrid: {len(centers)} centres for {self.shape[-1]} bands (shape {self.shape})."
            )
        if any(not a < b for a, b in itertools.pairwise(centers)):
            raise ValueError(
                f"BandGrid: centres must rise, got {centers[:4]}... "
                "Bands from red to blue? Flip both."
            )
        if not (lower <= centers[0] and centers[-1] <= upper):
            raise ValueError(
                f"BandGrid: centres run from {centers[0]:g} to {centers[-1]:g}, "
                f"the box from {lower:g} to {upper:g} {self.box.units[-1]}."
            )
        object.__setattr__(self, "centers", centers)

    @classmethod
    def of(cls, box: Box, shape: Sequence[int], centers: Sequence[float] | Tensor) -> Grid:
        """Make the simplest lattice with these band centres.

        Args:
            box: The region that the lattice fills.
            shape: Number of pixels along each space axis, without the bands.
            centers: (bands,) rising centres in the unit of the last axis.

        Returns:
            A plain `Grid` if its own centres are these to 1e-6 of a band, else a `BandGrid`.
        """
        values = [float(c) for c in centers]
        plain = Grid(box, (*shape, len(values)))
        own = plain.axes(torch.float64)[-1].tolist()
        near = SAME_CENTER * plain.spacing[-1]
        if all(abs(a - b) < near for a, b in zip(own, values, strict=True)):
            return plain
        return cls(box, (*shape, len(values)), centers=tuple(values))

    @property
    def edges(self) -> list[float]:
        """The bands + 1 wavelengths at which bands begin and end, in the unit of the last axis."""
        inner = [0.5 * (a + b) for a, b in itertools.pairwise(self.centers)]
        return [self.box.lower[-1], *inner, self.box.upper[-1]]

    def axes(
        self, dtype: torch.dtype | None = None, device: torch.device | None = None
    ) -> list[Tensor]:
        dtype = dtype or torch.get_default_dtype()
        bands = torch.tensor(self.centers, dtype=dtype, device=device)
        return [*super().axes(dtype, device)[:-1], bands]

    def position(self, points: Tensor) -> Tensor:
        position = super().position(points)
        centers = constant(self.centers, points.dtype, points.device)
        if len(centers) == 1:
            return torch.cat([position[..., :-1], torch.zeros_like(position[..., -1:])], -1)
        at = points[..., -1].contiguous()
        k = torch.searchsorted(centers, at.detach()).clamp(1, len(centers) - 1)
        band = k - 1 + (at - centers[k - 1]) / (centers[k] - centers[k - 1])
        return torch.cat([position[..., :-1], band[..., None]], -1)

    def refined(self, factor: int) -> Grid:
        if factor == 1:
            return self  # a band's centre need not be the middle between its edges
        shape = tuple(n * factor for n in self.shape)
        parts = [(k + 0.5) / factor for k in range(factor)]
        centers = [a + t * (b - a) for a, b in itertools.pairwise(self.edges) for t in parts]
        return BandGrid(self.box, shape, metadata=self.metadata, centers=tuple(centers))

    def crop(self, start: Sequence[int], shape: Sequence[int]) -> Grid:
        plain = super().crop(start, shape)
        first = start[-1]
        end = first + shape[-1]
        lower = (*plain.box.lower[:-1], self.edges[first])
        upper = (*plain.box.upper[:-1], self.edges[end])
        box = Box(lower, upper, self.box.units)
        centers = self.centers[first:end]
        return BandGrid(box, plain.shape, metadata=self.metadata, centers=centers)
