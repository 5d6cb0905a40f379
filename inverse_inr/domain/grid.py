"""`Grid`: a lattice of pixel centres that fills a box."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from inverse_inr import memory
from inverse_inr.devices import constant
from inverse_inr.domain.box import Box
from inverse_inr.ranges import Count, checked


@checked
@dataclass(frozen=True)
class Grid:
    """A lattice of pixels that fills a box, each pixel known by its centre.

    Args:
        box: The region that the lattice fills.
        shape: (d,) number of pixels along each axis.
        affine: Optional 4x4 map to world coordinates in mm, as in a NIfTI file. It travels with
            the grid and does not count when two grids are compared.
        metadata: What the file from which it was read says besides, as the values of a JSON
            object; a writer of that format writes it again. It belongs to the box, so that lattices
            which are cut out of this one or refine it carry it too, and does not count when two
            grids are compared.

    Raises:
        ValueError: Shape and box disagree in dimension, or a size is not a positive integer.

    Example:
        >>> grid = Grid(Box((0.0, 0.0), (4.0, 6.0), units=("mm", "mm")), (2, 3))
        >>> grid.spacing
        (2.0, 2.0)
        >>> grid.points()[0]  # pixel centres of the first line
        tensor([[1., 1.],
                [1., 3.],
                [1., 5.]])
    """

    box: Box
    shape: tuple[Count, ...]
    affine: tuple[tuple[float, ...], ...] | None = field(default=None, compare=False)
    metadata: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        shape = tuple(int(n) for n in self.shape)
        if len(shape) != self.box.ndim or not shape:
            raise ValueError(
                f"Grid: shape {shape} has {len(shape)} axes but the box has {self.box.ndim}."
            )
        object.__setattr__(self, "shape", shape)

    @property
    def ndim(self) -> int:
        """Number of axes, d."""
        return len(self.shape)

    @property
    def numel(self) -> int:
        """Number of pixels."""
        return math.prod(self.shape)

    @property
    def spacing(self) -> tuple[float, ...]:
        """(d,) pixel size along each axis, in the box's units."""
        return tuple(n / m for n, m in zip(self.box.lengths, self.shape, strict=True))

    @property
    def nyquist(self) -> tuple[float, ...]:
        """(d,) highest frequency that each axis can hold, in cycles per unit of the box."""
        return tuple(0.5 / h for h in self.spacing)

    def axes(
        self, dtype: torch.dtype | None = None, device: torch.device | None = None
    ) -> list[Tensor]:
        """List the pixel centres along each axis.

        Args:
            dtype: Precision of the coordinates; torch's default if None.
            device: Device of the coordinates; torch's default if None.

        Returns:
            d tensors of shape (n_k,), in the box's units.

        Raises:
            OutOfMemoryError: The coordinates do not fit the memory at hand.
        """
        dtype = dtype or torch.get_default_dtype()
        self.require_memory("axes", sum(self.shape) * dtype.itemsize, device)
        return [
            a + h * (torch.arange(n, dtype=dtype, device=device) + 0.5)
            for a, h, n in zip(self.box.lower, self.spacing, self.shape, strict=True)
        ]

    def points(
        self, dtype: torch.dtype | None = None, device: torch.device | None = None
    ) -> Tensor:
        """List the pixel centres in physical coordinates.

        Args:
            dtype: Precision of the coordinates; torch's default if None.
            device: Device of the coordinates; torch's default if None.

        Returns:
            (*shape, d) coordinates in the box's units.

        Raises:
            OutOfMemoryError: The points do not fit the memory at hand.
        """
        size = (dtype or torch.get_default_dtype()).itemsize
        self.require_memory("points", self.numel * self.ndim * size, device)
        return torch.stack(torch.meshgrid(*self.axes(dtype, device), indexing="ij"), -1)

    def require_memory(self, what: str, size: float, device: torch.device | None = None) -> None:
        """Refuse to make something as large as the lattice that the memory at hand cannot hold.

        Args:
            what: Word for it, for the message: "points".
            size: Bytes that it takes.
            device: The device on which it would lie; the machine's own memory if None.

        Raises:
            OutOfMemoryError: It does not fit; the message says which shape would.
        """

        def advice(there: int) -> str:
            factor = (there / size) ** (1 / self.ndim)
            fits = tuple(max(1, int(n * factor)) for n in self.shape)
            return f"A grid of {fits} would fit."

        memory.require(f"Grid: {what} of {self.shape} pixels", size, advice, device)

    def position(self, points: Tensor) -> Tensor:
        """Convert physical points to pixels; pixel centres lie at whole numbers.

        Args:
            points: (*s, d) physical coordinates.

        Returns:
            (*s, d) positions in pixels.
        """
        lower = constant(self.box.lower, points.dtype, points.device)
        return (points - lower) / constant(self.spacing, points.dtype, points.device) - 0.5

    @checked
    def refined(self, factor: Count) -> Grid:
        """Divide each pixel into sub-pixels of the same box.

        Args:
            factor: Number of sub-pixels per axis of a pixel.

        Returns:
            A grid of `factor` times as many pixels along each axis.
        """
        return Grid(self.box, tuple(n * factor for n in self.shape), metadata=self.metadata)

    @checked
    def crop(self, start: Sequence[int], shape: Sequence[Count]) -> Grid:
        """Cut a smaller lattice out of this one, with the box that it fills.

        Args:
            start: (d,) index of its first pixel.
            shape: (d,) number of its pixels along each axis.

        Returns:
            The sub-lattice; it carries the metadata and no affine.

        Raises:
            ValueError: `start` or `shape` has another number of axes.
        """
        if not len(start) == len(shape) == self.ndim:
            raise ValueError(
                f"Grid.crop: start has {len(start)} and shape {len(shape)} axes, "
                f"the grid {self.ndim}."
            )
        lower = tuple(
            a + h * i for a, h, i in zip(self.box.lower, self.spacing, start, strict=True)
        )
        upper = tuple(a + h * n for a, h, n in zip(lower, self.spacing, shape, strict=True))
        return Grid(Box(lower, upper, self.box.units), tuple(shape), metadata=self.metadata)

    def slabs(self, numel: int, axis: int = 0) -> Iterator[Grid]:
        """Cut the grid along one axis into slabs of about `numel` pixels.

        Args:
            numel: Pixels per slab where the axes before `axis` have one layer; at least one layer
                is taken.
            axis: The axis that is cut.

        Yields:
            The slabs, in order along the axis.
        """
        step = max(1, numel // max(1, math.prod(self.shape[axis + 1 :])))
        for i in range(0, self.shape[axis], step):
            start = [0] * self.ndim
            shape = list(self.shape)
            start[axis] = i
            shape[axis] = min(step, self.shape[axis] - i)
            yield self.crop(start, shape)

    def with_affine(self, affine: Sequence[Sequence[float]] | None) -> Grid:
        """Copy this grid with another affine.

        Args:
            affine: 4x4 map to world coordinates in mm, as in a NIfTI file; None for none.

        Returns:
            The same lattice, carrying the affine.
        """
        if affine is None:
            return replace(self, affine=None)
        return replace(self, affine=tuple(tuple(float(v) for v in row) for row in affine))

    def with_metadata(self, metadata: Mapping[str, Any] | None) -> Grid:
        """Copy this grid with other metadata.

        Args:
            metadata: What a file says besides, as the values of a JSON object; None for nothing.

        Returns:
            The same lattice, carrying the metadata.
        """
        return replace(self, metadata=metadata)


@checked
def pixel_grid(shape: tuple[Count, ...]) -> Grid:
    """Make the lattice of an image of which nothing but its pixels is known.

    Args:
        shape: (d,) number of pixels along each axis.

    Returns:
        A grid in units "px", whose pixel i reaches from i to i + 1.
    """
    if not len(shape):
        raise ValueError("pixel_grid: shape is empty; give one number of pixels an axis.")
    upper = tuple(float(n) for n in shape)
    return Grid(Box((0.0,) * len(shape), upper, ("px",) * len(shape)), shape)
