"""Tools for operators whose rows are places: pixel centres, sparse rows, a lone channel dropped."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from inverse_inr import (
    Grid,
    OnGrid,
    Operator,
    RowOperator,
    SparseMatrix,
    adjoint,
    evaluating,
    interpolation_weights,
)
from inverse_inr.devices import constant, device_of, unravel
from inverse_inr.ranges import checked

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


class PlacedOperator(RowOperator, ABC):
    """An operator whose rows are places: the pixel centres of a grid, or given points.

    Args:
        where: A grid, or points (*shape, d) in the unit of the field's box.

    Raises:
        ValueError: There are no points, or they are not finite.
    """

    points: Tensor | None

    @checked
    def __init__(self, where: Grid | Tensor) -> None:
        if isinstance(where, Grid):
            super().__init__(where.shape)
            self.where = where
            self.points = None
            return
        name = type(self).__name__
        if where.ndim < 2 or not where.numel() or not bool(torch.isfinite(where).all()):
            raise ValueError(
                f"{name}: positions must be a Grid or finite points (*shape, d), "
                f"got {tuple(where.shape)}."
            )
        super().__init__(tuple(where.shape[:-1]))
        self.where = None
        self.points = nn.Buffer(where.detach().clone().double())

    @property
    def ndim(self) -> int:
        """The number of coordinates of a place."""
        if self.where is not None:
            return self.where.ndim
        assert self.points is not None
        return self.points.shape[-1]

    def positions(self, rows: Tensor | None = None) -> Tensor:
        """The places of some measurements.

        Args:
            rows: (b,) numbers of the measurements; all of them by default.

        Returns:
            (b, d) coordinates, float64.
        """
        if self.points is None:
            assert self.where is not None
            device = device_of(self)
            if rows is None:
                rows = torch.arange(len(self), device=device)
            return pixel_centers(self.where, rows.to(device))
        flat = self.points.reshape(-1, self.points.shape[-1])
        if rows is None:
            return flat
        return flat[rows.to(flat.device)]


class ArrayFunction(nn.Module):
    """A function of arrays together with what it uses, which moves with the operator.

    Args:
        function: A function of one tensor and of the parts. It must hold no tensor or module of its
            own: what a function has closed over stays behind when the map moves or is copied.
        parts: The modules and tensors that `function` is given.
    """

    def __init__(self, function: Callable[..., Tensor], *parts: nn.Module | Tensor) -> None:
        super().__init__()
        self.function = function
        self._names = [f"part{k}" for k in range(len(parts))]
        for name, part in zip(self._names, parts, strict=True):
            if isinstance(part, Tensor):
                part = nn.Buffer(part, persistent=False)
            setattr(self, name, part)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the function to `x`."""
        return self.function(x, *(getattr(self, name) for name in self._names))


Map = TypeVar("Map", bound=nn.Module)


def beside_operator(on: Callable[..., Map]) -> Callable[..., Map]:
    """Decorate an operator's method `on(grid)`: the map that it makes is put beside the operator.

    Matrices and kernels are made on the CPU, wherever the operator is.

    Args:
        on: The method.

    Returns:
        The method, whose map has its tensors on the operator's device.
    """

    @wraps(on)
    def placed(operator: nn.Module, *arguments: Any, **keywords: Any) -> Map:
        made = on(operator, *arguments, **keywords)
        device = device_of(operator)
        if device is None:
            return made
        return made.to(device)

    return placed


def sampled_rows(operator: Operator, grid: Grid, rows: Tensor) -> csr_matrix:
    """Some rows of a linear operator as a sparse matrix that acts on an image.

    The image is multilinear between the pixels of `grid` and zero outside. Each row of the operator
    must be one real number: a sum over its points of a weight times the field there.

    Args:
        operator: The linear operator.
        grid: The grid of the image.
        rows: (b,) numbers of the measurements.

    Returns:
        A sparse scipy matrix (b, pixels).
    """
    from scipy.sparse import csr_matrix

    with torch.no_grad(), evaluating(operator):
        points, _ = operator(rows)
        assert isinstance(points, Tensor)
        ones = torch.ones(len(rows), dtype=points.dtype, device=points.device)
        share = adjoint(operator, rows, ones)  # the weight of each point
    index, weight = interpolation_weights(grid, points)
    weight = (weight * share).flatten(1)
    ends = np.arange(0, weight.numel() + 1, weight.shape[1])
    packed = csr_matrix(
        (weight.cpu().numpy().ravel(), index.cpu().numpy().ravel(), ends), (len(rows), grid.numel)
    )
    packed.sum_duplicates()
    return packed


def matrix_on_grid(matrix: SparseMatrix, grid: Grid, shape: tuple[int, ...]) -> OnGrid:
    """Make the map of a sampled image from a sparse matrix, which moves with the map.

    Args:
        matrix: (rows, pixels).
        grid: The grid of the image.
        shape: The natural shape of the rows.

    Returns:
        An operator with these rows; several channels are mapped one by one.
    """

    def measure(image: Tensor, matrix: SparseMatrix) -> Tensor:
        columns = image.reshape(grid.numel, -1)  # one column per channel
        return matrix(columns).reshape(*shape, *image.shape[grid.ndim :])

    return OnGrid(ArrayFunction(measure, matrix), grid, shape)


def without_lone_channel(values: Tensor) -> Tensor:
    """Drop the last axis if its length is 1: (*s, 1) becomes (*s,); several channels stay."""
    return values.squeeze(-1)  # its gradient is a view too, where that of [..., 0] writes zeros


def pixel_centers(grid: Grid, pixels: Tensor) -> Tensor:
    """The centres of pixels that are given by number.

    Args:
        grid: The grid of the pixels.
        pixels: (*s,) indices into the flattened grid.

    Returns:
        (*s, d) coordinates, float64: `predict` casts them to the field's precision.
    """
    index = torch.stack(unravel(pixels, grid.shape), -1)
    lower = constant(grid.box.lower, torch.float64, pixels.device)
    spacing = constant(grid.spacing, torch.float64, pixels.device)
    return lower + spacing * (index + 0.5)
