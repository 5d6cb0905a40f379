"""The quadratic that stands in for a fidelity near a prediction."""

from __future__ import annotations

import torch
from torch import Tensor

from inverse_inr.fidelity.rows import Fidelity, least_squares

ROUNDED = 1e-3
"""Residual, as a fraction of the root mean square of all, below which a quotient is rounded."""


def curvature(fidelity: Fidelity, prediction: Tensor, y: Tensor) -> Tensor:
    """Compute the weights w of D(p + δ) ≈ D(p) + D'(p) δ + ½ Σ w |δ|², as reweighting does.

    w is the slope over the distance from the value that would be best, measurement by measurement.
    For squared residuals it is the second derivative, for L1, Huber and Student's t the quadratic
    that touches D in p and lies above it, for counts a mean of the rate and the count.

    Args:
        fidelity: The fidelity of these measurements alone, uncorrelated within a row.
        prediction: (b, *m) predictions.
        y: (b, *m) measurements.

    Returns:
        (b, *m) real weights, positive.

    Source:
        Iteratively reweighted least squares; Geman & Reynolds 1992 (half-quadratic).
    """
    with torch.enable_grad():
        at = prediction.detach().requires_grad_()
        slope = torch.autograd.grad(fidelity(at, y), at)[0].abs() * at.numel()
    target, precision = least_squares(fidelity, y)
    distance = (prediction.detach() - target).abs()
    rounded = ROUNDED * distance.square().mean().sqrt() + torch.finfo(distance.dtype).tiny
    return (slope + rounded * precision.to(slope)) / (distance + rounded) / at.numel()
