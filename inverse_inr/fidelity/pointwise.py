"""Fidelities that compare each measurement with its prediction alone."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr.ranges import Positive, checked


@dataclass(frozen=True)
class L2:
    """Half the squared residual, ½ |p - y|², averaged over the measurements."""

    def __call__(self, prediction: Tensor, y: Tensor) -> Tensor:
        return 0.5 * (prediction - y).abs().square().mean()


@dataclass(frozen=True)
class L1:
    """The absolute residual, |p - y|, averaged over the measurements."""

    def __call__(self, prediction: Tensor, y: Tensor) -> Tensor:
        return (prediction - y).abs().mean()


@checked
@dataclass(frozen=True)
class Huber:
    """Squared for small residuals and linear for large ones, so that outliers count less.

    ½ r² up to |r| = delta, then delta (|r| - delta / 2), for the residual r = p - y.

    Args:
        delta: Residual at which the two pieces meet, in the unit of the measurements.

    Raises:
        ValueError: `delta` is not positive.
    """

    delta: Positive

    def __call__(self, prediction: Tensor, y: Tensor) -> Tensor:
        r = (prediction - y).abs()
        linear = self.delta * (r - 0.5 * self.delta)
        return torch.where(r <= self.delta, 0.5 * r.square(), linear).mean()


@checked
@dataclass(frozen=True)
class TwoSets:
    """The product ½ Re(r₁* r₂) / sigma² of two residuals with independent random nodes.

    Both residuals share a measurement y. A mean ŷ of random samples has
    E |ŷ - y|² = |A f - y|² + Var ŷ, so a squared loss rewards fields with little variance, which
    are too smooth. Independent sets have E r₁* r₂ = |A f - y|². Single draws may be negative;
    their mean is not. Prediction and y are (b, 2, ...), as from `Blur(..., draws=4, sets=2)` and
    its `repeat(y)`.

    Args:
        sigma: Standard deviation of the noise, in the unit of y.

    Raises:
        ValueError: The measurements have no axis of two sets (when called).
    """

    sigma: Positive = 1.0

    def __call__(self, prediction: Tensor, y: Tensor) -> Tensor:
        if prediction.ndim < 2 or prediction.shape[1] != 2 or prediction.shape != y.shape:
            raise ValueError(
                f"TwoSets: prediction {tuple(prediction.shape)} and y {tuple(y.shape)} "
                "must both be (b, 2, ...)."
            )
        first, second = ((prediction - y) / self.sigma).unbind(1)
        return 0.5 * (first.conj() * second).real.mean()
