"""Linear operators as matrix-free maps on sampled images, with their adjoints."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from inverse_inr.compose.arrays import OnGrid
from inverse_inr.devices import CPU, device_of
from inverse_inr.domain import Grid
from inverse_inr.hooks import Grouped, HasGridMap
from inverse_inr.kernels.linear import ArrayMap, largest_singular_value
from inverse_inr.protocol import Operator, all_rows, evaluating
from inverse_inr.ranges import Count, checked
from inverse_inr.row_indices import beside
from inverse_inr.sampled import interpolation_matrix


def on_grid(operator: Operator, grid: Grid, device: torch.device) -> Operator:
    """Take an operator's own map of sampled images, where it has one.

    Args:
        operator: The operator.
        grid: The lattice of the images.
        device: Device of the images, where the map is put if the operator holds no tensors.

    Returns:
        The map (`hooks.HasGridMap`), which knows the operator's groups of rows, or the operator
        itself.
    """
    if not isinstance(operator, HasGridMap):
        return operator
    seen: Any = operator.on(grid)
    if isinstance(operator, Grouped) and isinstance(seen, OnGrid) and not isinstance(seen, Grouped):
        # the map has the same rows, and rows that were acquired together stay together
        seen.groups = operator.groups
    lives_nowhere = seen is not operator and device_of(operator) is None
    if lives_nowhere and hasattr(seen, "to"):
        return seen.to(device)
    return seen


class LinearMap:
    """A linear operator A on images sampled on a grid: `map(image)` and `map.adjoint(y)`.

    For an affine operator A x + offset, whose detector adds to what the image gives, this is the
    linear part A.

    Args:
        measure: Function from an image, (*grid.shape, c), to measurements, (rows, *m).
        grid: The lattice of the images.
        channels: Number of channels c.
        dtype: Precision of the images, real or complex.
        device: Device of the images, where `measure` is; the CPU if None.

    Attributes:
        offset: (rows, *m) measurements of an empty image.
    """

    def __init__(
        self,
        measure: ArrayMap,
        grid: Grid,
        channels: int,
        dtype: torch.dtype,
        device: torch.device | None = None,
    ) -> None:
        self.grid = grid
        size = 2 * grid.numel * channels * dtype.itemsize
        grid.require_memory("an image and its gradient", size, device)
        shape = (*grid.shape, channels)
        # one recorded application: its backward is the adjoint, as often as wanted
        self._image = torch.zeros(shape, dtype=dtype, device=device, requires_grad=True)
        with torch.enable_grad():
            self._y = measure(self._image)
        self._measure = measure
        self.offset = self._y.detach()
        self._affine = bool((self.offset != 0).any())

    def zeros(self) -> Tensor:
        """An empty image, (*grid.shape, c)."""
        return torch.zeros_like(self._image)

    def __call__(self, image: Tensor) -> Tensor:
        with torch.no_grad():
            y = self._measure(image)
            if self._affine:
                return y - self.offset
            return y

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply the conjugate transpose of A.

        Args:
            y: (rows, *m) measurements.

        Returns:
            (*grid.shape, c) image.
        """
        return torch.autograd.grad(self._y, self._image, y.to(self._y.dtype), retain_graph=True)[0]

    def then(self, after: ArrayMap) -> LinearMap:
        """Follow this map by a linear map of the measurements.

        Args:
            after: Function (rows, *m) -> (rows, *k), linear.

        Returns:
            The product, whose offset went through `after` as well.
        """
        first = self._measure
        channels = self._image.shape[-1]
        dtype = self._image.dtype
        device = self._image.device
        return LinearMap(lambda x: after(first(x)), self.grid, channels, dtype, device)

    def norm(self, iterations: int = 30, seed: int = 0) -> float:
        """Compute the largest singular value of A by power iteration.

        Args:
            iterations: Number of iterations.
            seed: Seed of the random first image.

        Returns:
            ‖A‖, in the unit of the measurements per unit of the image.
        """
        start = torch.randn(
            self._image.shape,
            dtype=self._image.dtype,
            generator=torch.Generator().manual_seed(seed),
        ).to(self._image.device)
        return largest_singular_value(lambda x: self.adjoint(self(x)), start, iterations)


@checked
def as_linear_map(
    operator: Operator,
    grid: Grid,
    *,
    rows: Tensor | None = None,
    channels: Count = 1,
    dtype: torch.dtype = torch.float32,
    device: torch.device | None = None,
) -> LinearMap:
    """Make a matrix-free map on images of a linear operator: for CG, power iteration, TV.

    An operator with its own `.on(grid)` uses it. A pointwise one sees the image by multilinear
    interpolation, a sparse matrix built once from the operator's deterministic query.

    Args:
        operator: A linear or affine operator.
        grid: The lattice of the images.
        rows: (b,) indices of the measurements; all of them if None.
        channels: Number of channels of the images.
        dtype: Precision of the images, real or complex.
        device: Device of the images where the operator holds no tensors that tell; the CPU if None.

    Returns:
        The map from (*grid.shape, channels) to (b, *m).

    Raises:
        ValueError: The operator looks at the whole of another grid.
    """
    device = device_of(operator) or device or CPU
    operator = on_grid(operator, grid, device)
    if rows is None:
        rows = all_rows(operator)
    rows = beside(operator, rows, device)
    with evaluating(operator):
        points, measure = operator(rows)
    if isinstance(points, Grid):
        if points != grid:
            raise ValueError(
                f"as_linear_map: the operator lives on a grid of shape {points.shape}, "
                f"not {grid.shape}."
            )
        return LinearMap(measure, grid, channels, dtype, device)
    with torch.no_grad():
        look = interpolation_matrix(grid, points.detach(), dtype.to_real()).to(device)
    lead = points.shape[:-1]

    def measured(image: Tensor) -> Tensor:
        return measure(look(image.reshape(grid.numel, -1)).unflatten(0, lead))

    return LinearMap(measured, grid, channels, dtype, device)
