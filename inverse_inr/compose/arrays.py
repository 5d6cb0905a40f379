"""Operators whose rows have a natural shape: `OnGrid` makes one of a map on arrays."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

from torch import Tensor, nn

from inverse_inr.domain import Grid
from inverse_inr.hooks import Shaped
from inverse_inr.kernels.linear import ArrayMap
from inverse_inr.protocol import Query
from inverse_inr.ranges import Count, WholeNumber, checked


class OnGrid(nn.Module):
    """Measurements of a whole sampled array: FFT blur, a sparse CT matrix, ASTRA, deepinv physics.

    A step costs the whole grid however few rows are asked for.

    Args:
        map: Function from an array of values, (*grid.shape) for one channel and (*grid.shape, c)
            for more, to measurements of `shape`.
        grid: The lattice on which the field is sampled.
        shape: Shape of the map's result: the axes of the rows, then those within a row.
        trailing: Number of last axes of `shape` that belong to each row.
    """

    @checked
    def __init__(
        self, map: ArrayMap, grid: Grid, shape: tuple[Count, ...], *, trailing: WholeNumber = 0
    ) -> None:
        super().__init__()
        self.map = map
        self.grid = grid
        self.trailing = trailing
        self.shape = tuple(shape)[: len(shape) - trailing]

    def __len__(self) -> int:
        return math.prod(self.shape)

    def forward(self, rows: Tensor) -> Query:
        """Answer with the whole grid, and with the map of what is seen there.

        Args:
            rows: (b,) indices of the measurements.

        Returns:
            The query, whose `measure` gives (b, *m) predictions.
        """
        return Query(self.grid, lambda values: self._measure(values)[rows])

    def _measure(self, values: Tensor) -> Tensor:
        # squeeze drops a lone channel by a view both ways, which [..., 0] is not
        out = self.map(values.squeeze(-1))
        if tuple(out.shape[: len(self.shape)]) != self.shape:
            raise ValueError(
                f"OnGrid(shape={self.shape}): "
                f"the map returned measurements of shape {tuple(out.shape)}."
            )
        return self.flatten(out)

    def flatten(self, y: Tensor) -> Tensor:
        """Lay measurements of the natural shape flat: (*shape, *m) -> (rows, *m)."""
        return flatten(self, y)

    def unflatten(self, y: Tensor) -> Tensor:
        """Give flat measurements their natural shape: (rows, *m) -> (*shape, *m)."""
        return unflatten(self, y)


def flatten(operator: Shaped, y: Tensor) -> Tensor:
    """Lay measurements flat along an operator's rows.

    Args:
        operator: An operator with a natural shape.
        y: (*shape, *m) measurements.

    Returns:
        (rows, *m) measurements.

    Raises:
        ValueError: `y` does not begin with the operator's natural shape.
    """
    shape = tuple(operator.shape)
    if tuple(y.shape[: len(shape)]) != shape:
        raise ValueError(
            f"{type(operator).__name__} has natural shape {shape}; y has shape {tuple(y.shape)}."
        )
    return y.reshape(math.prod(shape), *y.shape[len(shape) :])


def unflatten(operator: Shaped, y: Tensor) -> Tensor:
    """Give flat measurements an operator's natural shape: the inverse of `flatten`.

    Args:
        operator: An operator with a natural shape.
        y: (rows, *m) measurements.

    Returns:
        (*shape, *m) measurements.
    """
    return y.reshape(*operator.shape, *y.shape[1:])


class RowOperator(nn.Module, ABC):
    """An operator whose row r is the r-th entry of its flattened natural shape.

    It is deterministic (in eval mode) until a solver trains it.

    Args:
        shape: Natural shape of the rows, e.g. (views, detectors).
    """

    shape: tuple[int, ...]

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.eval()

    def __len__(self) -> int:
        return math.prod(self.shape)

    @abstractmethod
    def forward(self, rows: Tensor) -> Query:
        """Say where some rows look and what they make of what is seen there.

        Args:
            rows: (b,) indices of the measurements, in any order.

        Returns:
            The query, whose `measure` gives (b, *m) predictions.
        """

    def flatten(self, y: Tensor) -> Tensor:
        """Lay measurements of the natural shape flat: (*shape, *m) -> (rows, *m)."""
        return flatten(self, y)

    def unflatten(self, y: Tensor) -> Tensor:
        """Give flat measurements their natural shape: (rows, *m) -> (*shape, *m)."""
        return unflatten(self, y)
