"""Filtered backprojection for parallel, fan and circular cone beams.

The form for cone beams is that of Feldkamp, Davis & Kress (1984).

Formulas: Kak & Slaney, Principles of Computerized Tomographic Imaging, chapter 3 (flat detectors:
section 3.4.2).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from inverse_inr import Grid
from inverse_inr.operators.ct.cone_beam import ConeBeam
from inverse_inr.operators.ct.diverging_beams import FanBeam
from inverse_inr.operators.ct.radon import ParallelBeam
from inverse_inr.operators.ct.ray_transform import RayTransform

WINDOWS = {
    "ramp": lambda f: torch.ones_like(f),
    "shepp-logan": lambda f: torch.sinc(f),
    "cosine": lambda f: torch.cos(math.pi * f),
    "hamming": lambda f: 0.54 + 0.46 * torch.cos(2 * math.pi * f),
    "hann": lambda f: 0.5 + 0.5 * torch.cos(2 * math.pi * f),
}
"""Apodisations of the ramp, as functions of the frequency in cycles per detector bin (0 to 1/2)."""


@torch.no_grad()
def fbp(operator: ParallelBeam | FanBeam, y: Tensor, grid: Grid, window: str = "ramp") -> Tensor:
    """Reconstruct an image by filtered backprojection.

    Views may be unevenly spaced; a gap wider than twice the median (limited angle) is left empty.

    Args:
        operator: The scan; a fan beam needs a full turn.
        y: (rows,) or (views, detectors) measurements.
        grid: The grid of the image.
        window: The apodisation of the ramp, a name in WINDOWS.

    Returns:
        (*grid.shape, 1), the image.

    Raises:
        TypeError: The operator is another.
        ValueError: The window is unknown, y has the wrong shape, or a fan's turn is partial.
    """
    if not isinstance(operator, ParallelBeam | FanBeam):
        raise TypeError(
            f"fbp reconstructs ParallelBeam and FanBeam, not {type(operator).__name__}. "
            "Cone beam: fdk."
        )
    views = _views(operator, y)
    if isinstance(operator, ParallelBeam):
        weights = angular_weights(operator.angles, math.pi)
        filtered = ramp_filter(views, operator.pitch, window)
        return _backproject(operator, filtered, weights, grid, power=0)
    return _diverging(operator, views, grid, window)


@torch.no_grad()
def fdk(operator: ConeBeam, y: Tensor, grid: Grid, window: str = "ramp") -> Tensor:
    """Reconstruct a volume from a full circular scan, by Feldkamp, Davis & Kress.

    The method is exact in the plane of the source and approximate off it.

    Args:
        operator: The scan, a full turn.
        y: (rows,) or (views, rows, columns) measurements.
        grid: The grid of the volume.
        window: The apodisation of the ramp, a name in WINDOWS.

    Returns:
        (*grid.shape, 1), the volume.

    Raises:
        TypeError: The operator is another.
        ValueError: The window is unknown, y has the wrong shape, or the turn is partial.
    """
    if not isinstance(operator, ConeBeam):
        raise TypeError(
            f"fdk reconstructs ConeBeam, not {type(operator).__name__}. Parallel or fan beam: fbp."
        )
    return _diverging(operator, _views(operator, y), grid, window)


def ramp_filter(views: Tensor, pitch: float, window: str = "ramp") -> Tensor:
    """Convolve the last axis with the band-limited and windowed ramp, which has no DC bias.

    Args:
        views: (*s, detectors) line integrals.
        pitch: Width of a detector bin, in length units.
        window: The apodisation, a name in WINDOWS.

    Returns:
        (*s, detectors), filtered.

    Raises:
        ValueError: The window is unknown.

    Source:
        Kak & Slaney, eq. 3.61.
    """
    if window not in WINDOWS:
        raise ValueError(f"window must be one of {sorted(WINDOWS)}, got {window!r}.")
    count = views.shape[-1]
    size = 2 ** math.ceil(math.log2(2 * count))
    n = torch.fft.fftfreq(size, 1 / size, dtype=views.dtype, device=views.device)
    kernel = torch.where(n.remainder(2) == 1, -1 / (math.pi * n * pitch) ** 2, torch.zeros_like(n))
    kernel[0] = 0.25 / pitch**2
    frequency = torch.fft.rfftfreq(size, device=n.device, dtype=n.dtype)
    response = torch.fft.rfft(kernel).real * WINDOWS[window](frequency)
    return pitch * torch.fft.irfft(torch.fft.rfft(views, size) * response, size)[..., :count]


def angular_weights(angles: Tensor, period: float) -> Tensor:
    """The part of the period that each view stands for: half the gaps next to it.

    Gaps wider than twice the median are left out.

    Args:
        angles: (views,) in radians, in any order.
        period: The period of the views in radians, π or 2π.

    Returns:
        (views,) weights in radians.
    """
    order = torch.argsort(angles.remainder(period))
    ordered = angles.remainder(period)[order]
    gaps = torch.cat([ordered[1:], ordered[:1] + period]) - ordered  # gap after each view
    gaps = gaps.where(gaps <= 2 * gaps[gaps > 1e-6 * period].median() + 1e-6, gaps.median())
    weights = torch.empty_like(gaps)
    weights[order] = 0.5 * (gaps + gaps.roll(1))
    return weights


def _views(operator: RayTransform, y: Tensor) -> Tensor:
    if y.numel() != len(operator) or tuple(y.shape) not in (operator.shape, (len(operator),)):
        raise ValueError(
            f"{type(operator).__name__} has shape {operator.shape}; y has shape {tuple(y.shape)}."
        )
    return y.reshape(operator.shape)


def _diverging(beam: FanBeam | ConeBeam, views: Tensor, grid: Grid, window: str) -> Tensor:
    """Cosine weight, ramp and backprojection by 1/depth², with the detector scaled to the axis."""
    weights = angular_weights(beam.angles, 2 * math.pi)
    covered = float(weights.sum())
    if covered < 2 * math.pi * (1 - 2 / len(weights)):
        raise ValueError(
            f"{type(beam).__name__}: the views cover {math.degrees(covered):.0f} degrees; "
            "filtered backprojection of a diverging beam needs a full turn of 360."
        )
    pitch = beam.pitch / float(beam.magnification)
    axes = [pitch * (torch.arange(n, dtype=views.dtype) - 0.5 * (n - 1)) for n in beam.shape[1:]]
    axes[-1] = axes[-1] - float(beam.center) / float(beam.magnification)
    distance2 = sum(a.square() for a in torch.meshgrid(*axes, indexing="ij"))
    cosine = beam.source_distance / (beam.source_distance.square() + distance2).sqrt()
    filtered = ramp_filter(views * cosine.to(views), pitch, window)
    return _backproject(beam, filtered, 0.5 * weights, grid, power=2)


def _backproject(
    beam: RayTransform, views: Tensor, weights: Tensor, grid: Grid, power: int
) -> Tensor:
    """Σ_v weight_v view_v(projection of the pixel) / depth^power, by linear interpolation."""
    points = grid.points(views.dtype, views.device)
    image = torch.zeros(grid.shape, dtype=views.dtype, device=views.device)
    scale = views.new_tensor([2 / max(n - 1, 1) for n in beam.shape[1:]])
    for view in range(beam.shape[0]):
        index, depth = beam.locate(points.to(beam.angles.dtype), view)
        # grid_sample wants the last axis first, and corners at ±1
        where = (index.to(views.dtype) * scale - 1).flip(-1)
        if where.shape[-1] == 1:
            where = torch.cat([where, torch.zeros_like(where)], -1)
        source = views[view].reshape(1, 1, -1, beam.shape[-1])
        value = torch.nn.functional.grid_sample(
            source, where.reshape(1, 1, -1, 2), align_corners=True
        )
        image += weights[view].to(image) * value.reshape(grid.shape) / depth.to(image) ** power
    return image[..., None]
