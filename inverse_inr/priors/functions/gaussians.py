"""Sums of Gaussians, whose line integrals, transforms and blurs are known in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from inverse_inr.phantoms import off_line


@dataclass(frozen=True, eq=False)
class Gaussians:
    """The field Σ_i amplitudes[i] exp(-½ |factors[i] (x - centers[i])|²): (*s, d) -> (*s, c).

    Everything is differentiable in centres, factors and amplitudes. Every method visits all n
    Gaussians at every point.

    Attributes:
        centers: (n, d), in the unit of the points.
        factors: (n, d, d); factorᵀ factor is the inverse covariance.
        amplitudes: (n, c), real or complex.
    """

    centers: Tensor
    factors: Tensor
    amplitudes: Tensor

    def __call__(self, points: Tensor) -> Tensor:
        """Evaluate the field at points (*s, d): (*s, c)."""
        shift = (self.factors @ self.centers[..., None])[..., 0]
        local = nn.functional.linear(points, self.factors.flatten(0, 1), -shift.flatten())
        return self._sum(torch.exp(local.unflatten(-1, shift.shape).square().sum(-1) / -2))

    def line_integral(self, origin: Tensor, direction: Tensor) -> Tensor:
        """Integrate along whole lines, over their length.

        Args:
            origin: (*s, d), a point of each line.
            direction: (*s, d), of any length.

        Returns:
            (*s, c).
        """
        unit = direction / direction.norm(dim=-1, keepdim=True)
        across = off_line(origin[..., None, :] - self.centers, unit[..., None, :])
        local, along = (
            torch.einsum("nab,...nb->...na", self.factors, v) for v in (across, unit[..., None, :])
        )
        stretch = along.norm(dim=-1)
        distance2 = off_line(local, along / stretch[..., None]).square().sum(-1)
        return self._sum(math.sqrt(2 * math.pi) / stretch * torch.exp(distance2 / -2))

    def fourier(self, frequency: Tensor) -> Tensor:
        """Evaluate the Fourier transform ∫ f(x) exp(-2πi k·x) dx.

        Args:
            frequency: k, (*s, d) in cycles per unit.

        Returns:
            (*s, c), complex.
        """
        inverse = torch.linalg.inv(self.factors)
        spread = torch.einsum("nba,...b->...na", inverse, frequency).square().sum(-1)
        mass = (2 * math.pi) ** (self.centers.shape[-1] / 2) * inverse.det().abs()
        phase = -2 * math.pi * (frequency @ self.centers.mT)
        return self._sum(torch.polar(mass * torch.exp(-2 * math.pi**2 * spread), phase))

    def blurred(self, covariance: Tensor) -> Gaussians:
        """Convolve the field with a Gaussian density.

        Args:
            covariance: (d, d) in squared units.

        Returns:
            The blurred field, which has the same integral.
        """
        inverse = torch.linalg.inv(self.factors)
        wider = torch.linalg.inv(torch.linalg.cholesky(inverse @ inverse.mT + covariance))
        kept = (wider.det() / self.factors.det()).abs()  # of the peak: the mass stays
        return Gaussians(self.centers, wider, self.amplitudes * kept[:, None])

    def _sum(self, weights: Tensor) -> Tensor:
        dtype = torch.promote_types(weights.dtype, self.amplitudes.dtype)
        return weights.to(dtype) @ self.amplitudes.to(dtype)
