"""The narrow waist: an operator says where its measurements look and what they make of what is seen there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from inverse_inr.domain import Grid
from inverse_inr.evaluation import Field, Memo, evaluate, sample


class Query(NamedTuple):
    """One question to a field. A plain tuple (points, measure) serves as well."""

    points: Tensor | Grid
    """(*s, d) where these measurements look, or a Grid when it is a whole lattice."""
    measure: Callable[[Tensor], Tensor]
    """(*s, c) values seen -> (b, *m) predicted measurements."""


@runtime_checkable
class Operator(Protocol):
    """A forward model with `len(operator)` independently computable rows."""

    def __len__(self) -> int: ...

    def __call__(self, rows: Tensor, /) -> Query | tuple[Tensor | Grid, Callable[[Tensor], Tensor]]:
        """rows: (b,) int64 indices, any order."""
        ...


@runtime_checkable
class Predicts(Protocol):
    """The one escape hatch: an operator that must look again where it found something."""

    def predict(self, field: Field, rows: Tensor) -> Tensor: ...


def all_rows(operator: Operator) -> Tensor:
    return torch.arange(len(operator))


def predict(
    operator: Operator, field: Field, rows: Tensor | None = None, *, chunk: int | None = None
) -> Tensor:
    """A(f) for `rows` (all of them by default): (b, *m).

    The field is called with at most `chunk` points at a time; chunks are recomputed in the backward pass, so peak
    memory does not grow with the number of points times the width of the network.
    Raises IndexError for rows outside the operator, ValueError for an empty selection.
    """
    rows = all_rows(operator) if rows is None else check_rows(operator, rows)
    looks_again = getattr(
        operator, "predict", None
    )  # a `Predicts`; isinstance of a protocol costs 10 µs a step
    if looks_again is not None:
        return looks_again(field, rows)
    points, measure = operator(rows)
    if isinstance(points, Grid):
        return measure(sample(field, points, chunk=chunk))
    points = placed(points, field)
    values = evaluate(field, points, chunk)
    if isinstance(field, Memo):
        field.looks.append((points, values))
    return measure(values)


def placed(points: Tensor, field: Field) -> Tensor:
    """Points in the precision and on the device of a field that has parameters; others follow the points."""
    field = field.field if isinstance(field, Memo) else field
    own = next(field.parameters(), None) if isinstance(field, torch.nn.Module) else None
    return points if own is None else points.to(own.device, own.dtype.to_real())


def check_rows(operator: Operator, rows: Tensor | Sequence[int]) -> Tensor:
    """`rows` as a (b,) int64 tensor inside the operator's range."""
    rows = torch.as_tensor(rows)
    if rows.dtype == torch.bool:
        raise ValueError("rows is a boolean mask; pass indices: mask.flatten().nonzero()[:, 0].")
    if rows.ndim != 1 or rows.is_floating_point() or rows.is_complex():
        raise ValueError(
            f"rows must be a (b,) integer tensor, got {rows.dtype} of shape {tuple(rows.shape)}."
        )
    if rows.numel() == 0:
        raise ValueError("rows is empty: there is nothing to predict.")
    if not hasattr(operator, "__len__"):
        return rows.long()  # a plain closure: it knows its own rows
    low, high = (int(v) for v in rows.aminmax())
    if low < 0 or high >= len(operator):
        raise IndexError(
            f"rows run from {low} to {high}, but {type(operator).__name__} has {len(operator)} rows (0 to "
            f"{len(operator) - 1})."
        )
    return rows.long()


@contextmanager
def evaluating(*modules: object) -> Iterator[None]:
    """Modules among the arguments are in eval mode inside, where every query is deterministic, and put back after."""
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
    """The conjugate transpose of `measure` for `rows`: (b, *m) residual -> (*s, c) values at the query's points.

    `dtype` is that of the field's values (default: that of the residual, complex included).
    """
    points, measure = operator(all_rows(operator) if rows is None else check_rows(operator, rows))
    shape = points.shape if isinstance(points, Grid) else points.shape[:-1]
    zeros = torch.zeros(*shape, channels, dtype=dtype or residual.dtype, device=residual.device)
    pullback = torch.func.vjp(measure, zeros)[1]
    return pullback(residual)[0]
