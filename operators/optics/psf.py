"""Point-spread functions h(u) in physical units, with the ways to integrate a field against them.

    (h * f)(x) = ∫ h(u) f(x - u) du        ∫ h = 1

This is a true convolution: u is where light from a point lands. Each PSF gives deterministic
`nodes` (offsets and weights), a map `draw` from uniform numbers to offsets (for random sampling and
Sobol sequences), its transfer function in closed form, and the half-widths of its support. Sizes
may be `nn.Parameter`s, learnt by the solver, and may have leading axes, with one PSF per measured
position.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from inverse_inr.operators.optics.psf_base import PSF, Nodes, as_complex, beside, per_axis, size_of
from inverse_inr.operators.optics.psf_measured import Measured
from inverse_inr.operators.optics.psf_optics import Airy, Defocus, Motion
from inverse_inr.operators.quadrature import equal_weights, tensor_product
from inverse_inr.ranges import Count, Positive, checked

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
    """A Gaussian; give its standard deviation or its covariance.

    Nodes are Gauss-Hermite.

    Args:
        sigma: Standard deviation, one number or one per axis, in the unit of the field's box.
        ndim: Number of dimensions; a covariance says it by itself.
        covariance: (d, d) in units².

    Raises:
        ValueError: If both or none are given, for a sigma that is not positive, and for a
            covariance that is not positive definite.
    """

    @checked
    def __init__(
        self,
        sigma: Positive | Tensor | None = None,
        ndim: Count = 2,
        *,
        covariance: Tensor | None = None,
    ) -> None:
        super().__init__()
        if (sigma is None) == (covariance is None):
            raise ValueError("Gaussian: give sigma or covariance, one of them.")
        if covariance is not None:
            self.sigma = None
            self.covariance = size_of("Gaussian: covariance", covariance, signed=True)
            if bool(torch.linalg.cholesky_ex(self.covariance.detach()).info.any()):
                raise ValueError(
                    "Gaussian: covariance must be symmetric and positive definite, "
                    f"got {covariance}."
                )
            ndim = self.covariance.shape[-1]
        else:
            assert sigma is not None
            self.covariance = None
            self.sigma = size_of("Gaussian: sigma", sigma, ndim)
        self.ndim = self.uniforms = ndim

    def _sigmas(self) -> Tensor:
        """Standard deviations along the axes, (*b, d), of a Gaussian without covariance."""
        assert self.sigma is not None
        return per_axis(self.sigma, self.ndim)

    def _spread(self, standard: Tensor) -> Tensor:
        """Standard normal (*b, q, d) -> offsets."""
        if self.covariance is not None:
            return standard @ self._root(self.covariance).mT.to(standard)
        return standard * self._sigmas()[..., None, :]

    @staticmethod
    def _root(covariance: Tensor) -> Tensor:
        """Cholesky factor. The covariance is made symmetric: learning does not keep it so."""
        return torch.linalg.cholesky(0.5 * (covariance + covariance.mT))

    def nodes(self, order: int) -> Nodes:
        t, w = tensor_product(*np.polynomial.hermite.hermgauss(order), self.ndim)
        offsets = self._spread(math.sqrt(2) * beside(t, self))
        return offsets, beside(w, self) / math.pi ** (self.ndim / 2)

    def draw(self, u: Tensor) -> Nodes:
        return self._spread(torch.special.ndtri(u.clamp(1e-12, 1 - 1e-12))), equal_weights(u)

    def transfer(self, frequency: Tensor) -> Tensor:
        if self.covariance is not None:
            squared = torch.einsum(
                "...i,ij,...j->...", frequency, self.covariance.to(frequency), frequency
            )
        else:
            squared = (frequency * self._sigmas()).square().sum(-1)
        return as_complex(torch.exp(-2 * math.pi**2 * squared))

    def half_widths(self) -> Tensor:
        if self.covariance is not None:
            return 5 * self.covariance.diagonal(dim1=-2, dim2=-1).sqrt()
        return 5 * self._sigmas()

    def density(self, offsets: Tensor) -> Tensor:
        """h(u) up to a constant factor.

        Args:
            offsets: (*s, d) in physical units.

        Returns:
            (*s,), 1 at offset 0.
        """
        if self.covariance is not None:
            root = self._root(self.covariance).to(offsets)
            scaled = torch.linalg.solve_triangular(root, offsets[..., None], upper=False)[..., 0]
        else:
            scaled = offsets / self._sigmas()
        return torch.exp(-0.5 * scaled.square().sum(-1))


class Pixel(PSF):
    """A detector's pixel: the mean over a box.

    Nodes are Gauss-Legendre.

    Args:
        size: Side lengths of the box, one number or one per axis, in the unit of the field's box.
        ndim: Number of dimensions.
    """

    @checked
    def __init__(self, size: Positive | Tensor, ndim: Count = 2) -> None:
        super().__init__()
        self.ndim = self.uniforms = ndim
        self.size = size_of("Pixel: size", size, ndim)

    def nodes(self, order: int) -> Nodes:
        t, w = tensor_product(*np.polynomial.legendre.leggauss(order), self.ndim)
        offsets = 0.5 * beside(t, self) * per_axis(self.size, self.ndim)[..., None, :]
        return offsets, beside(w, self) / 2**self.ndim

    def draw(self, u: Tensor) -> Nodes:
        return (u - 0.5) * per_axis(self.size, self.ndim)[..., None, :], equal_weights(u)

    def transfer(self, frequency: Tensor) -> Tensor:
        return as_complex(torch.sinc(frequency * per_axis(self.size, self.ndim)).prod(-1))

    def half_widths(self) -> Tensor:
        return 0.5 * per_axis(self.size, self.ndim)


@checked
def blurred_features(features: Tensor, frequencies: Tensor, psf: PSF) -> Tensor:
    """Average Fourier features [sin 2πk·x, cos 2πk·x, ...] over a PSF in closed form.

        E sin 2πk·(x - u) = Re ĥ sin + Im ĥ cos

    For a Gaussian this is exp(-2π² σ² k²) sin. It is exact where the field is linear in its
    features; through a network it is an approximation.

    Args:
        features: (*s, 2m + r). The r columns that follow the 2m waves (raw coordinates) are kept,
            which is right for a PSF whose mean is 0.
        frequencies: (m, d) in cycles per unit of the box (an encoding's, times `box.scale`).
        psf: The point-spread function.

    Returns:
        (*s, 2m + r), as the features.

    Raises:
        ValueError: For too few features, or a PSF of another dimension.

    Source:
        Barron et al. 2021, eq. 13-14.
    """
    m = len(frequencies)
    if features.shape[-1] < 2 * m or frequencies.shape[-1] != psf.ndim:
        raise ValueError(
            f"blurred_features: {m} frequencies in {frequencies.shape[-1]} dimensions need at "
            f"least {2 * m} features and a PSF in as many; got {features.shape[-1]} features, "
            f"a PSF in {psf.ndim}."
        )
    sin, cos, rest = features.split([m, m, features.shape[-1] - 2 * m], -1)
    h = psf.transfer(frequencies)
    real = h.real.to(features.dtype)
    imaginary = h.imag.to(features.dtype)
    return torch.cat([real * sin + imaginary * cos, real * cos - imaginary * sin, rest], -1)
