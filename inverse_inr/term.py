"""One acquisition: an operator, what it measured, and how far a prediction may be from that."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from inverse_inr.evaluation import Field
from inverse_inr.fidelity import Fidelity, at_rows
from inverse_inr.hooks import Shaped
from inverse_inr.protocol import Operator, check_rows, predict


@dataclass(frozen=True, eq=False)
class Term:
    """One acquisition: y ≈ A f in the sense of `fidelity`. y is (len(operator), *m), flat along rows.

    `rows` names the measurements to trust (all by default); others may hold anything, NaN included.
    Raises TypeError or ValueError for y of the wrong type or shape, NaN or Inf in trusted rows.
    """

    operator: Operator
    y: Tensor
    fidelity: Fidelity
    weight: float = 1.0
    rows: Tensor | None = None

    def __post_init__(self) -> None:
        name = describe(self.operator)
        if not isinstance(self.operator, Operator):
            raise TypeError(
                f"Term: {name} is no operator: it needs __len__ and __call__(rows) -> (points, measure)."
            )
        if not isinstance(self.y, Tensor) or not (
            self.y.is_floating_point() or self.y.is_complex()
        ):
            kind = self.y.dtype if isinstance(self.y, Tensor) else type(self.y).__name__
            raise TypeError(
                f"Term: y must be a floating or complex tensor, got {kind}. Pass torch.as_tensor(y).float()."
            )
        if self.y.ndim == 0 or len(self.y) != len(self.operator):
            slip = _slip(self.operator, self.y)
            raise ValueError(
                f"{name} has {len(self.operator)} rows; y has shape {tuple(self.y.shape)}. {slip}"
            )
        if (
            self.y.requires_grad
        ):  # simulated through autograd, as derivatives of a phantom are: data all the same
            object.__setattr__(self, "y", self.y.detach())
        if self.rows is not None:
            object.__setattr__(self, "rows", check_rows(self.operator, self.rows).unique())
        bad = ~torch.isfinite(self.y if self.rows is None else self.y[self.rows])
        if bad.any():
            raise ValueError(
                f"Term: y holds {int(bad.sum())} NaN or Inf among {bad.numel()} values. Name the good ones: "
                "Term(..., rows=torch.isfinite(y).nonzero()[:, 0])."
            )
        if not 0 < self.weight < float("inf"):
            raise ValueError(f"Term: weight must be positive and finite, got {self.weight}.")

    @property
    def trusted(self) -> Tensor:
        return torch.arange(len(self.operator)) if self.rows is None else self.rows

    def loss(self, f: Field, rows: Tensor, chunk: int | None = None) -> Tensor:
        """D(A(f), y) over `rows`."""
        prediction = predict(self.operator, f, rows, chunk=chunk)
        return at_rows(self.fidelity, rows)(prediction, self.y[rows.to(self.y.device)])

    def to(self, dtype: torch.dtype, device: torch.device) -> Term:
        """This term with y in the precision of `dtype`, y and operator on `device`."""
        operator, fidelity = (
            part.to(device) if isinstance(part, torch.nn.Module) else part
            for part in (self.operator, self.fidelity)
        )
        kind = dtype.to_complex() if self.y.is_complex() else dtype
        if self.y.dtype == kind and self.y.device == device and operator is self.operator:
            return self
        return replace(self, operator=operator, fidelity=fidelity, y=self.y.to(device, kind))


def describe(operator: object) -> str:
    """The operator's name and natural shape, for messages."""
    shape = f"(shape={tuple(operator.shape)})" if isinstance(operator, Shaped) else ""
    return f"{type(operator).__name__}{shape}"


def _slip(operator: Operator, y: Tensor) -> str:
    shape = tuple(operator.shape) if isinstance(operator, Shaped) else (len(operator),)
    if tuple(y.shape[: len(shape)]) == shape and len(shape) > 1:
        return "Measurements are flat along rows: pass operator.flatten(y)."
    if tuple(y.shape) == shape[::-1] and len(shape) == 2:
        return "Transposed? Pass y.T.reshape(-1)."
    return "One value (or one (*m) array) belongs to each row."
