"""Building operators from parts: maps on arrays, fast adjoints, and `Detector @ A @ Warp`."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from inverse_inr.domain import Grid
from inverse_inr.evaluation import Field
from inverse_inr.hooks import HasGridMap, Shaped
from inverse_inr.kernels.linear import ArrayMap, largest_singular_value
from inverse_inr.kernels.linear import with_adjoint as with_adjoint
from inverse_inr.protocol import Operator, Predicts, Query, all_rows, evaluating, predict
from inverse_inr.sampled import interpolation_matrix


class OnGrid(nn.Module):
    """Measurements of a whole sampled array: FFT blur, a sparse CT matrix, ASTRA, any deepinv physics.

    `map` takes the array of values, (*grid.shape) for one channel and (*grid.shape, c) for more, and returns
    measurements of `shape`; the leading axes of `shape` are rows, the last `trailing` ones belong to each row.
    A step costs the whole grid however few rows are asked for.
    """

    def __init__(
        self, map: ArrayMap, grid: Grid, shape: tuple[int, ...], *, trailing: int = 0
    ) -> None:
        super().__init__()
        self.map, self.grid, self.trailing = map, grid, trailing
        self.shape = tuple(shape)[: len(shape) - trailing]

    def __len__(self) -> int:
        return math.prod(self.shape)

    def forward(self, rows: Tensor) -> Query:
        return Query(self.grid, lambda values: self._measure(values)[rows])

    def _measure(self, values: Tensor) -> Tensor:
        out = self.map(
            values.squeeze(-1)
        )  # a lone channel, by a view both ways, which [..., 0] is not
        if tuple(out.shape[: len(self.shape)]) != self.shape:
            raise ValueError(
                f"OnGrid(shape={self.shape}): the map returned measurements of shape {tuple(out.shape)}."
            )
        return self.flatten(out)

    def flatten(self, y: Tensor) -> Tensor:
        return flatten(self, y)

    def unflatten(self, y: Tensor) -> Tensor:
        return unflatten(self, y)


def flatten(operator: Shaped, y: Tensor) -> Tensor:
    """(*shape, *m) -> (rows, *m)."""
    shape = tuple(operator.shape)
    if tuple(y.shape[: len(shape)]) != shape:
        raise ValueError(
            f"{type(operator).__name__} has natural shape {shape}; y has shape {tuple(y.shape)}."
        )
    return y.reshape(math.prod(shape), *y.shape[len(shape) :])


def unflatten(operator: Shaped, y: Tensor) -> Tensor:
    """(rows, *m) -> (*shape, *m)."""
    return y.reshape(*operator.shape, *y.shape[1:])


class RowOperator(nn.Module, ABC):
    """An operator whose row r is the r-th entry of the flattened `shape`. Deterministic until a solver trains it."""

    shape: tuple[int, ...]

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.eval()

    def __len__(self) -> int:
        return math.prod(self.shape)

    @abstractmethod
    def forward(self, rows: Tensor) -> Query: ...

    def flatten(self, y: Tensor) -> Tensor:
        return flatten(self, y)

    def unflatten(self, y: Tensor) -> Tensor:
        return unflatten(self, y)


class _Composable(nn.Module):
    """`Detector @ A @ Warp` without a base class for A: Python asks the wrapper's side for the product."""

    def __matmul__(self, other: object) -> Composed:
        return _compose(self, other)

    def __rmatmul__(self, other: object) -> Composed:
        return _compose(other, self)


class Detector(_Composable):
    """A pointwise map of the measurements, e.g. `Detector(torch.log1p)`; acts on data."""

    def __init__(self, response: ArrayMap) -> None:
        super().__init__()
        self.response = response


class Warp(_Composable):
    """A map of coordinates, (*s, d) -> (*s, d), applied before the field is asked."""

    def __init__(self, map: ArrayMap) -> None:
        super().__init__()
        self.map = map


class Composed(_Composable):
    """An operator seen through a detector and a warp."""

    def __init__(self, operator: Operator, response: list[Detector], warps: list[Warp]) -> None:
        super().__init__()
        self.operator = operator
        if isinstance(operator, Predicts):
            self.predict = self.look_again
        self.response, self.warps = nn.ModuleList(response), nn.ModuleList(warps)

    @property
    def shape(self) -> tuple[int, ...]:
        return (
            tuple(self.operator.shape)
            if isinstance(self.operator, Shaped)
            else (len(self.operator),)
        )

    def __len__(self) -> int:
        return len(self.operator)

    def forward(self, rows: Tensor) -> Query:
        points, measure = self.operator(rows)
        if isinstance(points, Grid) and len(self.warps):
            points = points.points()
        for (
            warp
        ) in self.warps:  # A @ W1 @ W2 asks the field at W2(W1(x)): the warp next to A acts first
            points = warp.map(points)  # type: ignore[operator]
        return Query(points, lambda values: self._respond(measure(values)))

    def flatten(self, y: Tensor) -> Tensor:
        return flatten(self, y)

    def unflatten(self, y: Tensor) -> Tensor:
        return unflatten(self, y)

    def look_again(self, field: Field, rows: Tensor) -> Tensor:
        """The prediction of an inner operator that predicts for itself, of the warped field, through the detector."""

        def warped(points: Tensor) -> Tensor:
            for warp in self.warps:
                points = warp.map(points)  # type: ignore[operator]
            return field(points)

        return self._respond(predict(self.operator, warped, rows))

    def _respond(self, y: Tensor) -> Tensor:
        for detector in reversed(list(self.response)):
            y = detector.response(y)  # type: ignore[operator]
        return y


def _compose(left: object, right: object) -> Composed:
    def parts(x: object) -> tuple[list[Detector], list[Operator], list[Warp]]:
        if isinstance(x, Composed):
            return list(x.response), [x.operator], list(x.warps)  # type: ignore[return-value]
        if isinstance(x, Detector):
            return [x], [], []
        if isinstance(x, Warp):
            return [], [], [x]
        if isinstance(x, Operator):
            return [], [x], []
        raise TypeError(f"@ composes operators, Detector and Warp, not {type(x).__name__}.")

    (d1, a1, w1), (d2, a2, w2) = parts(left), parts(right)
    if len(a1) + len(a2) != 1 or (a1 and d2) or (a2 and w1):
        raise TypeError(
            "Write Detector @ operator @ Warp, with one operator; start from the operator's side."
        )
    return Composed((a1 + a2)[0], d1 + d2, w1 + w2)


class LinearMap:
    """A linear operator on images sampled on `grid`: `map(image)`, `map.adjoint(y)`; images are (*shape, c).

    Of an affine one, whose detector adds an `offset` to what the image gives, the linear part. `norm()` is its largest
    singular value.
    """

    def __init__(self, measure: ArrayMap, grid: Grid, channels: int, dtype: torch.dtype) -> None:
        self.grid = grid
        # one recorded application: its backward is the adjoint, as often as wanted
        self._image = torch.zeros(*grid.shape, channels, dtype=dtype, requires_grad=True)
        with torch.enable_grad():
            self._y = measure(self._image)
        self._measure, self.offset = measure, self._y.detach()
        self._affine = bool((self.offset != 0).any())

    def zeros(self) -> Tensor:
        return torch.zeros_like(self._image)

    def __call__(self, image: Tensor) -> Tensor:
        with torch.no_grad():
            return self._measure(image) - self.offset if self._affine else self._measure(image)

    def adjoint(self, y: Tensor) -> Tensor:
        return torch.autograd.grad(self._y, self._image, y.to(self._y.dtype), retain_graph=True)[0]

    def norm(self, iterations: int = 30, seed: int = 0) -> float:
        """‖A‖ by power iteration, from a seeded start."""
        start = torch.randn(
            self._image.shape,
            dtype=self._image.dtype,
            generator=torch.Generator().manual_seed(seed),
        )
        return largest_singular_value(lambda x: self.adjoint(self(x)), start, iterations)


def as_linear_map(
    operator: Operator,
    grid: Grid,
    *,
    rows: Tensor | None = None,
    channels: int = 1,
    dtype: torch.dtype = torch.float32,
) -> LinearMap:
    """A linear operator as a matrix-free map on images: for CG, power iteration, TV baselines.

    An operator with its own `.on(grid)` uses it; a pointwise one sees the image by multilinear interpolation (a sparse
    matrix, built once, from the operator's deterministic query).
    """
    if isinstance(operator, HasGridMap):
        operator = operator.on(grid)
    with evaluating(operator):
        points, measure = operator(all_rows(operator) if rows is None else rows)
    if not isinstance(points, Grid):
        with torch.no_grad():
            look = interpolation_matrix(grid, points.detach(), dtype.to_real())
        lead = points.shape[:-1]
        return LinearMap(
            lambda x: measure(look(x.reshape(grid.numel, -1)).unflatten(0, lead)),
            grid,
            channels,
            dtype,
        )
    if points != grid:
        raise ValueError(
            f"as_linear_map: the operator lives on a grid of shape {points.shape}, not {grid.shape}."
        )
    return LinearMap(measure, grid, channels, dtype)
