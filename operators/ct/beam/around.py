"""Operators around a scan: what a beam or a detector makes of another operator's measurements."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import Annotated, Any, Self

import torch
from torch import Tensor, nn

from inverse_inr import Grid, Operator, Query, flatten, unflatten
from inverse_inr.devices import unravel
from inverse_inr.operators.rows import beside_operator
from inverse_inr.ranges import Range

Pitch = Annotated[float, Range(least=1e-12, most=1e12)]
"""The width of a detector pixel, in any unit that people use."""


class AroundScan(nn.Module):
    """An operator around another of natural shape (views, *detector).

    Args:
        operator: The operator inside.
        shape: Natural shape of the measurements, (views, *detector).

    Raises:
        ValueError: The shape has no detector behind its views.
    """

    shape: tuple[int, ...]

    def __init__(self, operator: Operator, shape: tuple[int, ...]) -> None:
        super().__init__()
        if len(shape) < 2:
            raise ValueError(
                f"{type(self).__name__}: {type(operator).__name__} has shape {shape}; the operator "
                "needs (views, *detector)."
            )
        self.operator = operator
        self.shape = shape

    def __len__(self) -> int:
        return torch.Size(self.shape).numel()

    @property
    def groups(self) -> Tensor:
        """(rows,) the number of the view that each row belongs to."""
        return torch.arange(self.shape[0]).repeat_interleave(len(self) // self.shape[0])

    @beside_operator
    def on(self, grid: Grid) -> Self:
        """The same around the inner operator's map of the sampled image, if it has one.

        Args:
            grid: The grid of the image.

        Returns:
            An operator that shares what is learnt; this one if the inner operator has no such map.
        """
        make: Any = getattr(self.operator, "on", None)
        if make is None:
            return self
        return self.around(make(grid))

    def around(self, operator: Operator) -> Self:
        """The same around another operator of the same rows.

        Args:
            operator: The other operator.

        Returns:
            An operator that shares this one's parameters and buffers.
        """
        same = copy.copy(self)
        for kind in ("_parameters", "_buffers", "_modules"):
            same.__dict__[kind] = dict(self.__dict__[kind])
        same.operator = operator  # pyright: ignore[reportAttributeAccessIssue]
        return same

    def flatten(self, y: Tensor) -> Tensor:
        """Bring measurements from their natural shape (views, *detector) to (rows,)."""
        return flatten(self, y)

    def unflatten(self, y: Tensor) -> Tensor:
        """Bring measurements from (rows,) to their natural shape (views, *detector)."""
        return unflatten(self, y)


class WholeViews(AroundScan, ABC):
    """An operator whose rows each depend on a whole view, and on some views before it.

    Args:
        operator: The operator inside, of shape (views, *detector).
        shape: Natural shape of the measurements, (views, *anything).
        memory: The number of views before its own on which a row depends. Before the first view
            the detector saw the first view all the time.
    """

    def __init__(self, operator: Operator, shape: tuple[int, ...], memory: int = 0) -> None:
        super().__init__(operator, shape)
        self.inner_shape = tuple(operator.shape)  # pyright: ignore[reportAttributeAccessIssue]
        self.memory = memory

    @property
    def batch(self) -> int:
        """Rows that suit a step: all, for a few of each view cost as much (`HasBatch`)."""
        return len(self)

    def forward(self, rows: Tensor) -> Query:
        """Look along all rays of the views of `rows` (b,), and of the views before them."""
        view, *place = unravel(rows, self.shape)
        wanted, which = view.unique(return_inverse=True)
        back = torch.arange(self.memory + 1, device=rows.device)
        earlier = (wanted[:, None] - back).clamp(min=0)
        needed, index = earlier.unique(return_inverse=True)
        bins = torch.Size(self.inner_shape[1:]).numel()
        inside = (needed[:, None] * bins + torch.arange(bins, device=rows.device)).flatten()
        points, measure = self.operator(inside)

        def seen(values: Tensor) -> Tensor:
            y = measure(values)
            views = y.reshape(len(needed), *self.inner_shape[1:], *y.shape[1:])
            return self.detect(views[index], wanted)[(which, *place)]

        return Query(points, seen)

    @abstractmethod
    def detect(self, views: Tensor, numbers: Tensor) -> Tensor:
        """Turn whole views into measurements.

        Args:
            views: (n, memory + 1, *detector, *m) measurements of the inner operator; the first
                along the second axis is the view itself, the others are those before it.
            numbers: (n,) the numbers of the views.

        Returns:
            (n, *shape[1:]).
        """


def natural_shape(operator: Operator) -> tuple[int, ...]:
    """The natural shape of an operator, or (rows,) where it has none.

    Args:
        operator: The operator.
    """
    return tuple(getattr(operator, "shape", (len(operator),)))
