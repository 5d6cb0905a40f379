"""Polar format: the far-field image of a plane by two interpolations and a Fourier transform.

Each pulse is a radial line of the scene's spatial spectrum (see `FarField`). Lines are resampled to
common wavenumbers along the middle look, then across pulses to a rectangular lattice, and the
lattice is transformed (Carrara et al. 1995).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from inverse_inr import memory
from inverse_inr.operators.radar.frequency_steps import is_even, spacing_in_words
from inverse_inr.operators.radar.geometry import SPEED_OF_LIGHT
from inverse_inr.operators.radar.matched_filter import check_echoes
from inverse_inr.operators.radar.plane_waves import PlaneWaves
from inverse_inr.operators.radar.sar import PhaseHistory
from inverse_inr.ranges import Count, Positive, checked

TAPS = 12
"""Samples that one interpolated value is made of."""
GAP = 1.5
"""Steps of azimuth, in usual ones, beyond which a pulse is taken to be missing."""
KAISER = 7.0
"""Shape parameter of the Kaiser window on the interpolating sinc."""


class _Look(NamedTuple):
    """The directions of a pass in the plane, split along and across the middle one."""

    mean: Tensor
    """(2,) unit vector of the middle look."""
    across: Tensor
    """(2,) unit vector at a right angle to it."""
    along: Tensor
    """(P,) cos(elevation) cos(azimuth) of each pulse, from the middle look."""
    side: Tensor
    """(P,) cos(elevation) sin(azimuth) of each pulse."""


@checked
def polar_format(
    operator: PhaseHistory,
    y: Tensor,
    shape: tuple[Count, Count],
    pitch: Positive,
    *,
    tolerance: Positive = 1.0,
) -> tuple[Tensor, Tensor]:
    """Image one pass on the horizontal plane through the centre of the operator's box.

    The pass is at (nearly) constant elevation, with pulses in the order of azimuth, smoothly along
    the pass and without gaps, and even frequencies: the resampling counts on both. The image is
    scaled as a backprojection: a unit point's peak is the number of samples.

    Args:
        operator: The radar with P pulses of K frequencies.
        y: (P, K) complex phase history, K values for each of P pulses.
        shape: Pixels along the middle look and across it.
        pitch: Side of a pixel in metres.
        tolerance: Phase error in rad at the image's edge that the wavefront's curvature may cause,
            and so may uneven pulses.

    Returns:
        The image, complex `shape`, and its pixels' places (*shape, 3) in metres.

    Raises:
        ValueError: If the curvature over the image, 2π f h² / (c R), is more than `tolerance`;
            frequencies are notched or otherwise uneven; pulses are out of order, missing or uneven;
            there are fewer than two of either; or the echoes hold NaN.
    """
    check_echoes(operator, y, "polar_format")
    f = operator.frequencies
    geometry = operator.geometry
    half = 0.5 * pitch * max(shape)
    _check_even(f, len(operator))
    error = PlaneWaves(geometry, operator.box.center).curvature(half, float(f[-1]))
    if error > tolerance:
        raise ValueError(
            f"polar_format: plane waves are wrong by {error:.3g} rad at the edge of a "
            f"{2 * half:.4g} m image, more than tolerance={tolerance}. A smaller image, or "
            "backproject, which has no such limit."
        )
    pixels = shape[0] * shape[1]
    memory.require(f"polar_format: an image of {shape} pixels", 80 * pixels, "Fewer pixels.")
    look = _look(operator)
    _check_pulses(look, 4 * math.pi * float(f[-1]) / SPEED_OF_LIGHT * half, tolerance)
    lattice, radial, cross = _lattice(f, _centred(operator, y), look)
    r, c = (
        (torch.arange(n, dtype=torch.float64, device=y.device) + 0.5 - 0.5 * n) * pitch
        for n in shape
    )
    image = _waves(r, radial) @ lattice @ _waves(c, cross).T
    if geometry.sign > 0:
        image = image.conj().resolve_conj()
    middle = geometry.transmitters.new_tensor(operator.box.center)
    place = middle + torch.zeros(*shape, 3, dtype=torch.float64, device=y.device)
    place[..., :2] += r[:, None, None] * look.mean + c[:, None] * look.across
    return image, place


def _check_even(frequencies: Tensor, pulses: int) -> None:
    """Raise ValueError unless there are several pulses and even frequencies."""
    if len(frequencies) < 2 or pulses < 2:
        raise ValueError(
            f"polar_format: {pulses} pulses of {len(frequencies)} frequencies make no image; two "
            "or more of both."
        )
    if not is_even(frequencies):
        raise ValueError(
            f"polar_format needs even frequencies; these have {spacing_in_words(frequencies)}. "
            "Notched, or of several bands? backproject takes any frequencies."
        )


def _check_pulses(look: _Look, reach: float, tolerance: float) -> None:
    """Raise ValueError unless pulses are in order, without gaps, and go smoothly along.

    `reach` is the wavenumber times the half-size of the image, in rad per unit of tangent.
    """
    if float(look.along.min()) <= 0:
        raise ValueError(
            "polar_format: the pass turns by 90 degrees or more to a side of the middle look; "
            "backproject has no such limit."
        )
    slope = look.side / look.along
    steps = slope.diff()
    if not (bool((steps > 0).all()) or bool((steps < 0).all())):
        back = (steps.sign() != steps.sign().sum().sign()).nonzero()
        raise ValueError(
            f"polar_format: pulse {int(back[0]) + 1} is not further along in azimuth than the one "
            "before. Several passes, or pulses out of order? Image one pass at a time, sorted by "
            "azimuth, or use backproject."
        )
    steps = steps.abs()
    if float(steps.max()) > GAP * float(steps.median()):
        raise ValueError(
            f"polar_format: after pulse {int(steps.argmax())} azimuth steps by "
            f"{float(steps.max() / steps.median()):.3g} times the usual step. Pulses missing? "
            "backproject takes any."
        )
    number = torch.linspace(-1, 1, len(slope), dtype=slope.dtype, device=slope.device)
    powers = number[:, None] ** torch.arange(min(4, len(slope)), device=slope.device)
    smooth = powers @ torch.linalg.lstsq(powers, slope[:, None]).solution
    error = (slope - smooth[:, 0]).abs() * reach
    if float(error.max()) > tolerance:
        raise ValueError(
            f"polar_format: pulse {int(error.argmax())} lies off a smooth pass by "
            f"{float(error.max()):.3g} rad of phase at the image's edge, more than "
            f"tolerance={tolerance}. Irregular pulses? backproject takes any."
        )


def _centred(operator: PhaseHistory, y: Tensor) -> Tensor:
    """Phase history (P, K) referenced to the box's centre, under exp(+j k u·x), complex128."""
    geometry = operator.geometry
    middle = geometry.transmitters.new_tensor([operator.box.center])
    rows = torch.arange(len(operator), device=y.device)
    turns = operator.frequencies * geometry.path(middle, rows) / SPEED_OF_LIGHT
    y = y.to(torch.complex128) * torch.polar(
        torch.ones_like(turns), -geometry.sign * 2 * math.pi * turns
    )
    if geometry.sign < 0:
        return y
    return y.conj().resolve_conj()


def _look(operator: PhaseHistory) -> _Look:
    look = operator.geometry.look(operator.box.center)[:, :2]
    mean = torch.nn.functional.normalize(look.mean(0), dim=0)
    across = torch.stack([-mean[1], mean[0]])
    return _Look(mean, across, look @ mean, look @ across)


def _lattice(f: Tensor, y: Tensor, look: _Look) -> tuple[Tensor, Tensor, Tensor]:
    """The spectrum on a rectangle: (K, P), its radial (K,) and cross (P,) wavenumbers in rad/m."""
    scale = 4 * math.pi / SPEED_OF_LIGHT
    first = scale * float((f[0] * look.along).max())
    last = scale * float((f[-1] * look.along).min())
    radial = torch.linspace(first, last, len(f), dtype=torch.float64, device=y.device)
    y = resample(y, (radial / (scale * look.along[:, None]) - f[0]) / (f[1] - f[0]))
    slope = look.side / look.along  # cross wavenumber / radial one
    reach = float(radial[0]) * min(-float(slope.min()), float(slope.max()))
    cross = torch.linspace(-reach, reach, len(y), dtype=torch.float64, device=y.device)
    # the position of each cross wavenumber among the pulses, for each radial one
    return resample(y.T, _among(slope, cross / radial[:, None])), radial, cross


def _among(slope: Tensor, wanted: Tensor) -> Tensor:
    """Fractional numbers of the pulses at which the slope, in order of the pulses, is as wanted."""
    sign = float((slope[-1] - slope[0]).sign())
    ordered = sign * slope
    wanted = (sign * wanted).contiguous()
    above = torch.searchsorted(ordered.contiguous(), wanted).clamp(1, len(slope) - 1)
    below = ordered[above - 1]
    return above - 1 + (wanted - below) / (ordered[above] - below)


def _waves(x: Tensor, k: Tensor) -> Tensor:
    """exp(-j k x) of positions (n,) in metres and wavenumbers (m,) in rad/m: (n, m)."""
    angle = -x[:, None] * k
    return torch.polar(torch.ones_like(angle), angle)


@checked
def resample(values: Tensor, position: Tensor) -> Tensor:
    """Interpolate each line by a Kaiser-windowed sinc of `TAPS` samples; zero outside.

    Args:
        values: (b, n) samples.
        position: (b, m) fractional indices.

    Returns:
        (b, m).
    """
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
