"""Point-spread functions h(u) in physical units, with the ways to integrate a field against them.

    (h * f)(x) = ∫ h(u) f(x - u) du        ∫ h = 1        a true convolution: u is where light from a point lands

Each PSF gives deterministic `nodes` (offsets and weights), a map `draw` from uniform numbers to offsets (for random
sampling and Sobol sequences), its transfer function in closed form, and the half-widths of its support. Sizes may be
`nn.Parameter`s, learnt by the solver, and may have leading axes, one PSF a measured position.
"""

from __future__ import annotations

import math
import warnings
from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor, nn

from inverse_inr.operators.quadrature import (
    airy_radii,
    airy_table,
    bessel_j0,
    equal_weights,
    jinc,
    polar,
    rings_of_angles,
    tensor_product,
)

Nodes = tuple[Tensor, Tensor]
"""Offsets (*b, q, d) and weights (q,) or (*b, q) that sum to one."""


class PSF(nn.Module, ABC):
    """A point-spread function in `ndim` dimensions."""

    ndim: int
    uniforms: int
    """How many uniform numbers `draw` takes."""

    @abstractmethod
    def nodes(self, order: int) -> Nodes:
        """Quadrature exact, or nearly, for fields that are polynomials of degree about 2 order on the support."""

    @abstractmethod
    def draw(self, u: Tensor) -> Nodes:
        """Offsets distributed as h for uniform u in [0, 1): (*b, q, uniforms) -> (*b, q, d), and weights 1 / q."""

    @abstractmethod
    def transfer(self, frequency: Tensor) -> Tensor:
        """∫ h(u) exp(-2πi k·u) du, complex, at (*s, d) cycles per unit."""

    @abstractmethod
    def half_widths(self) -> Tensor:
        """(d,) half-extent of the support along each axis; a Gaussian's is 5 deviations (mass 6e-7 outside)."""


class Gaussian(PSF):
    """Gaussian of standard deviation `sigma` (a number, or one an axis), or of a `covariance` (d, d) in units².

    nodes: Gauss-Hermite. Raises ValueError for sigma <= 0 and a covariance that is not positive definite.
    """

    def __init__(self, sigma: float | Tensor | None = None, ndim: int = 2, *,
                 covariance: Tensor | None = None) -> None:  # fmt: skip
        super().__init__()
        if (sigma is None) == (covariance is None):
            raise ValueError("Gaussian: give sigma or covariance, one of them.")
        self.covariance = None if covariance is None else _size("Gaussian: covariance", covariance, signed=True)
        self.sigma = None if sigma is None else _size("Gaussian: sigma", sigma, ndim)
        if self.covariance is not None and bool(torch.linalg.cholesky_ex(self.covariance.detach()).info.any()):
            raise ValueError(f"Gaussian: covariance must be symmetric and positive definite, got {covariance}.")
        self.ndim = self.uniforms = ndim if self.covariance is None else self.covariance.shape[-1]

    def _spread(self, standard: Tensor) -> Tensor:
        """Standard normal (*b, q, d) -> offsets."""
        if self.covariance is not None:
            return standard @ self._root(self.covariance).mT.to(standard)
        assert self.sigma is not None
        return standard * _per_axis(self.sigma, self.ndim)[..., None, :]

    @staticmethod
    def _root(covariance: Tensor) -> Tensor:
        return torch.linalg.cholesky(0.5 * (covariance + covariance.mT))  # symmetric while it is learnt, too

    def nodes(self, order: int) -> Nodes:
        t, w = tensor_product(*np.polynomial.hermite.hermgauss(order), self.ndim)
        t, w = _like(t, self), _like(w, self)
        return self._spread(math.sqrt(2) * t), w / math.pi ** (self.ndim / 2)

    def draw(self, u: Tensor) -> Nodes:
        return self._spread(torch.special.ndtri(u.clamp(1e-12, 1 - 1e-12))), equal_weights(u)

    def transfer(self, frequency: Tensor) -> Tensor:
        if self.covariance is not None:
            squared = torch.einsum("...i,ij,...j->...", frequency, self.covariance.to(frequency), frequency)
        else:
            assert self.sigma is not None
            squared = (frequency * _per_axis(self.sigma, self.ndim)).square().sum(-1)
        return _complex(torch.exp(-2 * math.pi**2 * squared))

    def half_widths(self) -> Tensor:
        if self.covariance is not None:
            return 5 * self.covariance.diagonal(dim1=-2, dim2=-1).sqrt()
        assert self.sigma is not None
        return 5 * _per_axis(self.sigma, self.ndim)

    def density(self, offsets: Tensor) -> Tensor:
        """h, up to a constant factor, at (*s, d) offsets."""
        if self.covariance is not None:
            root = self._root(self.covariance).to(offsets)
            scaled = torch.linalg.solve_triangular(root, offsets[..., None], upper=False)[..., 0]
        else:
            assert self.sigma is not None
            scaled = offsets / _per_axis(self.sigma, self.ndim)
        return torch.exp(-0.5 * scaled.square().sum(-1))


class Pixel(PSF):
    """A detector's pixel: the mean over a box of `size` (a number, or one an axis). nodes: Gauss-Legendre."""

    def __init__(self, size: float | Tensor, ndim: int = 2) -> None:
        super().__init__()
        self.ndim = self.uniforms = ndim
        self.size = _size("Pixel: size", size, ndim)

    def nodes(self, order: int) -> Nodes:
        t, w = tensor_product(*np.polynomial.legendre.leggauss(order), self.ndim)
        return 0.5 * _like(t, self) * _per_axis(self.size, self.ndim)[..., None, :], _like(w, self) / 2**self.ndim

    def draw(self, u: Tensor) -> Nodes:
        return (u - 0.5) * _per_axis(self.size, self.ndim)[..., None, :], equal_weights(u)

    def transfer(self, frequency: Tensor) -> Tensor:
        return _complex(torch.sinc(frequency * _per_axis(self.size, self.ndim)).prod(-1))

    def half_widths(self) -> Tensor:
        return 0.5 * _per_axis(self.size, self.ndim)


class Motion(PSF):
    """The image moves along `trajectory` (m, d), straight between its points, during the exposure.

    `times` (m,), rising, say when it is at each point; equal intervals by default. Its mean is not subtracted: a
    trajectory that starts at 0 registers the image to the start. nodes: Gauss-Legendre on each segment.
    """

    uniforms = 1

    def __init__(self, trajectory: Tensor, times: Tensor | None = None) -> None:
        super().__init__()
        self.trajectory = _size("Motion: trajectory", trajectory, signed=True)
        if self.trajectory.ndim < 2 or self.trajectory.shape[-2] < 2:
            raise ValueError(f"Motion: trajectory must be (points, d), points >= 2, got {tuple(trajectory.shape)}.")
        m, self.ndim = self.trajectory.shape[-2:]
        times = torch.linspace(0, 1, m, dtype=torch.float64) if times is None else times.double()
        if times.shape != (m,) or not bool((times.diff() > 0).all()):
            raise ValueError(f"Motion: times must be {m} rising numbers, got {times}.")
        self.times = nn.Buffer((times - times[0]) / (times[-1] - times[0]))

    def nodes(self, order: int) -> Nodes:
        t, w = np.polynomial.legendre.leggauss(order)
        s = _like(torch.from_numpy((t + 1) / 2), self)[:, None]
        start, end = self.trajectory[..., :-1, None, :], self.trajectory[..., 1:, None, :]
        offsets = (start + s * (end - start)).flatten(-3, -2)
        return offsets, (self.times.diff()[:, None] * _like(torch.from_numpy(w / 2), self)).flatten()

    def draw(self, u: Tensor) -> Nodes:
        t = u[..., 0].contiguous()
        times = self.times.to(t.dtype)
        k = torch.searchsorted(times, t, right=True).clamp(1, len(times) - 1)
        s = ((t - times[k - 1]) / (times[k] - times[k - 1]))[..., None]
        lead = torch.broadcast_shapes(k.shape[:-1], self.trajectory.shape[:-2])
        path, k = self.trajectory.expand(*lead, -1, -1), k.expand(*lead, -1)[..., None]
        start, end = (torch.take_along_dim(path, j, -2) for j in (k - 1, k))
        return start + s * (end - start), equal_weights(u)

    def transfer(self, frequency: Tensor) -> Tensor:
        start, end = self.trajectory[:-1].to(frequency), self.trajectory[1:].to(frequency)
        along, middle = frequency @ (end - start).mT, frequency @ (0.5 * (start + end)).mT
        share = self.times.diff().to(frequency)
        return (share * torch.sinc(along) * torch.exp(-2j * math.pi * middle)).sum(-1)

    def half_widths(self) -> Tensor:
        return self.trajectory.abs().amax(-2)


class Defocus(PSF):
    """A uniform disc of `radius`, in 2-D. nodes: Gauss-Legendre in the squared radius times equal angles."""

    ndim = uniforms = 2

    def __init__(self, radius: float | Tensor) -> None:
        super().__init__()
        self.radius = _size("Defocus: radius", radius)

    def nodes(self, order: int) -> Nodes:
        s, w = np.polynomial.legendre.leggauss((order + 1) // 2)
        offsets, weights = rings_of_angles(np.sqrt((s + 1) / 2), w / 2, [2 * order + 1] * len(s))
        return _like(offsets, self) * self.radius[..., None, None], _like(weights, self)

    def draw(self, u: Tensor) -> Nodes:
        return polar(u[..., 0].sqrt() * self.radius[..., None], u[..., 1]), equal_weights(u)

    def transfer(self, frequency: Tensor) -> Tensor:
        return _complex(jinc(2 * math.pi * self.radius * torch.linalg.vector_norm(frequency, dim=-1)))

    def half_widths(self) -> Tensor:
        return self.radius[..., None].expand(*self.radius.shape, 2)


class Airy(PSF):
    """The diffraction pattern of a round aperture, in 2-D: (2 J1(v) / v)², v = 3.8317 r / `zero`.

    `zero` is the radius of the first dark ring (0.61 wavelength / numerical aperture). The pattern is cut at its
    `rings`-th dark ring and normalised: 16 % of the light lies outside the first, 5 % outside the fourth.
    nodes: Gauss-Legendre between dark rings times equal angles (Born & Wolf, Principles of Optics, 8.5.2).
    """

    ndim = uniforms = 2

    def __init__(self, zero: float | Tensor, rings: int = 4) -> None:
        super().__init__()
        if rings < 1:
            raise ValueError(f"Airy: rings must be at least 1, got {rings}.")
        self.zero, self.rings = _size("Airy: zero", zero), int(rings)

    def nodes(self, order: int) -> Nodes:
        radius, weight = airy_radii(self.rings, (order + 1) // 2)
        angles = [(2 * order + 1) * math.ceil(r) for r in radius]
        offsets, weights = rings_of_angles(radius, weight, angles)
        return _like(offsets, self) * self.zero[..., None, None], _like(weights, self)

    def draw(self, u: Tensor) -> Nodes:
        radius, energy = (_like(torch.from_numpy(a), self) for a in airy_table(self.rings))
        t = u[..., 0].contiguous()
        k = torch.searchsorted(energy, t, right=True).clamp(1, len(energy) - 1)
        s = (t - energy[k - 1]) / (energy[k] - energy[k - 1])
        r = radius[k - 1] + s * (radius[k] - radius[k - 1])
        return polar(r * self.zero[..., None], u[..., 1]), equal_weights(u)

    def transfer(self, frequency: Tensor) -> Tensor:
        radius, weight = (_like(torch.from_numpy(a), self) for a in airy_radii(self.rings, 48))
        k = torch.linalg.vector_norm(frequency, dim=-1, keepdim=True)
        return _complex((bessel_j0(2 * math.pi * k * self.zero * radius) * weight).sum(-1))

    def half_widths(self) -> Tensor:
        return (self.zero * float(airy_table(self.rings)[0][-1]))[..., None].expand(*self.zero.shape, 2)


class Measured(PSF):
    """A measured kernel: an array whose samples are `spacing` apart (a number, or one an axis), as point masses.

    `center` is the index of the sample at u = 0; default n // 2, the right one of the two middles of an even axis.
    Warns where the kernel does not sum to one within 1e-3 (flux would be lost or made), and leaves it as it is.
    Raises ValueError for NaN or Inf, a kernel of zeros, spacing <= 0, a centre outside.
    """

    uniforms = 1

    def __init__(
        self, kernel: Tensor, spacing: float | tuple[float, ...], center: tuple[int, ...] | None = None
    ) -> None:
        super().__init__()
        self.kernel = _size("Measured: kernel", kernel, signed=True)
        self.ndim, shape = kernel.ndim, tuple(kernel.shape)
        self.spacing = tuple(spacing) if isinstance(spacing, tuple) else (float(spacing),) * kernel.ndim
        if len(self.spacing) != kernel.ndim or not all(h > 0 and math.isfinite(h) for h in self.spacing):
            raise ValueError(f"Measured: spacing={spacing} must be positive, one number an axis of {shape}.")
        self.center = tuple(n // 2 for n in shape) if center is None else tuple(center)
        if len(self.center) != len(shape) or not all(0 <= c < n for c, n in zip(self.center, shape, strict=True)):
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


def _size(name: str, value: float | Tensor, ndim: int | None = None, *, signed: bool = False) -> Tensor:
    """A parameter stays one; anything else becomes a float64 buffer. Raises ValueError: not finite, not positive."""
    tensor = value if isinstance(value, Tensor) else torch.tensor(value, dtype=torch.float64)
    if not torch.isfinite(tensor).all():
        raise ValueError(f"{name} holds NaN or Inf.")
    if not signed and not bool((tensor > 0).all()):
        raise ValueError(f"{name} must be positive, got {value}.")
    if ndim is not None and tensor.ndim and tensor.shape[-1] not in (1, ndim):
        raise ValueError(f"{name} has {tensor.shape[-1]} values for {ndim} axes; give one, or one an axis.")
    if isinstance(value, nn.Parameter) or tensor.requires_grad:  # learnt, itself or what it is computed from
        return tensor
    return nn.Buffer(tensor.detach().clone().double())


def _per_axis(size: Tensor, ndim: int) -> Tensor:
    """A number, or one an axis, as (*b, ndim)."""
    size = torch.atleast_1d(size)
    return size.expand(*size.shape[:-1], ndim)


def _like(values: Tensor, psf: nn.Module) -> Tensor:
    """Constants in float64 where the PSF's sizes are."""
    for tensor in (*psf.parameters(), *psf.buffers()):
        return values.to(tensor.device)
    return values


def _complex(values: Tensor) -> Tensor:
    return torch.complex(values, torch.zeros_like(values))
