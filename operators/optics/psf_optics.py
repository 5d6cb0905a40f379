"""Point-spread functions of cameras: motion while the shutter is open, defocus, and diffraction."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from inverse_inr.operators.optics.psf_base import PSF, Nodes, as_complex, beside, size_of
from inverse_inr.operators.quadrature import (
    airy_radii,
    airy_table,
    bessel_j0,
    equal_weights,
    jinc,
    polar,
    rings_of_angles,
)


class Motion(PSF):
    """The image moves along `trajectory` (m, d), straight between its points, during the exposure.

    `times` (m,), rising, say when it is at each point; equal intervals by default. Its mean is not subtracted: a
    trajectory that starts at 0 registers the image to the start. nodes: Gauss-Legendre on each segment.
    """

    uniforms = 1

    def __init__(self, trajectory: Tensor, times: Tensor | None = None) -> None:
        super().__init__()
        self.trajectory = size_of("Motion: trajectory", trajectory, signed=True)
        if self.trajectory.ndim < 2 or self.trajectory.shape[-2] < 2:
            raise ValueError(
                f"Motion: trajectory must be (points, d), points >= 2, got {tuple(trajectory.shape)}."
            )
        m, self.ndim = self.trajectory.shape[-2:]
        times = torch.linspace(0, 1, m, dtype=torch.float64) if times is None else times.double()
        if times.shape != (m,) or not bool((times.diff() > 0).all()):
            raise ValueError(f"Motion: times must be {m} rising numbers, got {times}.")
        self.times = nn.Buffer((times - times[0]) / (times[-1] - times[0]))

    def nodes(self, order: int) -> Nodes:
        t, w = np.polynomial.legendre.leggauss(order)
        s = beside(torch.from_numpy((t + 1) / 2), self)[:, None]
        start, end = self.trajectory[..., :-1, None, :], self.trajectory[..., 1:, None, :]
        offsets = (start + s * (end - start)).flatten(-3, -2)
        return offsets, (
            self.times.diff()[:, None] * beside(torch.from_numpy(w / 2), self)
        ).flatten()

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
        self.radius = size_of("Defocus: radius", radius)

    def nodes(self, order: int) -> Nodes:
        s, w = np.polynomial.legendre.leggauss((order + 1) // 2)
        offsets, weights = rings_of_angles(np.sqrt((s + 1) / 2), w / 2, [2 * order + 1] * len(s))
        return beside(offsets, self) * self.radius[..., None, None], beside(weights, self)

    def draw(self, u: Tensor) -> Nodes:
        return polar(u[..., 0].sqrt() * self.radius[..., None], u[..., 1]), equal_weights(u)

    def transfer(self, frequency: Tensor) -> Tensor:
        return as_complex(
            jinc(2 * math.pi * self.radius * torch.linalg.vector_norm(frequency, dim=-1))
        )

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
        self.zero, self.rings = size_of("Airy: zero", zero), int(rings)

    def nodes(self, order: int) -> Nodes:
        radius, weight = airy_radii(self.rings, (order + 1) // 2)
        angles = [(2 * order + 1) * math.ceil(r) for r in radius]
        offsets, weights = rings_of_angles(radius, weight, angles)
        return beside(offsets, self) * self.zero[..., None, None], beside(weights, self)

    def draw(self, u: Tensor) -> Nodes:
        radius, energy = (beside(torch.from_numpy(a), self) for a in airy_table(self.rings))
        t = u[..., 0].contiguous()
        k = torch.searchsorted(energy, t, right=True).clamp(1, len(energy) - 1)
        s = (t - energy[k - 1]) / (energy[k] - energy[k - 1])
        r = radius[k - 1] + s * (radius[k] - radius[k - 1])
        return polar(r * self.zero[..., None], u[..., 1]), equal_weights(u)

    def transfer(self, frequency: Tensor) -> Tensor:
        radius, weight = (beside(torch.from_numpy(a), self) for a in airy_radii(self.rings, 48))
        k = torch.linalg.vector_norm(frequency, dim=-1, keepdim=True)
        return as_complex((bessel_j0(2 * math.pi * k * self.zero * radius) * weight).sum(-1))

    def half_widths(self) -> Tensor:
        return (self.zero * float(airy_table(self.rings)[0][-1]))[..., None].expand(
            *self.zero.shape, 2
        )
