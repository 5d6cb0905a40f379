"""Fidelities that compare magnitudes, where phases mislead, and `WarmUp` from one to another."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr.fidelity.rows import Fidelity
from inverse_inr.ranges import Fraction, NonNegative, Positive, checked


@checked
@dataclass(frozen=True)
class Magnitude:
    """The squared difference of magnitudes, (|p| - |y|)² / sigma².

    It is blind to phase, where the complex residual has minima every half wavelength.

    Args:
        sigma: Standard deviation of the noise, in the unit of y.
    """

    sigma: Positive = 1.0

    def __call__(self, prediction: Tensor, y: Tensor) -> Tensor:
        return ((prediction.abs() - y.abs()) / self.sigma).square().mean()


@checked
@dataclass(frozen=True)
class MagnitudeAndComplex:
    """Magnitudes and complex values together: ((|p| - |y|)² + weight |p - y|²) / sigma².

    Args:
        sigma: Standard deviation of the noise, in the unit of y.
        weight: Weight of the complex residual; ½ in SpINR.

    Source:
        The spectral loss of SpINR (Takawale et al. 2025).
    """

    sigma: Positive = 1.0
    weight: NonNegative = 0.5

    def __call__(self, prediction: Tensor, y: Tensor) -> Tensor:
        magnitude = Magnitude(self.sigma)(prediction, y)
        residual = (prediction - y) / self.sigma
        return magnitude + self.weight * residual.abs().square().mean()


@checked
@dataclass(frozen=True)
class LogMagnitude:
    """The difference of logarithms, |log(|p|² + e²) - log(|y|² + e²)|: errors in decibels.

    Args:
        epsilon: The floor e below which magnitudes count as equal, in the unit of y.
    """

    epsilon: Positive

    def __call__(self, prediction: Tensor, y: Tensor) -> Tensor:
        predicted, measured = (
            torch.log(v.abs().square() + self.epsilon**2) for v in (prediction, y)
        )
        return (predicted - measured).abs().mean()


class WarmUp:
    """One fidelity for the beginning of a run, then another.

    Magnitudes come before phases where positions are still wrong. The solver says how far the run
    is. Outside of training (held-out checks) the second fidelity always counts, so that values
    compare.

    Args:
        first: The fidelity of the beginning.
        then: The fidelity of the rest, and of every check.
        fraction: Fraction of the run that is the beginning, in [0, 1].

    Attributes:
        progress: Fraction of the run that is done, from 0 to 1.

    Raises:
        ValueError: `fraction` lies outside [0, 1].
    """

    @checked
    def __init__(self, first: Fidelity, then: Fidelity, fraction: Fraction = 0.1) -> None:
        if not 0 <= fraction <= 1:
            raise ValueError(f"WarmUp: fraction={fraction} of the run must lie in [0, 1].")
        self.first = first
        self.then = then
        self.fraction = fraction
        self.progress = 1.0

    def before_step(self, step: int, progress: float) -> None:
        """Learn from the solver how far the run is, before each step.

        Args:
            step: Number of the step, from 0; not used.
            progress: Fraction of the run that is done, from 0 to below 1.
        """
        self.anneal(progress)

    def anneal(self, progress: float) -> None:
        """Set how far the run is.

        Args:
            progress: Fraction of the run that is done, from 0 to 1.
        """
        self.progress = progress

    def __call__(self, prediction: Tensor, y: Tensor) -> Tensor:
        if self.progress < self.fraction and torch.is_grad_enabled():
            return self.first(prediction, y)
        return self.then(prediction, y)
