"""Products of operators: `Detector @ A @ Warp` is A seen through a detector and a warp."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from inverse_inr.compose.arrays import flatten, unflatten
from inverse_inr.domain import Grid
from inverse_inr.evaluation import Field
from inverse_inr.hooks import AsksLines, Lines, Shaped
from inverse_inr.kernels.linear import ArrayMap
from inverse_inr.protocol import Operator, Predicts, Query, predict


class _Composable(nn.Module):
    """`Detector @ A @ Warp` without a base class for A: Python asks the wrapper's side for it."""

    def __matmul__(self, other: object) -> Composed:
        return _compose(self, other)

    def __rmatmul__(self, other: object) -> Composed:
        return _compose(other, self)


class Detector(_Composable):
    """A pointwise map of the measurements, e.g. `Detector(torch.log1p)`.

    Args:
        response: Function from ideal measurements to recorded ones, (b, *m) -> (b, *m).
    """

    def __init__(self, response: ArrayMap) -> None:
        super().__init__()
        self.response = response


class Warp(_Composable):
    """A map of coordinates, applied before the field is asked.

    Args:
        map: Function of physical points, (*s, d) -> (*s, d).
    """

    def __init__(self, map: ArrayMap) -> None:
        super().__init__()
        self.map = map


class Composed(_Composable):
    """An operator seen through detectors and warps, as `Detector @ A @ Warp` makes it.

    Args:
        operator: The operator A in the middle.
        response: Detectors, the outermost first.
        warps: Warps, the one next to A first.
    """

    def __init__(self, operator: Operator, response: list[Detector], warps: list[Warp]) -> None:
        super().__init__()
        self.operator = operator
        if isinstance(operator, Predicts):
            self.predict = self.look_again
        self.response = nn.ModuleList(response)
        self.warps = nn.ModuleList(warps)

    @property
    def shape(self) -> tuple[int, ...]:
        """Natural shape of the inner operator, or (rows,) where it has none."""
        if isinstance(self.operator, Shaped):
            return tuple(self.operator.shape)
        return (len(self.operator),)

    def __len__(self) -> int:
        return len(self.operator)

    def forward(self, rows: Tensor) -> Query:
        """Ask the inner operator, look at the warped points, and apply the detectors.

        Args:
            rows: (b,) indices of the measurements.

        Returns:
            The query, whose `measure` gives (b, *m) predictions.
        """
        points, measure = self.operator(rows)
        if isinstance(points, Grid) and len(self.warps):
            points = points.points(device=rows.device)
        # A @ W1 @ W2 asks the field at W2(W1(x)): the warp next to A acts first
        for warp in self.warps:
            points = warp.map(points)  # type: ignore[operator]
        return Query(points, lambda values: self._respond(measure(values)))

    def along_lines(self, rows: Tensor) -> Lines | None:
        """Say along which lines the inner operator sums the field, where no warp bends them.

        Args:
            rows: (b,) indices of the measurements.

        Returns:
            The lines; None where there are warps, or the inner operator asks for points.
        """
        if len(self.warps) or not isinstance(self.operator, AsksLines):
            return None
        lines = self.operator.along_lines(rows)
        if lines is None:
            return None
        return lines._replace(measure=lambda sums: self._respond(lines.measure(sums)))

    def flatten(self, y: Tensor) -> Tensor:
        """Lay measurements of the natural shape flat: (*shape, *m) -> (rows, *m)."""
        return flatten(self, y)

    def unflatten(self, y: Tensor) -> Tensor:
        """Give flat measurements their natural shape: (rows, *m) -> (*shape, *m)."""
        return unflatten(self, y)

    def look_again(self, field: Field, rows: Tensor) -> Tensor:
        """Predict through an inner operator that has its own `predict`.

        Args:
            field: The field; the inner operator sees it through the warps.
            rows: (b,) indices of the measurements.

        Returns:
            (b, *m) predictions, after the detectors.
        """

        def warped(points: Tensor) -> Tensor:
            for warp in self.warps:
                points = warp.map(points)  # type: ignore[operator]
            return field(points)

        return self._respond(predict(self.operator, warped, rows))

    def _respond(self, y: Tensor) -> Tensor:
        for detector in reversed(list(self.response)):
            y = detector.response(y)  # type: ignore[operator]
        return y


def _parts(factor: object) -> tuple[list[Detector], list[Operator], list[Warp]]:
    """The detectors, operators and warps of one factor of a product."""
    if isinstance(factor, Composed):
        detectors: list[Any] = list(factor.response)
        warps: list[Any] = list(factor.warps)
        return detectors, [factor.operator], warps
    if isinstance(factor, Detector):
        return [factor], [], []
    if isinstance(factor, Warp):
        return [], [], [factor]
    if isinstance(factor, Operator):
        return [], [factor], []
    raise TypeError(f"@ composes operators, Detector and Warp, not {type(factor).__name__}.")


def _compose(left: object, right: object) -> Composed:
    detectors, operators, warps = _parts(left)
    more_detectors, more_operators, more_warps = _parts(right)
    one_operator = len(operators) + len(more_operators) == 1
    if not one_operator or (operators and more_detectors) or (more_operators and warps):
        raise TypeError(
            "Write Detector @ operator @ Warp, with one operator; start from the operator's side."
        )
    operator = (operators + more_operators)[0]
    return Composed(operator, detectors + more_detectors, warps + more_warps)
