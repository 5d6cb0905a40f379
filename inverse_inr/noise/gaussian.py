"""Additive noise: Gaussian, circular complex Gaussian, and Student's t for outliers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import ClassVar, Self

import torch
from torch import Tensor

from inverse_inr.kernels.linear import ArrayMap
from inverse_inr.noise.covariance import (
    checked_covariance,
    cholesky_factor,
    coloured,
    whitening_matrix,
)
from inverse_inr.noise.model import Noise, Parameter, like, standard_normal
from inverse_inr.ranges import checked

MOST_DEGREES = 1000
"""Degrees of freedom above which Student's t is not told from a Gaussian by any sample."""


@dataclass(frozen=True, eq=False)
class _Additive(Noise):
    """The common part of both Gaussian models: a size, and a covariance of the last axis."""

    sigma: Parameter
    covariance: Tensor | None = None

    is_complex: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.covariance is not None:
            checked_covariance(type(self).__name__, self.covariance, is_complex=self.is_complex)

    def sample(self, mean: Tensor, generator: torch.Generator | None = None) -> Tensor:
        normal = standard_normal(mean, generator)
        if self.covariance is not None:
            normal = coloured(cholesky_factor(self.covariance), normal)
        return mean + like(self.sigma, mean) * normal

    def standardized(self, prediction: Tensor, y: Tensor) -> Tensor:
        residual = (prediction - y) / like(self.sigma, y)
        if self.covariance is None:
            return residual
        return coloured(self._whitening, residual)

    def decorrelated(self) -> tuple[ArrayMap | None, Self]:
        """Name the map that takes measurements to uncorrelated ones, and the noise of those.

        Returns:
            The linear map (b, *k, m) -> (b, *k, m), None where nothing is correlated, and the
            model that has no covariance.
        """
        if self.covariance is None:
            return None, self
        return partial(coloured, self._whitening), replace(self, covariance=None)

    @cached_property
    def _whitening(self) -> Tensor:
        assert self.covariance is not None
        return whitening_matrix(self.covariance)

    def _variance(self, y: Tensor) -> Tensor:
        """The variance of each measurement, which broadcasts against y."""
        variance = like(self.sigma, y).square()
        if self.covariance is None:
            return variance
        own = self.covariance.diagonal(dim1=-2, dim2=-1).real
        if own.ndim == 2:
            own = own.reshape(len(own), *(1,) * (y.ndim - 2), own.shape[-1])
        return variance * own.to(variance)


@checked
@dataclass(frozen=True, eq=False)
class Gaussian(_Additive):
    """Additive Gaussian noise: y = A f + sigma n, where n has unit variance or a covariance.

    Args:
        sigma: Standard deviation in the unit of y: one number, one per row, or one per channel of
            the last axis as (1, channels).
        covariance: The covariance of n across the last axis of y, (m, m), or (rows, m, m) with one
            matrix per row; the residuals are whitened by its Cholesky factor. None: uncorrelated.

    Raises:
        TypeError: The covariance is complex, or no tensor.
        ValueError: sigma is not positive, or the covariance not positive definite.

    Example:
        One object simulates measurements and is the fidelity that fits them:

        >>> model = Gaussian(2.0)
        >>> y = model.sample(torch.zeros(10_000), torch.Generator().manual_seed(0))
        >>> round(float(y.std()), 1)
        2.0
        >>> round(float(model(torch.zeros(10_000), y)), 1)  # noise alone: half a unit per row
        0.5
    """

    def __call__(self, prediction: Tensor, y: Tensor) -> Tensor:
        if y.is_complex() or prediction.is_complex():
            raise TypeError(
                "Gaussian: complex values; use ComplexGaussian(sigma), with E|n|² = sigma²."
            )
        return 0.5 * self.standardized(prediction, y).square().mean()

    def least_squares(self, y: Tensor) -> tuple[Tensor, Tensor]:
        return y, self._variance(y).reciprocal().expand(y.shape)


@checked
@dataclass(frozen=True, eq=False)
class ComplexGaussian(_Additive):
    """Additive circular complex Gaussian noise: y = A f + sigma n with E|n|² = 1, or a covariance.

    Half of the variance lies in the real part and half in the imaginary part.

    Args:
        sigma: Standard deviation of |n| in the unit of y: one number, one per row, or one per
            channel of the last axis as (1, channels).
        covariance: E n nᴴ across the last axis of y, (m, m), or (rows, m, m) with one matrix per
            row; the residuals are whitened by its Cholesky factor. None: uncorrelated.

    Raises:
        TypeError: The covariance is no tensor.
        ValueError: sigma is not positive, or the covariance not positive definite.
    """

    is_complex: ClassVar[bool] = True

    def __call__(self, prediction: Tensor, y: Tensor) -> Tensor:
        return self.standardized(prediction, y).abs().square().mean()

    def sample(self, mean: Tensor, generator: torch.Generator | None = None) -> Tensor:
        if not mean.is_complex():
            mean = torch.complex(mean, torch.zeros_like(mean))
        return super().sample(mean, generator)

    def standardized(self, prediction: Tensor, y: Tensor) -> Tensor:
        if self.covariance is not None and not y.is_complex():
            y = torch.complex(y, torch.zeros_like(y))
        return super().standardized(prediction, y)

    def least_squares(self, y: Tensor) -> tuple[Tensor, Tensor]:
        return y, (2 / self._variance(y)).expand(y.shape)


@checked
@dataclass(frozen=True, eq=False)
class StudentT(Noise):
    """Additive noise with heavy tails: y = A f + scale · t(degrees).

    It is Gaussian-like in the middle and forgives outliers.

    Args:
        scale: Scale of the noise in the unit of y, one number or one per row.
        degrees: Degrees of freedom; fewer mean more outliers.
    """

    scale: Parameter
    degrees: float = 4.0

    def __call__(self, prediction: Tensor, y: Tensor) -> Tensor:
        squared = ((prediction - y) / like(self.scale, y)).abs().square()
        return 0.5 * (self.degrees + 1) * torch.log1p(squared / self.degrees).mean()

    def sample(self, mean: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Draw noisy measurements.

        Args:
            mean: (b, *m) noise-free prediction A f.
            generator: Source of random numbers; torch's default one if None.

        Returns:
            (b, *m) measurements y.

        Raises:
            ValueError: `degrees` is not a whole number, or above 1000, where the noise is Gaussian.
        """
        if self.degrees > MOST_DEGREES:
            raise ValueError(
                f"StudentT.sample: degrees={self.degrees:g} are more than {MOST_DEGREES}. Noise of "
                "so many is Gaussian: noise.Gaussian(scale)."
            )
        chi2 = torch.zeros_like(mean)
        for _ in range(round(self.degrees)):
            chi2 += standard_normal(mean, generator).square()
        if self.degrees != round(self.degrees):
            raise ValueError(
                f"StudentT.sample draws whole degrees of freedom only, not {self.degrees}."
            )
        normal = standard_normal(mean, generator)
        return mean + like(self.scale, mean) * normal * (self.degrees / chi2).sqrt()

    def standardized(self, prediction: Tensor, y: Tensor) -> Tensor:
        """Compute residuals that have unit variance where the prediction is the truth.

        Args:
            prediction: (b, *m) predicted measurements A f.
            y: (b, *m) measurements.

        Returns:
            (b, *m) residuals without unit.

        Raises:
            ValueError: `degrees` is 2 or less, for which there is no variance.
        """
        if self.degrees <= 2:
            raise ValueError(
                f"StudentT(degrees={self.degrees}) has no variance; "
                "the discrepancy needs degrees > 2."
            )
        deviation = like(self.scale, y) * (self.degrees / (self.degrees - 2)) ** 0.5
        return (prediction - y) / deviation

    def least_squares(self, y: Tensor) -> tuple[Tensor, Tensor]:
        return y, (like(self.scale, y) ** -2).expand(y.shape)
