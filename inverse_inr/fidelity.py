"""Fidelities D(prediction, y) -> scalar, the mean over measurements. A noise model is one too (`noise.py`)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

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
        return torch.where(
            r <= self.delta, 0.5 * r.square(), self.delta * (r - 0.5 * self.delta)
        ).mean()


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


@dataclass(frozen=True)
class NCC:
    """1 - normalised cross-correlation of all measurements at hand: blind to gain and offset, between 0 and 2."""

    epsilon: float = 1e-8

    def __call__(self, prediction: Tensor, y: Tensor) -> Tensor:
        a, b = prediction - prediction.mean(), y - y.mean()
        return (
            1
            - (a * b).sum()
            / (a.square().sum() * b.square().sum()).clamp(min=self.epsilon**2).sqrt()
        )


@dataclass(frozen=True)
class LocalNCC:
    """1 - mean squared correlation in windows: blind to gain and offset that vary (Avants et al. 2008, eq. 5).

    `shape` of the image whose pixels are the rows, all of them in order: pass batch=len(operator) and a stopping rule
    that holds none out. `window` pixels along each axis, odd; windows are cut at the border. Variances below
    `epsilon` (in the unit of y, squared) count as flat.
    Raises ValueError for an even window, one larger than the image, a shape that is not 1-D to 3-D, another number of
    measurements.
    """

    shape: tuple[int, ...]
    window: int = 9
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        if self.window % 2 == 0 or self.window < 3 or not 1 <= len(self.shape) <= 3:
            raise ValueError(
                f"LocalNCC: window={self.window} must be odd, 3 or more, shape={self.shape} 1-D to 3-D."
            )
        if min(self.shape) < self.window:
            raise ValueError(
                f"LocalNCC: a window of {self.window} pixels does not fit an image of {self.shape}."
            )

    def _mean(self, image: Tensor) -> Tensor:
        functional, half = torch.nn.functional, self.window // 2
        pool = (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)[
            len(self.shape) - 1
        ]
        return pool(image, self.window, 1, half, count_include_pad=False)

    def variance(self, y: Tensor) -> Tensor:
        """Of the image's values in each pixel's window, with `epsilon`: (channels, 1, *shape)."""
        image = (
            (y - y.mean()).reshape(*self.shape, -1).movedim(-1, 0)[:, None]
        )  # near zero fewer digits are lost
        return (self._mean(image * image) - self._mean(image) ** 2).clamp(min=0) + self.epsilon

    def __call__(self, prediction: Tensor, y: Tensor) -> Tensor:
        if prediction.shape != y.shape or len(y) != math.prod(self.shape):
            raise ValueError(
                f"LocalNCC of shape {self.shape} needs all {math.prod(self.shape)} rows; got {tuple(prediction.shape)} "
                f"and {tuple(y.shape)}. Pass batch=len(operator) and stopping=Never()."
            )
        a, b = (
            (v - v.mean()).reshape(*self.shape, -1).movedim(-1, 0)[:, None] for v in (prediction, y)
        )
        covariance = self._mean(a * b) - self._mean(a) * self._mean(b)
        return 1 - (covariance**2 / (self.variance(prediction) * self.variance(y))).mean()


class LearntScale(nn.Module):
    """Noise whose scale σ is learnt with the image, one for each group of rows: bad groups lose weight by themselves.

    Gaussian, ½ r²/σ² + log σ, or with `degrees` ν Student's t, ½ (ν+1) log(1 + r²/(ν σ²)) + log σ, which also lets
    each single measurement have its own variance: t is a Gaussian whose precision is gamma-distributed.

    groups  (rows,) number of each row's group (its slice, view, coil ...), from 0
    scale   first guess of σ, in the unit of y; learnt is log(σ / scale) by group, in `level`
    floor   least σ as a fraction of `scale`: without it a group that can be fitted exactly would take all the weight
    Raises ValueError for groups that are no (rows,) integers from 0, or scale, floor or degrees that are not positive.
    """

    def __init__(
        self, groups: Tensor, scale: float, *, degrees: float | None = None, floor: float = 0.05
    ) -> None:
        super().__init__()
        if (
            groups.ndim != 1
            or groups.is_floating_point()
            or not len(groups)
            or int(groups.min()) < 0
        ):
            raise ValueError(
                f"LearntScale: groups must be (rows,) integers from 0, got {tuple(groups.shape)}."
            )
        if not (scale > 0 and floor > 0 and (degrees is None or degrees > 0)):
            raise ValueError(
                f"LearntScale: scale={scale}, floor={floor} and degrees={degrees} must be positive."
            )
        self.scale, self.floor, self.degrees = float(scale), float(floor), degrees
        self.groups = nn.Buffer(groups.long(), persistent=False)
        self.level = nn.Parameter(torch.zeros(int(groups.max()) + 1))

    def sigma(self) -> Tensor:
        """σ of each group, (groups,)."""
        return self.scale * (self.level.exp() + self.floor)

    def _loss(self, prediction: Tensor, y: Tensor, groups: Tensor) -> Tensor:
        if len(groups) != len(y):
            raise ValueError(
                f"LearntScale of {len(groups)} rows was given {len(y)} measurements. at_rows(...)?"
            )
        sigma = self.sigma().to(y.dtype.to_real())[groups].reshape(-1, *(1,) * (y.ndim - 1))
        squared = ((prediction - y) / sigma).abs().square()
        if self.degrees is None:
            return (0.5 * squared + sigma.log()).mean()
        return (0.5 * (self.degrees + 1) * torch.log1p(squared / self.degrees) + sigma.log()).mean()

    def forward(self, prediction: Tensor, y: Tensor) -> Tensor:
        return self._loss(prediction, y, self.groups)

    def at(self, rows: Tensor) -> Fidelity:
        return lambda prediction, y: self._loss(
            prediction, y, self.groups[rows.to(self.groups.device)]
        )

    def least_squares(self, y: Tensor) -> tuple[Tensor, Tensor]:
        precision = self.sigma().detach().to(y.dtype.to_real())[self.groups] ** -2
        return y, precision.reshape(-1, *(1,) * (y.ndim - 1)).expand(y.shape)


@dataclass(frozen=True)
class Magnitude:
    """(|p| - |y|)² / sigma²: blind to phase, where the complex residual has minima every half wavelength."""

    sigma: float = 1.0

    def __call__(self, prediction: Tensor, y: Tensor) -> Tensor:
        return ((prediction.abs() - y.abs()) / self.sigma).square().mean()


@dataclass(frozen=True)
class MagnitudeAndComplex:
    """((|p| - |y|)² + weight |p - y|²) / sigma²: the spectral loss of SpINR (Takawale et al. 2025), weight ½."""

    sigma: float = 1.0
    weight: float = 0.5

    def __call__(self, prediction: Tensor, y: Tensor) -> Tensor:
        return (
            Magnitude(self.sigma)(prediction, y)
            + self.weight * ((prediction - y) / self.sigma).abs().square().mean()
        )


@dataclass(frozen=True)
class LogMagnitude:
    """|log(|p|² + e²) - log(|y|² + e²)|: errors in decibels; `epsilon` is the floor, in the unit of y."""

    epsilon: float

    def __call__(self, prediction: Tensor, y: Tensor) -> Tensor:
        power = [torch.log(v.abs().square() + self.epsilon**2) for v in (prediction, y)]
        return (power[0] - power[1]).abs().mean()


class WarmUp:
    """`first` for a fraction of the run, then `then`: magnitudes before phases, where positions are still wrong.

    The solver says how far it is. Outside of training (held-out checks) it always is `then`, so that values compare.
    Raises ValueError for a fraction outside [0, 1].
    """

    def __init__(self, first: Fidelity, then: Fidelity, fraction: float = 0.1) -> None:
        if not 0 <= fraction <= 1:
            raise ValueError(f"WarmUp: fraction={fraction} of the run must lie in [0, 1].")
        self.first, self.then, self.fraction, self.progress = first, then, fraction, 1.0

    def before_step(self, step: int, progress: float) -> None:
        self.anneal(progress)

    def anneal(self, progress: float) -> None:
        self.progress = progress

    def __call__(self, prediction: Tensor, y: Tensor) -> Tensor:
        early = self.progress < self.fraction and torch.is_grad_enabled()
        return (self.first if early else self.then)(prediction, y)


def at_rows(fidelity: Fidelity, rows: Tensor) -> Fidelity:
    """The fidelity of a selection of rows: one with parameters of single rows picks them in `at` (hooks.PicksRows)."""
    pick = getattr(fidelity, "at", None)
    return fidelity if pick is None else pick(rows)


def least_squares(fidelity: Fidelity, y: Tensor) -> tuple[Tensor, Tensor]:
    """(target, precision) of the weighted least-squares problem that stands in for `fidelity`."""
    own = getattr(fidelity, "least_squares", None)  # hooks.HasLeastSquares
    if own is not None:
        return own(y)
    return y, torch.ones(y.shape, dtype=y.dtype.to_real(), device=y.device)
