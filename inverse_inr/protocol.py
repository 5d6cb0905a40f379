"""The narrow waist: an operator says where its measurements look and what they make of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from inverse_inr import memory
from inverse_inr.devices import device_of
from inverse_inr.domain import Grid
from inverse_inr.evaluation import Field, Memo, evaluate, sample
from inverse_inr.precision import real_type
from inverse_inr.row_indices import all_rows as all_rows
from inverse_inr.row_indices import beside, chosen_rows
from inverse_inr.row_indices import check_rows as check_rows

MANY = 2**14
"""Rows from which on one of them is asked first how much memory all of them will need."""


class Query(NamedTuple):
    """One question to a field. A plain tuple (points, measure) serves as well.

    Attributes:
        points: (*s, d) physical coordinates where these measurements look, or a Grid when that is
            a whole lattice.
        measure: Function from the values seen there, (*s, c), to (b, *m) predictions.
    """

    points: Tensor | Grid
    measure: Callable[[Tensor], Tensor]


@runtime_checkable
class Operator(Protocol):
    """A forward model with `len(operator)` independently computable rows."""

    def __len__(self) -> int:
        """Number of rows."""
        ...

    def __call__(self, rows: Tensor, /) -> Query | tuple[Tensor | Grid, Callable[[Tensor], Tensor]]:
        """Say where some rows look and what they make of what is seen there.

        Args:
            rows: (b,) int64 indices of the measurements, in any order.

        Returns:
            The query, whose `measure` gives (b, *m) predictions.
        """
        ...


@runtime_checkable
class Predicts(Protocol):
    """The one escape hatch: an operator that must look again where it found something."""

    def predict(self, field: Field, rows: Tensor) -> Tensor:
        """Compute the predictions of some rows, asking the field as often as needed.

        Args:
            field: The field.
            rows: (b,) int64 indices of the measurements, in any order.

        Returns:
            (b, *m) predictions.
        """
        ...


def predict(
    operator: Operator, field: Field, rows: Tensor | None = None, *, chunk: int | None = None
) -> Tensor:
    """Compute A(f) for some rows.

    Chunks are computed again in the backward pass, so peak memory does not grow with the number of
    points times the width of the network.

    Args:
        operator: The operator A.
        field: The field f.
        rows: (b,) indices of the measurements; all of them if None.
        chunk: Most points per call of the field; `evaluation.CHUNK` if None.

    Returns:
        (b, *m) predictions.

    Raises:
        TypeError: `operator` or `rows` is of another kind.
        IndexError: Rows lie outside the operator.
        ValueError: The selection is empty, or is no (b,) integer tensor.
        OutOfMemoryError: The points of so many rows do not fit the memory at hand.

    Example:
        An operator needs nothing of this library. This one measures means of two places:

        >>> class Pairs:
        ...     places = torch.tensor([[[0.0], [1.0]], [[1.0], [3.0]]])
        ...     def __len__(self):
        ...         return 2
        ...     def __call__(self, rows):
        ...         return self.places[rows], lambda values: values[..., 0].mean(1)
        >>> predict(Pairs(), lambda points: 10 * points)
        tensor([ 5., 20.])
        >>> predict(Pairs(), lambda points: 10 * points, torch.tensor([1]))
        tensor([20.])
    """
    return ask(operator, field, beside(operator, chosen_rows(operator, rows)), chunk)


def ask(operator: Operator, field: Field, rows: Tensor, chunk: int | None = None) -> Tensor:
    """Compute A(f) for rows that are known to be the operator's: `predict` without its checks.

    A check of indices reads them, for which the host would wait in each step.

    Args:
        operator: The operator A.
        field: The field f.
        rows: (b,) indices of the measurements, on the operator's device.
        chunk: Most points per call of the field; `evaluation.CHUNK` if None.

    Returns:
        (b, *m) predictions.

    Raises:
        TypeError: `operator` is none.
        OutOfMemoryError: The points of so many rows do not fit the memory at hand.
    """
    # asked by name: isinstance of the protocol `Predicts` costs 10 µs per step
    looks_again = getattr(operator, "predict", None)
    if looks_again is not None:
        return looks_again(field, rows)
    if not callable(operator):
        raise TypeError(
            f"predict: {type(operator).__name__} is no operator: "
            "it needs __len__ and __call__(rows) -> (points, measure)."
        )
    if getattr(field, "sums_lines", False):
        sums = _by_line_sums(operator, field, rows)
        if sums is not None:
            return sums
    _require_memory(operator, rows)
    answer = operator(rows)
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise TypeError(
            f"predict: operator {type(operator).__name__} answers rows with a "
            f"{type(answer).__name__}; it must be (points, measure)."
        )
    points, measure = answer
    if isinstance(points, Grid):
        return measure(sample(field, points, chunk=chunk))
    points = placed(points, field)
    values = evaluate(field, points, chunk)
    if isinstance(field, Memo):
        field.looks.append((points, values))
    return measure(values)


def _by_line_sums(operator: Any, field: Any, rows: Tensor) -> Tensor | None:
    """The predictions from sums along lines; None where the operator asks for more than those."""
    ask_lines = getattr(operator, "along_lines", None)
    if ask_lines is None:
        return None
    lines = ask_lines(rows)
    if lines is None:
        return None
    first = placed(lines.first, field)
    step = placed(lines.step, field)
    return lines.measure(field.line_sums(first, step, lines.samples))


def _require_memory(operator: Operator, rows: Tensor) -> None:
    """Ask one row first where there are many: their points must fit the memory at hand."""
    if len(rows) < MANY:
        return
    with torch.no_grad(), evaluating(operator):
        points, *_ = operator(rows[:1])
    if isinstance(points, Grid):
        return
    # the points, what the operator makes them of, and the values there
    each = 4 * points.numel() * points.element_size()
    memory.require(
        f"{type(operator).__name__}: the points of {len(rows)} rows",
        each * len(rows),
        lambda there: f"Ask for {there // each} rows at once.",
        points.device,
    )


def placed(points: Tensor, field: Field) -> Tensor:
    """Move points to the precision and device of a field that has parameters.

    Args:
        points: (*s, d) physical coordinates.
        field: The field. One without parameters follows the points, unless it names its `device`.

    Returns:
        (*s, d) coordinates.
    """
    if isinstance(field, Memo):
        field = field.field
    if not isinstance(field, torch.nn.Module):
        device = device_of(field)
        if device is None or device == points.device:
            return points
        return points.to(device)
    own = next(field.parameters(), None)
    if own is None:
        return points
    return points.to(own.device, real_type(own.dtype))


@contextmanager
def evaluating(*modules: object) -> Iterator[None]:
    """Put modules in eval mode, where every query is deterministic, and back afterwards.

    Args:
        *modules: Modules and other objects; the others are left alone.

    Yields:
        Nothing; the modules are in eval mode inside the `with` statement.
    """
    inner = [
        m for module in modules if isinstance(module, torch.nn.Module) for m in module.modules()
    ]
    modes = [m.training for m in inner]
    try:
        for m in inner:
            m.training = False
        yield
    finally:
        for m, mode in zip(inner, modes, strict=True):
            m.training = mode


def adjoint(
    operator: Operator,
    rows: Tensor | None,
    residual: Tensor,
    *,
    channels: int = 1,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """Apply the conjugate transpose of an operator's `measure`.

    Args:
        operator: A linear operator.
        rows: (b,) indices of the measurements; all of them if None.
        residual: (b, *m) values to map back.
        channels: Number of channels c of the field.
        dtype: Dtype of the field's values; that of `residual`, complex included, if None.

    Returns:
        (*s, c) values at the query's points.
    """
    points, measure = operator(beside(operator, chosen_rows(operator, rows)))
    shape = points.shape
    if not isinstance(points, Grid):
        shape = points.shape[:-1]
    zeros = torch.zeros(*shape, channels, dtype=dtype or residual.dtype, device=residual.device)
    pullback = torch.func.vjp(measure, zeros)[1]
    return pullback(residual)[0]
