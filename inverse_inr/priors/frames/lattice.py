"""Between the pixels of frames: multilinear interpolation on their lattice, at points or axes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from inverse_inr.priors.lattices.axes import ends_of


class FrameLattice:
    """The pixel centres of a frame, in normalised coordinates.

    Beyond the last centres values go on as they are there.

    Args:
        shape: Pixels along each axis of space.
        halves: Half the side of the box along each of them, in normalised units.
    """

    def __init__(self, shape: Sequence[int], halves: Sequence[float]) -> None:
        self.shape = tuple(shape)
        self.halves = tuple(halves)

    def at_points(self, frames: Tensor, which: Tensor, points: Tensor) -> Tensor:
        """Interpolate frames at points.

        Args:
            frames: (m, c, *shape).
            which: (n,) the frame of each point.
            points: (n, axes of space) normalised coordinates.

        Returns:
            (n, c).
        """
        table = frames.flatten(2).movedim(1, 2).flatten(0, 1)  # (m pixels, c)
        sides = [self._beside(points[:, k], k) for k in range(len(self.shape))]
        total = torch.zeros_like(table[:1])
        for corner in itertools.product((0, 1), repeat=len(sides)):
            index = which
            weight = torch.ones_like(points[:, 0])
            for size, (low, part), up in zip(self.shape, sides, corner, strict=True):
                index = index * size + (low + up).clamp(max=size - 1)
                weight = weight * (part if up else 1 - part)
            total = total + table[index] * weight[:, None].to(table.dtype)
        return total

    def on_axes(self, frames: Tensor, axes: Sequence[Tensor]) -> Tensor:
        """Interpolate frames on a lattice.

        Args:
            frames: (m, c, *shape).
            axes: Normalised coordinates along each axis of space.

        Returns:
            (m, c, *lengths of the axes).
        """
        for k, axis in enumerate(axes):
            if self._is_own(axis, k):
                continue
            low, part = self._beside(axis, k)
            high = (low + 1).clamp(max=self.shape[k] - 1)
            part = part.to(frames.dtype).reshape(-1, *(1,) * (len(axes) - 1 - k))
            below, above = frames.index_select(k + 2, low), frames.index_select(k + 2, high)
            frames = below + part * (above - below)
        return frames

    def _beside(self, x: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """The pixel below each coordinate of axis k, and how far the place is towards the next."""
        size = self.shape[k]
        place = (x / (2 * self.halves[k]) + 0.5) * size - 0.5
        place = place.clamp(0, size - 1)
        low = place.detach().floor().clamp(0, max(0, size - 2))
        return low.long(), place - low

    def _is_own(self, axis: Tensor, k: int) -> bool:
        """Whether coordinates are the pixel centres themselves."""
        size = self.shape[k]
        if len(axis) != size or torch.compiler.is_compiling():
            return False
        last = self.halves[k] * (1 - 1 / size)
        first, end = ends_of(axis)
        tolerance = 1e-4 * self.halves[k] / size
        return abs(first + last) < tolerance and abs(end - last) < tolerance
