"""Additive noise: Gaussian, circular complex Gaussian, and Student's t for outliers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr.noise.model import Noise, Parameter, like, standard_normal


@dataclass(frozen=True, eq=False)
class Gaussian(Noise):
    """Additive Gaussian noise: y = A f + N(0, sigma²).

    Args:
        sigma: Standard deviation in the unit of y, one number or one per row.

    Example:
        One object simulates measurements and is the fidelity that fits them:

        >>> model = Gaussian(2.0)
        >>> y = model.sample(torch.zeros(10_000), torch.Generator().manual_seed(0))
        >>> round(float(y.std()), 1)
        2.0
        >>> round(float(model(torch.zeros(10_000), y)), 1)  # noise alone: half a unit per row
        0.5
    """

    sigma: Parameter

    def __call__(self, prediction: Tensor, y: Tensor) -> Tensor:
        if y.is_complex() or prediction.is_complex():
            raise TypeError(
                "Gaussian: complex values; use ComplexGaussian(sigma), with E|n|² = sigma²."
            )
        return 0.5 * self.standardized(prediction, y).square().mean()

    def sample(self, mean: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return mean + like(self.sigma, mean) * standard_normal(mean, generator)

    def standardized(self, prediction: Tensor, y: Tensor) -> Tensor:
        return (prediction - y) / like(self.sigma, y)

    def least_squares(self, y: Tensor) -> tuple[Tensor, Tensor]:
        return y, (like(self.sigma, y) ** -2).expand_as(y)


@dataclass(frozen=True, eq=False)
class ComplexGaussian(Noise):
    """Additive circular complex Gaussian noise n: y = A f + n with E|n|² = sigma².

    Half of the variance lies in the real part and half in the imaginary part.

    Args:
        sigma: Standard deviation of |n| in the unit of y, one number or one per row.
    """

    sigma: Parameter

    def __call__(self, prediction: Tensor, y: Tensor) -> Tensor:
        return self.standardized(prediction, y).abs().square().mean()

    def sample(self, mean: Tensor, generator: torch.Generator | None = None) -> Tensor:
        if not mean.is_complex():
            mean = torch.complex(mean, torch.zeros_like(mean))
        return mean + like(self.sigma, mean) * standard_normal(mean, generator)

    def standardized(self, prediction: Tensor, y: Tensor) -> Tensor:
        return (prediction - y) / like(self.sigma, y)

    def least_squares(self, y: Tensor) -> tuple[Tensor, Tensor]:
        return y, (2 * like(self.sigma, y) ** -2).expand(y.shape)


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
            ValueError: `degrees` is not a whole number.
        """
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
