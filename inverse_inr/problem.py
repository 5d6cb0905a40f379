"""What is solved: `Term` is one acquisition, `Problem` is several on one box."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from inverse_inr.compose import Shaped
from inverse_inr.domain import Box, Grid
from inverse_inr.evaluation import Field
from inverse_inr.fidelity import Fidelity, at_rows
from inverse_inr.protocol import Operator, check_rows, evaluating, predict

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure

    from inverse_inr.solution import Solution
    from inverse_inr.stopping import Stopping


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
            raise TypeError(f"Term: {name} is no operator: it needs __len__ and __call__(rows) -> (points, measure).")
        if not isinstance(self.y, Tensor) or not (self.y.is_floating_point() or self.y.is_complex()):
            kind = self.y.dtype if isinstance(self.y, Tensor) else type(self.y).__name__
            raise TypeError(
                f"Term: y must be a floating or complex tensor, got {kind}. Pass torch.as_tensor(y).float()."
            )
        if self.y.ndim == 0 or len(self.y) != len(self.operator):
            slip = _slip(self.operator, self.y)
            raise ValueError(f"{name} has {len(self.operator)} rows; y has shape {tuple(self.y.shape)}. {slip}")
        if self.y.requires_grad:  # simulated through autograd, as derivatives of a phantom are: data all the same
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
            part.to(device) if isinstance(part, torch.nn.Module) else part for part in (self.operator, self.fidelity)
        )
        kind = dtype.to_complex() if self.y.is_complex() else dtype
        if self.y.dtype == kind and self.y.device == device and operator is self.operator:
            return self
        return replace(self, operator=operator, fidelity=fidelity, y=self.y.to(device, kind))


@dataclass(frozen=True)
class Suggestion:
    """What suits a modality, where the user says nothing else.

    batch, operator_lr, optimizer  as of `Solver`; no batch: what the operators' points allow
    lr      of the suggested prior, where it is not the prior's own
    start   prepares the suggested prior before the first step, e.g. with the parameters of an earlier fit
    figure  draws the solutions (baselines first, the fit last) where a row of images does not show them
    write   adds files of the modality to a run's folder, and returns their paths
    """

    prior: str = "hash"
    options: dict[str, Any] = field(default_factory=dict)
    regularizers: tuple[Callable[[Field, Tensor], Tensor], ...] = ()
    steps: int = 1000
    batch: int | None = None
    lr: float | None = None
    operator_lr: float = 1e-3
    optimizer: str = "adam"
    stopping: Stopping | None = None
    start: Callable[[Any], None] | None = None
    baselines: dict[str, Callable[[Problem], Solution]] = field(default_factory=dict)
    figure: Callable[[Problem, Sequence[Solution]], Figure | None] | None = None
    write: Callable[[Solution, Path], Sequence[Path]] | None = None


@dataclass
class Problem:
    """minimise over θ: Σ_t weight_t D_t(A_t(f_θ), y_t) + Σ_k λ_k R_k(f_θ), on `box`, shown on `grid`.

    `reference` is the truth where a simulation has one: for metrics only, never for stopping. `notes` say what a
    loader found (masked values, centre of rotation). Where the field `is_complex`, priors by name get a complex head,
    baselines a complex image, and figures and metrics its modulus. `average`: sub-samples an axis of a pixel that
    results are shown and judged by; 1 where an image means values at pixel centres, as a photograph's samples do.
    Raises ValueError for no terms, a grid or operator of another dimension, predictions that do not match y.
    """

    terms: Sequence[Term]
    box: Box
    grid: Grid
    channels: int = 1
    reference: Field | None = None
    suggested: Suggestion = field(default_factory=Suggestion)
    notes: dict[str, Any] = field(default_factory=dict)
    is_complex: bool = False
    average: int = 4

    def __post_init__(self) -> None:
        if not self.terms:
            raise ValueError("Problem: terms is empty; pass at least one Term(operator, y, fidelity).")
        if self.grid.ndim != self.box.ndim:
            raise ValueError(f"Problem: the grid has {self.grid.ndim} axes and the box {self.box.ndim}.")
        if self.channels < 1:
            raise ValueError(f"Problem: channels must be at least 1, got {self.channels}.")
        if self.average < 1:
            raise ValueError(f"Problem: average must be at least 1, got {self.average}.")
        for term in self.terms:
            self._rehearse(term)

    def _rehearse(self, term: Term) -> None:
        """Ask the operator for one row of an empty field: shapes must fit before any work starts."""
        name = describe(term.operator)
        dtype = term.y.dtype.to_real()

        def empty(points: Tensor) -> Tensor:
            if points.shape[-1] != self.box.ndim:
                raise ValueError(f"{name} looks at {points.shape[-1]}-D points; the box has {self.box.ndim} axes.")
            return torch.zeros(*points.shape[:-1], self.channels, dtype=dtype, device=points.device)

        with torch.no_grad(), evaluating(term.operator):
            prediction = predict(term.operator, empty, term.trusted[:1])
        if prediction.shape != (1, *term.y.shape[1:]):
            raise ValueError(
                f"{name} returned measurements of shape {tuple(prediction.shape)} for one row; y has "
                f"{(1, *term.y.shape[1:])} a row. Did `measure` keep the field's channel axis? Take values[..., 0]."
            )


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
