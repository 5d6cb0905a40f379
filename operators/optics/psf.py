"""Point-spread functions h(u) in physical units, with the ways to integrate a field against them.

    (h * f)(x) = ∫ h(u) f(x - u) du        ∫ h = 1        a true convolution: u is where light from a point lands

Each PSF gives deterministic `nodes` (offsets and weights), a map `draw` from uniform numbers to offsets (for random
sampling and Sobol sequences), its transfer function in closed form, and the half-widths of its support. Sizes may be
`nn.Parameter`s, learnt by the solver, and may have leading axes, one PSF a measured position.
"""

from __future__ import annotations

import math
import warnings

import numpy as np
import torch
from torch import Tensor

from inverse_inr.operators.optics.psf_base import PSF, Nodes, as_complex, beside, per_axis, size_of
from inverse_inr.operators.optics.psf_optics import Airy, Defocus, Motion
from inverse_inr.operators.quadrature import equal_weights, tensor_product

__all__ = [
    "PSF",
    "Airy",
    "Defocus",
    "Gaussian",
    "Measured",
    "Motion",
    "Nodes",
    "Pixel",
    "blurred_features",
]


class Gaussian(PSF):
    """Gaussian of standard deviation `sigma` (a number, or one an axis), or of a `covariance` (d, d) in units².

    nodes: Gauss-Hermite. Raises ValueError for sigma <= 0 and a covariance that is not positive definite.
    """

    def __init__(
        self,
        sigma: float | Tensor | None = None,
        ndim: int = 2,
        *,
        covariance: Tensor | None = None,
    ) -> None:
        super().__init__()
        if (sigma is None) == (covariance is None):
            raise ValueError("Gaussian: give sigma or covariance, one of them.")
        self.covariance = (
            None if covariance is None else size_of("Gaussian: covariance", covariance, signed=True)
        )
        self.sigma = None if sigma is None else size_of("Gaussian: sigma", sigma, ndim)
        if self.covariance is not None and bool(
            torch.linalg.cholesky_ex(self.covariance.detach()).info.any()
        ):
            raise ValueError(
                f"Gaussian: covariance must be symmetric and positive definite, got {covariance}."
            )
        self.ndim = self.uniforms = ndim if self.covariance is None else self.covariance.shape[-1]

    def _spread(self, standard: Tensor) -> Tensor:
        """Standard normal (*b, q, d) -> offsets."""
        if self.covariance is not None:
            return standard @ self._root(self.covariance).mT.to(standard)
        assert self.sigma is not None
        return standard * per_axis(self.sigma, self.ndim)[..., None, :]

    @staticmethod
    def _root(covariance: Tensor) -> Tensor:
        return torch.linalg.cholesky(
            0.5 * (covariance + covariance.mT)
        )  # symmetric while it is learnt, too

    def nodes(self, order: int) -> Nodes:
        t, w = tensor_product(*np.polynomial.hermite.hermgauss(order), self.ndim)
        t, w = beside(t, self), beside(w, self)
        return self._spread(math.sqrt(2) * t), w / math.pi ** (self.ndim / 2)

    def draw(self, u: Tensor) -> Nodes:
        return self._spread(torch.special.ndtri(u.clamp(1e-12, 1 - 1e-12))), equal_weights(u)

    def transfer(self, frequency: Tensor) -> Tensor:
        if self.covariance is not None:
            squared = torch.einsum(
                "...i,ij,...j->...", frequency, self.covariance.to(frequency), frequency
            )
        else:
            assert self.sigma is not None
            squared = (frequency * per_axis(self.sigma, self.ndim)).square().sum(-1)
        return as_complex(torch.exp(-2 * math.pi**2 * squared))

    def half_widths(self) -> Tensor:
        if self.covariance is not None:
            return 5 * self.covariance.diagonal(dim1=-2, dim2=-1).sqrt()
        assert self.sigma is not None
        return 5 * per_axis(self.sigma, self.ndim)

    def density(self, offsets: Tensor) -> Tensor:
        """h, up to a constant factor, at (*s, d) offsets."""
        if self.covariance is not None:
            root = self._root(self.covariance).to(offsets)
            scaled = torch.linalg.solve_triangular(root, offsets[..., None], upper=False)[..., 0]
        else:
            assert self.sigma is not None
            scaled = offsets / per_axis(self.sigma, self.ndim)
        return torch.exp(-0.5 * scaled.square().sum(-1))


class Pixel(PSF):
    """A detector's pixel: the mean over a box of `size` (a number, or one an axis). nodes: Gauss-Legendre."""

    def __init__(self, size: float | Tensor, ndim: int = 2) -> None:
        super().__init__()
        self.ndim = self.uniforms = ndim
        self.size = size_of("Pixel: size", size, ndim)

    def nodes(self, order: int) -> Nodes:
        t, w = tensor_product(*np.polynomial.legendre.leggauss(order), self.ndim)
        return 0.5 * beside(t, self) * per_axis(self.size, self.ndim)[..., None, :], beside(
            w, self
        ) / 2**self.ndim

    def draw(self, u: Tensor) -> Nodes:
        return (u - 0.5) * per_axis(self.size, self.ndim)[..., None, :], equal_weights(u)

    def transfer(self, frequency: Tensor) -> Tensor:
        return as_complex(torch.sinc(frequency * per_axis(self.size, self.ndim)).prod(-1))

    def half_widths(self) -> Tensor:
        return 0.5 * per_axis(self.size, self.ndim)


class Measured(PSF):
    """A measured kernel: an array whose samples are `spacing` apart (a number, or one an axis), as point masses.

    `center` is the index of the sample at u = 0; default n // 2, the right one of the two middles of an even axis.
    Warns where the kernel does not sum to one within 1e-3 (flux would be lost or made), and leaves it as it is.
    Raises ValueError for NaN or Inf, a kernel of zeros, spacing <= 0, a centre outside.
    """

    uniforms = 1

    def __init__(
        self,
        kernel: Tensor,
        spacing: float | tuple[float, ...],
        center: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__()
        self.kernel = size_of("Measured: kernel", kernel, signed=True)
        self.ndim, shape = kernel.ndim, tuple(kernel.shape)
        self.spacing = (
            tuple(spacing) if isinstance(spacing, tuple) else (float(spacing),) * kernel.ndim
        )
        if len(self.spacing) != kernel.ndim or not all(
            h > 0 and math.isfinite(h) for h in self.spacing
        ):
            raise ValueError(
                f"Measured: spacing={spacing} must be positive, one number an axis of {shape}."
            )
        self.center = tuple(n // 2 for n in shape) if center is None else tuple(center)
        if len(self.center) != len(shape) or not all(
            0 <= c < n for c, n in zip(self.center, shape, strict=True)
        ):
            raise ValueError(f"Measured: center={center} is no index of a kernel of shape {shape}.")
        total = float(self.kernel.detach().sum())
        if not bool(self.kernel.detach().any()):
            raise ValueError(f"Measured: the kernel of shape {shape} holds only zeros.")
        if abs(total - 1) > 1e-3:
            warnings.warn(
                f"Measured: the kernel sums to {total:.6g}, not 1, so blurring scales the field. "
                "Pass kernel / kernel.sum() unless it should.",
                stacklevel=2,
            )

    def _offsets(self) -> Tensor:
        axes = [
            (torch.arange(n, dtype=torch.float64, device=self.kernel.device) - c) * h
            for n, c, h in zip(self.kernel.shape, self.center, self.spacing, strict=True)
        ]
        return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(-1, self.ndim)

    def nodes(self, order: int) -> Nodes:
        return self._offsets(), self.kernel.flatten()

    def draw(self, u: Tensor) -> Nodes:
        """Samples drawn by their magnitude; signs and the sum stay in the weights."""
        mass = self.kernel.detach().flatten().double()
        share = mass.abs().cumsum(0) / mass.abs().sum()
        k = torch.searchsorted(share, u[..., 0].contiguous(), right=True).clamp(max=len(share) - 1)
        weight = self.kernel.flatten()[k] / (mass.abs() / mass.abs().sum())[k]
        return self._offsets()[k], weight / u.shape[-2]

    def transfer(self, frequency: Tensor) -> Tensor:
        phase = frequency @ self._offsets().to(frequency).mT
        return (self.kernel.flatten().to(frequency) * torch.exp(-2j * math.pi * phase)).sum(-1)

    def half_widths(self) -> Tensor:
        return self._offsets().abs().amax(0)


def blurred_features(features: Tensor, frequencies: Tensor, psf: PSF) -> Tensor:
    """Fourier features [sin 2πk·x, cos 2πk·x, ...] of x, averaged over a PSF in closed form, without a node.

    E sin 2πk·(x - u) = Re ĥ sin + Im ĥ cos; for a Gaussian exp(-2π² σ² k²) sin (Barron et al. 2021, eq. 13-14).
    features (*s, 2m + r), frequencies (m, d) in cycles per unit of the box (an encoding's, times `box.scale`); what
    follows the 2m waves (raw coordinates) is kept, which is right for a PSF whose mean is 0. Exact where the field is
    linear in its features; through a network it is an approximation.
    """
    m = len(frequencies)
    if features.shape[-1] < 2 * m or frequencies.shape[-1] != psf.ndim:
        raise ValueError(
            f"blurred_features: {m} frequencies in {frequencies.shape[-1]} dimensions need at least {2 * m} features "
            f"and a PSF in as many; got {features.shape[-1]} features, a PSF in {psf.ndim}."
        )
    sin, cos, rest = features.split([m, m, features.shape[-1] - 2 * m], -1)
    h = psf.transfer(frequencies)
    a, b = h.real.to(features.dtype), h.imag.to(features.dtype)
    return torch.cat([a * sin + b * cos, a * cos - b * sin, rest], -1)
