"""Polar format: the far-field image of a plane by two one-dimensional interpolations and a Fourier transform.

Each pulse is a radial line of the scene's spectrum (see `FarField`). Lines are resampled to common wavenumbers along
the middle look, these across pulses to a rectangular lattice, and that is transformed (Carrara et al. 1995).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from inverse_inr.operators.radar.geometry import SPEED_OF_LIGHT
from inverse_inr.operators.radar.plane_waves import PlaneWaves
from inverse_inr.operators.radar.sar import PhaseHistory

TAPS, KAISER = 12, 7.0


def polar_format(
    operator: PhaseHistory,
    y: Tensor,
    shape: tuple[int, int],
    pitch: float,
    *,
    tolerance: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """(image, points): `shape` pixels of `pitch` (m) around the centre, rows along the middle look, and (*shape, 3).

    One pass at (nearly) constant elevation, pulses in the order of azimuth, uniform frequencies; the plane is
    horizontal at the centre's height. It is scaled as a backprojection: a unit point's peak is the number of samples.
    Raises ValueError where the wavefront's curvature over the image, 2π f h² / (c R), is more than `tolerance` rad.
    """
    f, geometry = operator.frequencies, operator.geometry
    half = 0.5 * pitch * max(shape)
    error = PlaneWaves(geometry, operator.box.center).curvature(half, float(f[-1]))
    if error > tolerance:
        raise ValueError(
            f"polar_format: plane waves are wrong by {error:.3g} rad at the edge of a {2 * half:.4g} m image, more "
            f"than tolerance={tolerance}. A smaller image, or backproject, which has no such limit."
        )
    middle = geometry.transmitters.new_tensor([operator.box.center])
    rows = torch.arange(len(operator), device=y.device)
    turns = f * geometry.path(middle, rows) / SPEED_OF_LIGHT  # the reference moves to the centre
    y = y.to(torch.complex128) * torch.polar(
        torch.ones_like(turns), -geometry.sign * 2 * math.pi * turns
    )
    y = y if geometry.sign < 0 else y.conj().resolve_conj()  # exp(+j k u·x) from here on
    look = geometry.look(operator.box.center)
    mean = torch.nn.functional.normalize(look[:, :2].mean(0), dim=0)
    across = torch.stack([-mean[1], mean[0]])
    along, side = (
        look[:, :2] @ mean,
        look[:, :2] @ across,
    )  # cos(elevation) cos(azimuth), ... sin(azimuth)
    scale = 4 * math.pi / SPEED_OF_LIGHT
    first, last = scale * float((f[0] * along).max()), scale * float((f[-1] * along).min())
    radial = torch.linspace(first, last, len(f), dtype=torch.float64, device=y.device)
    y = resample(y, (radial / (scale * along[:, None]) - f[0]) / (f[1] - f[0]))
    slope = side / along  # cross wavenumber / radial one
    reach = float(radial[0]) * min(-float(slope.min()), float(slope.max()))
    cross = torch.linspace(-reach, reach, len(y), dtype=torch.float64, device=y.device)
    # pulses are (nearly) uniform in slope: position of each cross wavenumber among them, for each radial one
    pulse = (cross / radial[:, None] - slope[0]) / ((slope[-1] - slope[0]) / (len(y) - 1))
    lattice = resample(y.T, pulse)  # (radial, cross)
    r, c = (
        (torch.arange(n, dtype=torch.float64, device=y.device) + 0.5 - 0.5 * n) * pitch
        for n in shape
    )
    image = _waves(r, radial) @ lattice @ _waves(c, cross).T
    place = middle[0] + torch.zeros(*shape, 3, dtype=torch.float64, device=y.device)
    place[..., :2] += r[:, None, None] * mean + c[:, None] * across
    return (image if geometry.sign < 0 else image.conj().resolve_conj()), place


def _waves(x: Tensor, k: Tensor) -> Tensor:
    angle = -x[:, None] * k
    return torch.polar(torch.ones_like(angle), angle)


def resample(values: Tensor, position: Tensor) -> Tensor:
    """Rows (b, n) at fractional indices (b, m) by a Kaiser-windowed sinc of `TAPS` samples; zero outside."""
    n = values.shape[1]
    first = position.floor().long() - TAPS // 2 + 1
    total = torch.zeros(position.shape, dtype=values.dtype, device=values.device)
    for k in range(TAPS):
        index = first + k
        offset = position - index
        window = torch.special.i0(KAISER * (1 - (offset / (TAPS / 2)).square()).clamp(min=0).sqrt())
        weight = torch.sinc(offset) * window * ((index >= 0) & (index < n))
        total += values.gather(1, index.clamp(0, n - 1)) * weight
    return total / float(torch.special.i0(torch.tensor(KAISER, dtype=torch.float64)))
