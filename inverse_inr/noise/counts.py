"""Noise of counted photons: transmission counts and camera values."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr.noise.model import Noise, Parameter, is_zero, like, poisson_counts, standard_normal
from inverse_inr.ranges import checked


@checked
@dataclass(frozen=True, eq=False)
class Poisson(Noise):
    """Transmission counts: y ~ Poisson(photons · exp(-A f) + background).

    The logarithm of y is never taken. The likelihood is given as half the deviance, whose
    expectation at the truth is about 1/2 per measurement, as for Gaussian noise.

    Args:
        photons: Count without attenuation, one number or one per row (a flat field).
        background: Count without any signal, one number or one per row.
    """

    photons: Parameter
    background: Parameter = 0.0

    def rate(self, prediction: Tensor) -> Tensor:
        """Compute the expected counts.

        Args:
            prediction: (b, *m) line integrals A f, without unit.

        Returns:
            (b, *m) counts.
        """
        photons = like(self.photons, prediction)
        return photons * torch.exp(-prediction) + like(self.background, prediction)

    def __call__(self, prediction: Tensor, y: Tensor) -> Tensor:
        rate = self.rate(prediction)
        log_rate = torch.log(like(self.photons, prediction)) - prediction
        if not is_zero(self.background):
            log_rate = torch.logaddexp(log_rate, like(self.background, prediction).log())
        return (rate - y + torch.xlogy(y, y) - y * log_rate).mean()

    def sample(self, mean: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return poisson_counts(self.rate(mean), generator)

    def check(self, y: Tensor) -> None:
        """Refuse counts below 0.

        Args:
            y: (b, *m) counts.

        Raises:
            ValueError: A count is negative.
        """
        negative = int((y < 0).sum())
        if negative:
            raise ValueError(
                f"Poisson: {negative} of {y.numel()} counts are negative, the least "
                f"{float(y.min()):.4g}. Was a dark field subtracted? Pass it as background=..., "
                "and the counts as they are."
            )

    def standardized(self, prediction: Tensor, y: Tensor) -> Tensor:
        rate = self.rate(prediction)
        return (y - rate) / rate.sqrt()

    def least_squares(self, y: Tensor) -> tuple[Tensor, Tensor]:
        # a detector that saw nothing counts as half a photon, so that the logarithm is finite
        counts = (y - like(self.background, y)).clamp(min=0.5)
        return torch.log(like(self.photons, y) / counts), counts


@checked
@dataclass(frozen=True, eq=False)
class Sensor(Noise):
    """A camera: y = (Poisson(photons · A f) + N(0, readout²)) / photons.

    It is fitted as Gaussian noise whose variance, (1 - η) A f / photons + (readout / photons)²,
    is that of the prediction. The logarithm of the variance is counted from its value at y, so
    that the truth gives about 1/2 per measurement. WIRE's denoising has photons 30 and readout 2;
    CASSI's networks are trained with a full well of 2048 and η = 0.4.

    Args:
        photons: Electrons detected at value 1: the full well, where value 1 fills it.
        readout: Standard deviation of the readout in electrons.
        efficiency: Quantum efficiency η of binomial detection, in [0, 1): the photons that arrive,
            photons · A f / η, are a fixed number and each is detected with probability η.
            0 stands for Poisson arrivals, whose detection is Poisson whatever η is.

    Raises:
        ValueError: An efficiency lies outside [0, 1).

    Source:
        Foi et al. 2008 (the variance); Meng et al. 2020 (binomial detection).
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
        """Compute the variance of the measurements.

        Args:
            mean: (b, *m) noise-free values A f; negative ones count as 0.

        Returns:
            (b, *m) variances in squared units of y.
        """
        photons = like(self.photons, mean)
        shot = (1 - like(self.efficiency, mean)) * mean.clamp(min=0) / photons
        return shot + (like(self.readout, mean) / photons) ** 2

    def __call__(self, prediction: Tensor, y: Tensor) -> Tensor:
        variance = self.variance(prediction)
        squared = (prediction - y).square() / variance
        return 0.5 * (squared + torch.log(variance / self.variance(y))).mean()

    def sample(self, mean: Tensor, generator: torch.Generator | None = None) -> Tensor:
        photons = like(self.photons, mean)
        efficiency = like(self.efficiency, mean)
        detected = photons * mean.clamp(min=0)
        if is_zero(self.efficiency):
            counts = poisson_counts(detected, generator)
        else:
            arrived = (detected / efficiency).round()
            counts = torch.binomial(arrived, efficiency.expand_as(mean).contiguous(), generator)
        return (counts + like(self.readout, mean) * standard_normal(mean, generator)) / photons

    def standardized(self, prediction: Tensor, y: Tensor) -> Tensor:
        return (prediction - y) / self.variance(prediction).sqrt()

    def least_squares(self, y: Tensor) -> tuple[Tensor, Tensor]:
        # one precision for all: y is too noisy to weight by, and dark values would count most
        mean = y.clamp(min=0).mean().expand_as(y)
        return y, 1 / self.variance(mean)
