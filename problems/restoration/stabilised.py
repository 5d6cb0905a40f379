"""The generalised Anscombe transform: noise of photons and readout made one of unit variance.

    t(z) = 2 √max(z + 3/8 + r², 0),     z = counted electrons with readout noise of deviation r

A method for Gaussian noise may then work on t(z). The way back is no algebraic inverse: t is
concave, so the mean of t(z) lies below t of the mean. `Stabilised.back` undoes that exactly.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from inverse_inr import noise
from inverse_inr.ranges import NonNegative, Positive, checked

BRIGHT = 200.0
"""Electrons above which the inverse is taken from its expansion."""

NODES = 400
"""Means below `BRIGHT` at which the inverse is tabulated, evenly spaced in their square root."""


class Stabilised:
    """A camera's noise as noise of variance 1, and the way back without bias.

    Args:
        gain: Units of the measurement per electron, a: the variance of a value m is a m + b.
        readout: Standard deviation of the readout in electrons, √b / a.

    Source:
        Mäkitalo & Foi 2013, Optimal inversion of the generalized Anscombe transformation for
        Poisson-Gaussian noise.
    """

    @checked
    def __init__(self, gain: Positive, readout: NonNegative) -> None:
        self.gain = gain
        self.readout = readout

    @classmethod
    def of(cls, model: noise.Sensor) -> Stabilised:
        """The transform of a camera's noise model; parameters that differ by row are averaged.

        Args:
            model: The noise model.

        Returns:
            The transform.
        """
        photons = float(torch.as_tensor(model.photons, dtype=torch.float64).mean())
        efficiency = float(torch.as_tensor(model.efficiency, dtype=torch.float64).mean())
        readout = float(torch.as_tensor(model.readout, dtype=torch.float64).mean())
        return cls((1 - efficiency) / photons, readout / (1 - efficiency))

    def __call__(self, values: Tensor) -> Tensor:
        """Transform measurements.

        Args:
            values: Measurements of any shape.

        Returns:
            Values of the same shape whose noise has a standard deviation of about 1.
        """
        return 2 * (values / self.gain + 0.375 + self.readout**2).clamp(min=0).sqrt()

    def back(self, transformed: Tensor) -> Tensor:
        """Find the means whose transformed measurements have these means.

        Args:
            transformed: Denoised transformed values of any shape.

        Returns:
            Values of the same shape in the unit of the measurements, not below 0.
        """
        t = transformed.double()
        table, means = _table(self.readout)
        low = np.interp(t.flatten().numpy(force=True), table, means).reshape(tuple(t.shape))
        high = _expansion(t, self.readout)
        electrons = torch.where(t > float(table[-1]), high, torch.from_numpy(low).to(t.device))
        return (self.gain * electrons).to(transformed.dtype)


def _expansion(t: Tensor, readout: float) -> Tensor:
    """The inverse for many electrons, in powers of 1 / t."""
    root = math.sqrt(1.5)
    t = t.clamp(min=1.0)
    poisson = t.square() / 4 + root / 4 / t - 11 / 8 / t**2 + 5 * root / 8 / t**3 - 1 / 8
    return poisson - readout**2


@lru_cache(maxsize=8)
def _table(readout: float) -> tuple[np.ndarray, np.ndarray]:
    """Means of the transform, increasing, and the means of the electrons that give them.

    The expectation is a sum over counts and a Gauss-Hermite quadrature over readout noise.
    """
    from scipy.stats import poisson

    means = np.linspace(0.0, math.sqrt(BRIGHT), NODES) ** 2
    counts = np.arange(int(BRIGHT + 12 * math.sqrt(BRIGHT)) + 1)
    nodes, weights = np.polynomial.hermite_e.hermegauss(64)
    weights = weights / weights.sum()
    electrons = counts[:, None] + readout * nodes
    transformed = 2 * np.sqrt(np.maximum(electrons + 0.375 + readout**2, 0.0)) @ weights
    table = poisson.pmf(counts, means[:, None]) @ transformed
    return table, means
