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
from inverse_inr.ranges import Count, Positive, checked

TRANSFER_ORDER = 48
"""Gauss-Legendre nodes per ring for the transfer function of the Airy pattern."""


class Motion(PSF):
    """The image moves along a trajectory of straight segments during the exposure.

    The trajectory's mean is not subtracted: one that starts at 0 registers the image to the start.
    Nodes are Gauss-Legendre on each segment.

    Args:
        trajectory: (m, d) points, in the unit of the field's box.
        times: (m,) rising, when the image is at each point, in any unit; default equal intervals.

    Raises:
        ValueError: For fewer than two points, a trajectory that is not finite, or times that do not
            rise.
    """

    uniforms = 1

    @checked
    def __init__(self, trajectory: Tensor, times: Tensor | None = None) -> None:
        super().__init__()
        self.trajectory = size_of("Motion: trajectory", trajectory, signed=True)
        if self.trajectory.ndim < 2 or self.trajectory.shape[-2] < 2:
            raise ValueError(
                "Motion: trajectory must be (points, d), points >= 2, "
                f"got {tuple(trajectory.shape)}."
            )
        m, self.ndim = self.trajectory.shape[-2:]
        if times is None:
            times = torch.linspace(0, 1, m, dtype=torch.float64)
        times = times.double()
        if times.shape != (m,) or not bool((times.diff() > 0).all()):
            raise ValueError(f"Motion: times must be {m} rising numbers, got {times}.")
        self.times = nn.Buffer((times - times[0]) / (times[-1] - times[0]))

    def nodes(self, order: int) -> Nodes:
        t, w = np.polynomial.legendre.leggauss(order)
        s = beside(torch.from_numpy((t + 1) / 2), self)[:, None]
        start = self.trajectory[..., :-1, None, :]
        end = self.trajectory[..., 1:, None, :]
        offsets = (start + s * (end - start)).flatten(-3, -2)
        weights = self.times.diff()[:, None] * beside(torch.from_numpy(w / 2), self)
        return offsets, weights.flatten()

    def draw(self, u: Tensor) -> Nodes:
        t = u[..., 0].contiguous()
        times = self.times.to(t.dtype)
        k = torch.searchsorted(times, t, right=True).clamp(1, len(times) - 1)
        s = ((t - times[k - 1]) / (times[k] - times[k - 1]))[..., None]
        lead = torch.broadcast_shapes(k.shape[:-1], self.trajectory.shape[:-2])
        path = self.trajectory.expand(*lead, -1, -1)
        k = k.expand(*lead, -1)[..., None]
        start = torch.take_along_dim(path, k - 1, -2)
        end = torch.take_along_dim(path, k, -2)
        return start + s * (end - start), equal_weights(u)

    def transfer(self, frequency: Tensor) -> Tensor:
        start = self.trajectory[:-1].to(frequency)
        end = self.trajectory[1:].to(frequency)
        along = frequency @ (end - start).mT
        middle = frequency @ (0.5 * (start + end)).mT
        share = self.times.diff().to(frequency)
        return (share * torch.sinc(along) * torch.exp(-2j * math.pi * middle)).sum(-1)

    def half_widths(self) -> Tensor:
        return self.trajectory.abs().amax(-2)


class Defocus(PSF):
    """A uniform disc, in 2-D.

    Nodes are Gauss-Legendre in the squared radius times equal angles.

    Args:
        radius: Radius of the disc, in the unit of the field's box.
    """

    ndim = uniforms = 2

    @checked
    def __init__(self, radius: Positive | Tensor) -> None:
        super().__init__()
        self.radius = size_of("Defocus: radius", radius)

    def nodes(self, order: int) -> Nodes:
        s, w = np.polynomial.legendre.leggauss((order + 1) // 2)
        offsets, weights = rings_of_angles(np.sqrt((s + 1) / 2), w / 2, [2 * order + 1] * len(s))
        return beside(offsets, self) * self.radius[..., None, None], beside(weights, self)

    def draw(self, u: Tensor) -> Nodes:
        return polar(u[..., 0].sqrt() * self.radius[..., None], u[..., 1]), equal_weights(u)

    def transfer(self, frequency: Tensor) -> Tensor:
        distance = torch.linalg.vector_norm(frequency, dim=-1)
        return as_complex(jinc(2 * math.pi * self.radius * distance))

    def half_widths(self) -> Tensor:
        return self.radius[..., None].expand(*self.radius.shape, 2)


class Airy(PSF):
    """The diffraction pattern of a round aperture, in 2-D: (2 J1(v) / v)², v = 3.8317 r / `zero`.

    The pattern is cut at a dark ring and normalised: 16 % of the light lies outside the first, 5 %
    outside the fourth. Nodes are Gauss-Legendre between dark rings times equal angles.

    Args:
        zero: Radius of the first dark ring (0.61 wavelength / numerical aperture), in the unit of
            the field's box.
        rings: The number of the dark ring at which the pattern is cut.

    Raises:
        ValueError: For a radius that is not positive or less than one ring.

    Source:
        Born & Wolf, Principles of Optics, 8.5.2.
    """

    ndim = uniforms = 2

    @checked
    def __init__(self, zero: Positive | Tensor, rings: Count = 4) -> None:
        super().__init__()
        self.zero = size_of("Airy: zero", zero)
        self.rings = int(rings)

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
        table = airy_radii(self.rings, TRANSFER_ORDER)
        radius, weight = (beside(torch.from_numpy(a), self) for a in table)
        k = torch.linalg.vector_norm(frequency, dim=-1, keepdim=True)
        return as_complex((bessel_j0(2 * math.pi * k * self.zero * radius) * weight).sum(-1))

    def half_widths(self) -> Tensor:
        last = float(airy_table(self.rings)[0][-1])
        return (self.zero * last)[..., None].expand(*self.zero.shape, 2)
