"""`BandGrid`: a lattice whose last axis has centres of its own, as the bands of a spectrometer do."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr.domain import Box, Grid


@dataclass(frozen=True)
class BandGrid(Grid):
    """Pixels as of a `Grid`, and bands at rising `centers` (nm) along the last axis; they meet half-way between.

    Raises ValueError for another number of centres than bands, centres that do not rise or lie outside the box.
    """

    centers: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        centers = tuple(float(c) for c in self.centers)
        if len(centers) != self.shape[-1]:
            raise ValueError(
                f"BandGrid: {len(centers)} centres for {self.shape[-1]} bands (shape {self.shape})."
            )
        if any(not a < b for a, b in itertools.pairwise(centers)):
            raise ValueError(
                f"BandGrid: centres must rise, got {centers[:4]}... Bands from red to blue? Flip both."
            )
        if not (self.box.lower[-1] <= centers[0] and centers[-1] <= self.box.upper[-1]):
            raise ValueError(
                f"BandGrid: centres run from {centers[0]:g} to {centers[-1]:g}, the box from {self.box.lower[-1]:g} to "
                f"{self.box.upper[-1]:g} {self.box.units[-1]}."
            )
        object.__setattr__(self, "centers", centers)

    @classmethod
    def of(cls, box: Box, shape: Sequence[int], centers: Sequence[float] | Tensor) -> Grid:
        """A plain `Grid` where its own centres are these to 1e-6 of a band, else a `BandGrid`. shape: without bands."""
        values = [float(c) for c in centers]
        plain = Grid(box, (*shape, len(values)))
        own = plain.axes(torch.float64)[-1].tolist()
        if all(abs(a - b) < 1e-6 * plain.spacing[-1] for a, b in zip(own, values, strict=True)):
            return plain
        return cls(box, (*shape, len(values)), centers=tuple(values))

    @property
    def edges(self) -> list[float]:
        """Where bands meet: n + 1 wavelengths."""
        inner = [0.5 * (a + b) for a, b in itertools.pairwise(self.centers)]
        return [self.box.lower[-1], *inner, self.box.upper[-1]]

    def axes(
        self, dtype: torch.dtype | None = None, device: torch.device | None = None
    ) -> list[Tensor]:
        dtype = dtype or torch.get_default_dtype()
        return [
            *super().axes(dtype, device)[:-1],
            torch.tensor(self.centers, dtype=dtype, device=device),
        ]

    def position(self, points: Tensor) -> Tensor:
        position = super().position(points)
        centers = points.new_tensor(self.centers)
        if len(centers) == 1:
            return torch.cat([position[..., :-1], torch.zeros_like(position[..., -1:])], -1)
        at = points[..., -1].contiguous()
        k = torch.searchsorted(centers, at.detach()).clamp(1, len(centers) - 1)
        band = k - 1 + (at - centers[k - 1]) / (centers[k] - centers[k - 1])
        return torch.cat([position[..., :-1], band[..., None]], -1)

    def refined(self, factor: int) -> Grid:
        if factor == 1:
            return self  # a band's middle is not its centre
        shape, edges = [n * factor for n in self.shape], self.edges
        parts = [(k + 0.5) / factor for k in range(factor)]
        centers = [a + t * (b - a) for a, b in itertools.pairwise(edges) for t in parts]
        return BandGrid(self.box, tuple(shape), centers=tuple(centers))

    def crop(self, start: Sequence[int], shape: Sequence[int]) -> Grid:
        plain, edges, (k, n) = super().crop(start, shape), self.edges, (start[-1], shape[-1])
        lower, upper = (*plain.box.lower[:-1], edges[k]), (*plain.box.upper[:-1], edges[k + n])
        return BandGrid(
            Box(lower, upper, self.box.units), plain.shape, centers=self.centers[k : k + n]
        )
