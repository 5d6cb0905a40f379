"""Multi-look speckle: the multiplicative noise of radar and laser intensities."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr.noise.model import Noise, Parameter, like
from inverse_inr.ranges import checked


@checked
@dataclass(frozen=True, eq=False)
class Gamma(Noise):
    """Intensities of fully developed speckle: y = (A f + floor) · Gamma(looks) / looks.

    The mean is A f + floor and the relative deviation 1 / sqrt(looks). The likelihood is given as
    half the deviance, looks (y / m - 1 - log(y / m)), whose expectation at the truth is about 1/2
    per measurement for many looks. A prediction below zero counts as zero.

    Args:
        looks: Number of independent looks that are averaged, one number or one per row.
        floor: Intensity of the receiver's noise (noise-equivalent intensity), in the unit of y.

    Source:
        Goodman 1976.
    """

    looks: Parameter
    floor: Parameter

    def rate(self, prediction: Tensor) -> Tensor:
        """Compute the expected intensities m = A f + floor.

        Args:
            prediction: (b, *m) intensities A f; negative ones count as 0.

        Returns:
            (b, *m) intensities.
        """
        return prediction.clamp(min=0) + like(self.floor, prediction)

    def __call__(self, prediction: Tensor, y: Tensor) -> Tensor:
        ratio = y / self.rate(prediction)
        logarithm = ratio.clamp(min=torch.finfo(y.dtype).tiny).log()
        return (like(self.looks, y) * (ratio - 1 - logarithm)).mean()

    def sample(self, mean: Tensor, generator: torch.Generator | None = None) -> Tensor:
        looks = like(self.looks, mean)
        # torch.distributions takes no generator
        draw = torch._standard_gamma  # pyright: ignore[reportPrivateImportUsage]
        return self.rate(mean) * draw(looks.expand_as(mean).contiguous(), generator) / looks

    def standardized(self, prediction: Tensor, y: Tensor) -> Tensor:
        return (y / self.rate(prediction) - 1) * like(self.looks, y).sqrt()

    def least_squares(self, y: Tensor) -> tuple[Tensor, Tensor]:
        # one weight per row, by its mean square: one sample of speckle does not tell its variance
        square = y.clamp(min=like(self.floor, y)).square().reshape(len(y), -1).mean(1)
        precision = like(self.looks, y) / like(square, y)
        return y - like(self.floor, y), precision.expand_as(y)
