"""`Term`: one acquisition, which is an operator, its measurements and a fidelity."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from inverse_inr.devices import moved, require_full_precision
from inverse_inr.evaluation import Field
from inverse_inr.fidelity import Fidelity, at_rows
from inverse_inr.hooks import ChecksMeasurements, Shaped, Stored
from inverse_inr.protocol import Operator, check_rows, predict
from inverse_inr.ranges import Positive, require
from inverse_inr.row_sets import LARGE, AllBut, Rows

AT_ONCE = 2**22
"""Measurements that are checked at a time."""


@dataclass(frozen=True, eq=False)
class Term:
    """One acquisition: y ≈ A f in the sense of a fidelity.

    Args:
        operator: The forward model A.
        y: (rows, *m) measurements, flat along the operator's rows.
        fidelity: The distance D(prediction, y), e.g. a noise model.
        weight: Factor of D in the objective, positive.
        rows: Indices of the measurements to trust; all if None. Others may hold anything, NaN
            included.

    Raises:
        TypeError: `operator` is no operator, `y` no floating or complex tensor, or `fidelity`
            cannot be called.
        ValueError: `y` has another shape, trusted rows hold NaN or Inf, or what the fidelity cannot
            explain (`hooks.ChecksMeasurements`), or the weight is not positive and finite.
        IndexError: Trusted rows lie outside the operator.
    """

    operator: Operator
    y: Tensor
    fidelity: Fidelity
    weight: float = 1.0
    rows: Tensor | None = None

    def __post_init__(self) -> None:
        self._check_types()
        if self.y.ndim == 0 or len(self.y) != len(self.operator):
            slip = _slip(self.operator, self.y)
            raise ValueError(
                f"{describe(self.operator)} has {len(self.operator)} rows; "
                f"y has shape {tuple(self.y.shape)}. {slip}"
            )
        if self.y.requires_grad:
            # simulated through autograd, as derivatives of a phantom are: measurements all the same
            object.__setattr__(self, "y", self.y.detach())
        if self.rows is not None:
            # which rows there are is known on the CPU, wherever the measurements are
            rows = check_rows(self.operator, self.rows.cpu()).unique()
            object.__setattr__(self, "rows", rows)
        self._check_values()

    def _check_types(self) -> None:
        if not isinstance(self.operator, Operator):
            raise TypeError(
                f"Term: {describe(self.operator)} is no operator: "
                "it needs __len__ and __call__(rows) -> (points, measure)."
            )
        if isinstance(self.fidelity, type) or not callable(self.fidelity):
            raise TypeError(
                f"Term: fidelity={self.fidelity!r} is no fidelity: it must be callable on "
                "(prediction, y), e.g. noise.Gaussian(0.1) or fidelity.L2()."
            )
        require("Term: weight", self.weight, Positive)
        kind = type(self.y).__name__
        if isinstance(self.y, Tensor):
            if self.y.is_floating_point() or self.y.is_complex():
                return
            kind = self.y.dtype
        raise TypeError(
            f"Term: y must be a floating or complex tensor, got {kind}. "
            "Pass torch.as_tensor(y).float()."
        )

    def _check_values(self) -> None:
        # a file is not read again for each copy of the term
        stored = None
        if self.rows is None and isinstance(self.y, Stored):
            stored = self.y
            if stored.checked_by is self.fidelity:
                return
        bad = 0
        # in blocks: measurements may lie on disk, and are more than the memory holds
        for start in range(0, self.count, AT_ONCE):
            rows = self.fitted[start : start + AT_ONCE]
            trusted = self.y[rows.to(self.y.device)]
            wrong = int((~torch.isfinite(trusted)).sum())
            bad += wrong
            judge = at_rows(self.fidelity, rows)
            if not bad and isinstance(judge, ChecksMeasurements):
                judge.check(trusted)
        if bad:
            count = self.count * self.y[:1].numel()
            raise ValueError(
                f"Term: y holds {bad} NaN or Inf among {count} values. "
                "Name the good ones: Term(..., rows=torch.isfinite(y).nonzero()[:, 0])."
            )
        if stored is not None:
            stored.checked_by = self.fidelity

    @property
    def count(self) -> int:
        """Number of measurements to trust."""
        if self.rows is None:
            return len(self.operator)
        return len(self.rows)

    @property
    def fitted(self) -> Rows:
        """The measurements to trust, without a list of them where they are very many."""
        if self.rows is None and self.count >= LARGE:
            return AllBut(self.count, torch.arange(0))
        return self.trusted

    @property
    def trusted(self) -> Tensor:
        """Indices of the measurements to trust, (b,)."""
        if self.rows is None:
            return torch.arange(len(self.operator))
        return self.rows

    def loss(self, f: Field, rows: Tensor, chunk: int | None = None) -> Tensor:
        """Compute D(A(f), y) for some rows, without the term's weight.

        Args:
            f: The field.
            rows: (b,) indices of the measurements.
            chunk: Most points per call of the field; `evaluation.CHUNK` if None.

        Returns:
            A scalar.
        """
        return self.distance(predict(self.operator, f, rows, chunk=chunk), rows)

    def distance(self, prediction: Tensor, rows: Tensor) -> Tensor:
        """Compute D(prediction, y) for some rows, without the term's weight.

        Args:
            prediction: (b, *m) predictions.
            rows: (b,) indices of the measurements.

        Returns:
            A scalar.
        """
        return at_rows(self.fidelity, rows)(prediction, self.y[rows.to(self.y.device)])

    def to(
        self,
        dtype: torch.dtype | None = None,
        device: torch.device | None = None,
        memo: dict[int, Any] | None = None,
    ) -> Term:
        """Copy the term to a device, with its measurements in a precision.

        Operator and fidelity are copied where they hold tensors of another device, never moved
        themselves. Their own precision stays.

        Args:
            dtype: Real precision of the measurements; complex ones get the complex type of it.
                None for theirs.
            device: Device of measurements, operator and fidelity; None for where they are.
            memo: What other terms' copies share (`devices.moved`).

        Returns:
            The moved term, or this one where nothing changes.

        Raises:
            TypeError: The precision is not float32 or float64: measurements would lose digits.
        """
        kind = self.y.dtype
        if dtype is not None:
            require_full_precision("Term.to", dtype)
            kind = dtype
            if self.y.is_complex():
                kind = dtype.to_complex()
        operator = self.operator
        fidelity = self.fidelity
        if device is None:
            device = self.y.device
        else:
            if memo is None:
                memo = {}
            operator = moved(operator, device, memo)
            fidelity = moved(fidelity, device, memo)
        same = self.y.dtype == kind and self.y.device == device
        if same and operator is self.operator and fidelity is self.fidelity:
            return self
        return replace(self, operator=operator, fidelity=fidelity, y=self.y.to(device, kind))


def describe(operator: object) -> str:
    """Name an operator and its natural shape, for messages.

    Args:
        operator: The operator, or what was passed instead of one.

    Returns:
        Its type's name, with the shape where it has one.
    """
    name = type(operator).__name__
    if isinstance(operator, Shaped):
        return f"{name}(shape={tuple(operator.shape)})"
    return name


def _slip(operator: Operator, y: Tensor) -> str:
    """The likely reason why the measurements do not fit, and the cure."""
    shape = (len(operator),)
    if isinstance(operator, Shaped):
        shape = tuple(operator.shape)
    if tuple(y.shape[: len(shape)]) == shape and len(shape) > 1:
        return "Measurements are flat along rows: pass operator.flatten(y)."
    if tuple(y.shape) == shape[::-1] and len(shape) == 2:
        return "Transposed? Pass y.T.reshape(-1)."
    return "One value (or one (*m) array) belongs to each row."
