"""Fidelities D(prediction, y) -> scalar, the mean over measurements. A noise model is one too (`noise.py`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr.noise import Noise

Fidelity = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class L2:
    """½ |p - y|²."""

    def __call__(self, prediction: Tensor, y: Tensor) -> Tensor:
        return 0.5 * (prediction - y).abs().square().mean()


@dataclass(frozen=True)
class L1:
    """|p - y|."""

    def __call__(self, prediction: Tensor, y: Tensor) -> Tensor:
        return (prediction - y).abs().mean()


@dataclass(frozen=True)
class Huber:
    """½ r² up to |r| = delta, then delta (|r| - delta / 2); delta in the unit of the measurements."""

    delta: float

    def __post_init__(self) -> None:
        if not self.delta > 0:
            raise ValueError(f"Huber: delta must be positive, got {self.delta}.")

    def __call__(self, prediction: Tensor, y: Tensor) -> Tensor:
        r = (prediction - y).abs()
        return torch.where(r <= self.delta, 0.5 * r.square(), self.delta * (r - 0.5 * self.delta)).mean()


@dataclass(frozen=True)
class TwoSets:
    """½ Re(r₁* r₂) / sigma² of two residuals that share a measurement but not their random nodes.

    A mean ŷ of random samples has E |ŷ - y|² = |A f - y|² + Var ŷ, so a squared loss rewards fields with little
    variance: too smooth. Independent sets have E r₁* r₂ = |A f - y|². prediction and y: (b, 2, ...), as from
    `Blur(..., draws=4, sets=2)` and its `repeat(y)`. Single draws may be negative; their mean is not.
    Raises ValueError for measurements without an axis of two sets.
    """

    sigma: float = 1.0

    def __call__(self, prediction: Tensor, y: Tensor) -> Tensor:
        if prediction.ndim < 2 or prediction.shape[1] != 2 or prediction.shape != y.shape:
            raise ValueError(
                f"TwoSets: prediction {tuple(prediction.shape)} and y {tuple(y.shape)} must both be (b, 2, ...)."
            )
        first, second = ((prediction - y) / self.sigma).unbind(1)
        return 0.5 * (first.conj() * second).real.mean()


def at_rows(fidelity: Fidelity, rows: Tensor) -> Fidelity:
    """The fidelity of a selection of rows: noise models may hold one parameter a row."""
    return fidelity.at(rows) if isinstance(fidelity, Noise) else fidelity


def least_squares(fidelity: Fidelity, y: Tensor) -> tuple[Tensor, Tensor]:
    """(target, precision) of the weighted least-squares problem that stands in for `fidelity`."""
    if isinstance(fidelity, Noise):
        return fidelity.least_squares(y)
    return y, torch.ones(y.shape, dtype=y.dtype.to_real(), device=y.device)
