"""Noise models: one object simulates measurements and is the fidelity D that fits them.

Each is called as `noise(prediction, y)` and returns the mean over measurements of the negative log-likelihood (up to
a constant that does not depend on the prediction). Parameters are numbers, or tensors with one value a row.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from typing import Self

import torch
from torch import Tensor

Parameter = float | Tensor


@dataclass(frozen=True, eq=False)
class Noise(ABC):
    """Simulates with `sample`, fits when called, and says how far off a prediction is with `standardized`."""

    def __post_init__(self) -> None:
        for item in fields(self):
            value = torch.as_tensor(getattr(self, item.name))
            least = value >= 0 if item.name in ("background", "efficiency") else value > 0
            if not bool((torch.isfinite(value) & least).all()):
                raise ValueError(
                    f"{type(self).__name__}: {item.name} must be positive and finite, got {value}."
                )

    @abstractmethod
    def __call__(self, prediction: Tensor, y: Tensor) -> Tensor: ...

    @abstractmethod
    def sample(self, mean: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Measurements whose noise-free prediction is `mean`."""

    @abstractmethod
    def standardized(self, prediction: Tensor, y: Tensor) -> Tensor:
        """Residuals with unit variance where the prediction is the truth: the discrepancy principle's unit."""

    @abstractmethod
    def least_squares(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """(target, precision): the weighted least-squares problem that classical baselines solve instead."""

    def at(self, rows: Tensor) -> Self:
        """The same model for some rows: parameters with one value a row are selected."""
        rowwise = {f.name: getattr(self, f.name) for f in fields(self)}
        picked = {
            k: v[rows.to(v.device)] for k, v in rowwise.items() if isinstance(v, Tensor) and v.ndim
        }
        return replace(self, **picked) if picked else self


def _like(value: Parameter, y: Tensor) -> Tensor:
    """A parameter in the real dtype and device of y, with trailing axes to broadcast along rows."""
    value = torch.as_tensor(value, dtype=y.dtype.to_real(), device=y.device)
    return value.reshape(*value.shape, *(1,) * (y.ndim - value.ndim)) if value.ndim else value


@dataclass(frozen=True, eq=False)
class Gaussian(Noise):
    """y = A f + N(0, sigma²)."""

    sigma: Parameter

    def __call__(self, prediction: Tensor, y: Tensor) -> Tensor:
        if y.is_complex() or prediction.is_complex():
            raise TypeError(
                "Gaussian: complex values; use ComplexGaussian(sigma), with E|n|² = sigma²."
            )
        return 0.5 * self.standardized(prediction, y).square().mean()

    def sample(self, mean: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return mean + _like(self.sigma, mean) * _randn(mean, generator)

    def standardized(self, prediction: Tensor, y: Tensor) -> Tensor:
        return (prediction - y) / _like(self.sigma, y)

    def least_squares(self, y: Tensor) -> tuple[Tensor, Tensor]:
        return y, (_like(self.sigma, y) ** -2).expand_as(y)


@dataclass(frozen=True, eq=False)
class ComplexGaussian(Noise):
    """y = A f + circular complex noise of standard deviation sigma: E|n|² = sigma², half in each part."""

    sigma: Parameter

    def __call__(self, prediction: Tensor, y: Tensor) -> Tensor:
        return self.standardized(prediction, y).abs().square().mean()

    def sample(self, mean: Tensor, generator: torch.Generator | None = None) -> Tensor:
        mean = mean if mean.is_complex() else torch.complex(mean, torch.zeros_like(mean))
        return mean + _like(self.sigma, mean) * _randn(mean, generator)

    def standardized(self, prediction: Tensor, y: Tensor) -> Tensor:
        return (prediction - y) / _like(self.sigma, y)

    def least_squares(self, y: Tensor) -> tuple[Tensor, Tensor]:
        return y, (2 * _like(self.sigma, y) ** -2).expand(y.shape)


@dataclass(frozen=True, eq=False)
class Poisson(Noise):
    """Transmission counts: y ~ Poisson(photons · exp(-A f) + background). The logarithm of y is never taken.

    The likelihood is given as half the deviance, whose expectation at the truth is about 1/2 a measurement, as for
    Gaussian noise. `photons` is the unattenuated count (a flat field has one value a row).
    """

    photons: Parameter
    background: Parameter = 0.0

    def rate(self, prediction: Tensor) -> Tensor:
        return _like(self.photons, prediction) * torch.exp(-prediction) + _like(
            self.background, prediction
        )

    def __call__(self, prediction: Tensor, y: Tensor) -> Tensor:
        rate = self.rate(prediction)
        dark = _like(self.background, prediction)
        log_rate = torch.log(_like(self.photons, prediction)) - prediction
        log_rate = log_rate if _zero(self.background) else torch.logaddexp(log_rate, dark.log())
        return (rate - y + torch.xlogy(y, y) - y * log_rate).mean()

    def sample(self, mean: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return torch.poisson(self.rate(mean), generator)

    def standardized(self, prediction: Tensor, y: Tensor) -> Tensor:
        rate = self.rate(prediction)
        return (y - rate) / rate.sqrt()

    def least_squares(self, y: Tensor) -> tuple[Tensor, Tensor]:
        counts = (y - _like(self.background, y)).clamp(
            min=0.5
        )  # half a count: where a detector saw nothing
        return torch.log(_like(self.photons, y) / counts), counts


@dataclass(frozen=True, eq=False)
class Sensor(Noise):
    """A camera: y = (Poisson(photons · A f) + N(0, readout²)) / photons; WIRE's denoising has photons 30, readout 2.

    photons      detected at value 1: the full well in electrons, where value 1 fills it
    readout      standard deviation in electrons
    efficiency   quantum efficiency η of binomial detection: the photons that arrive, photons · A f / η, are a fixed
                 number and each is detected with probability η, as CASSI's networks are trained (full well 2048, η =
                 0.4; Meng et al. 2020). 0: Poisson arrivals, whose detection is Poisson whatever η

    Fitted as Gaussian noise whose variance, (1 - η) A f / photons + (readout / photons)², is that of the prediction
    (Foi et al. 2008); the logarithm of the variance is counted from its value at y, so that the truth gives about 1/2.
    Raises ValueError for an efficiency outside [0, 1).
    """

    photons: Parameter
    readout: Parameter
    efficiency: Parameter = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not bool((torch.as_tensor(self.efficiency) < 1).all()):
            raise ValueError(
                f"Sensor: efficiency={self.efficiency} must be below 1 (nothing lost)."
            )

    def variance(self, mean: Tensor) -> Tensor:
        photons = _like(self.photons, mean)
        shot = (1 - _like(self.efficiency, mean)) * mean.clamp(min=0) / photons
        return shot + (_like(self.readout, mean) / photons) ** 2

    def __call__(self, prediction: Tensor, y: Tensor) -> Tensor:
        variance = self.variance(prediction)
        return (
            0.5
            * ((prediction - y).square() / variance + torch.log(variance / self.variance(y))).mean()
        )

    def sample(self, mean: Tensor, generator: torch.Generator | None = None) -> Tensor:
        photons, efficiency = _like(self.photons, mean), _like(self.efficiency, mean)
        detected = photons * mean.clamp(min=0)
        if _zero(self.efficiency):
            counts = torch.poisson(detected, generator)
        else:
            arrived = (detected / efficiency).round()
            counts = torch.binomial(arrived, efficiency.expand_as(mean).contiguous(), generator)
        return (counts + _like(self.readout, mean) * _randn(mean, generator)) / photons

    def standardized(self, prediction: Tensor, y: Tensor) -> Tensor:
        return (prediction - y) / self.variance(prediction).sqrt()

    def least_squares(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """One precision for all: y itself is too noisy to weight by, and dark values would count most."""
        mean = y.clamp(min=0).mean().expand_as(y)
        return y, 1 / self.variance(mean)


@dataclass(frozen=True, eq=False)
class StudentT(Noise):
    """y = A f + scale · t(degrees): Gaussian-like in the middle, forgiving of outliers."""

    scale: Parameter
    degrees: float = 4.0

    def __call__(self, prediction: Tensor, y: Tensor) -> Tensor:
        squared = ((prediction - y) / _like(self.scale, y)).abs().square()
        return 0.5 * (self.degrees + 1) * torch.log1p(squared / self.degrees).mean()

    def sample(self, mean: Tensor, generator: torch.Generator | None = None) -> Tensor:
        chi2 = torch.zeros_like(mean)
        for _ in range(round(self.degrees)):
            chi2 += _randn(mean, generator).square()
        if self.degrees != round(self.degrees):
            raise ValueError(
                f"StudentT.sample draws whole degrees of freedom only, not {self.degrees}."
            )
        return (
            mean + _like(self.scale, mean) * _randn(mean, generator) * (self.degrees / chi2).sqrt()
        )

    def standardized(self, prediction: Tensor, y: Tensor) -> Tensor:
        if self.degrees <= 2:
            raise ValueError(
                f"StudentT(degrees={self.degrees}) has no variance; the discrepancy needs degrees > 2."
            )
        return (prediction - y) / (
            _like(self.scale, y) * (self.degrees / (self.degrees - 2)) ** 0.5
        )

    def least_squares(self, y: Tensor) -> tuple[Tensor, Tensor]:
        return y, (_like(self.scale, y) ** -2).expand(y.shape)


@dataclass(frozen=True, eq=False)
class Gamma(Noise):
    """Multi-look speckle: y = (A f + floor) · Gamma(looks) / looks, of mean A f + floor and relative deviation
    1 / sqrt(looks).

    Intensities of fully developed speckle (Goodman 1976); `floor` is the receiver's noise (noise-equivalent
    intensity). The likelihood is given as half the deviance, looks (y / m - 1 - log(y / m)), whose expectation at the
    truth is about 1/2 a measurement for many looks. A prediction below zero counts as zero.
    """

    looks: Parameter
    floor: Parameter

    def rate(self, prediction: Tensor) -> Tensor:
        return prediction.clamp(min=0) + _like(self.floor, prediction)

    def __call__(self, prediction: Tensor, y: Tensor) -> Tensor:
        ratio = y / self.rate(prediction)
        return (
            _like(self.looks, y) * (ratio - 1 - ratio.clamp(min=torch.finfo(y.dtype).tiny).log())
        ).mean()

    def sample(self, mean: Tensor, generator: torch.Generator | None = None) -> Tensor:
        looks = _like(self.looks, mean)
        draw = torch._standard_gamma  # pyright: ignore[reportPrivateImportUsage]  # distributions take no generator
        return self.rate(mean) * draw(looks.expand_as(mean).contiguous(), generator) / looks

    def standardized(self, prediction: Tensor, y: Tensor) -> Tensor:
        return (y / self.rate(prediction) - 1) * _like(self.looks, y).sqrt()

    def least_squares(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """One weight a row, by its mean square: a single sample of speckle does not tell its own variance."""
        square = y.clamp(min=_like(self.floor, y)).square().reshape(len(y), -1).mean(1)
        return y - _like(self.floor, y), (_like(self.looks, y) / _like(square, y)).expand_as(y)


def _zero(background: Parameter) -> bool:
    return not isinstance(background, Tensor) and background == 0.0


def _randn(like: Tensor, generator: torch.Generator | None) -> Tensor:
    return torch.randn(like.shape, dtype=like.dtype, device=like.device, generator=generator)
