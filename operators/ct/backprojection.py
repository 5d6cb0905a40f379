"""Filtered backprojection (parallel and fan beam) and its circular cone-beam form by Feldkamp, Davis & Kress (1984).

Formulas: Kak & Slaney, Principles of Computerized Tomographic Imaging, chapter 3 (flat detectors: section 3.4.2).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from inverse_inr import Grid
from inverse_inr.operators.ct.radon import ConeBeam, FanBeam, ParallelBeam, RayTransform

WINDOWS = {
    "ramp": lambda f: torch.ones_like(f),
    "shepp-logan": lambda f: torch.sinc(f),
    "cosine": lambda f: torch.cos(math.pi * f),
    "hamming": lambda f: 0.54 + 0.46 * torch.cos(2 * math.pi * f),
    "hann": lambda f: 0.5 + 0.5 * torch.cos(2 * math.pi * f),
}
"""Apodisation of the ramp, as functions of the frequency in cycles per detector bin (0 to 1/2)."""


@torch.no_grad()
def fbp(operator: ParallelBeam | FanBeam, y: Tensor, grid: Grid, window: str = "ramp") -> Tensor:
    """Filtered backprojection on `grid`: y (rows,) or (views, detectors) -> (*grid.shape, 1).

    Views may be unevenly spaced; a gap wider than twice the median (limited angle) is left empty. A fan beam needs a
    full turn. Raises ValueError for an unknown window, y of the wrong shape, a partial turn.
    """
    if not isinstance(operator, ParallelBeam | FanBeam):
        raise TypeError(
            f"fbp reconstructs ParallelBeam and FanBeam, not {type(operator).__name__}. Cone beam: fdk."
        )
    views = _views(operator, y)
    if isinstance(operator, ParallelBeam):
        weights = angular_weights(operator.angles, math.pi)
        filtered = ramp_filter(views, operator.pitch, window)
        return _backproject(operator, filtered, weights, grid, power=0)
    return _diverging(operator, views, grid, window)


@torch.no_grad()
def fdk(operator: ConeBeam, y: Tensor, grid: Grid, window: str = "ramp") -> Tensor:
    """Feldkamp-Davis-Kress reconstruction of a full circular scan: y (rows,) or (views, rows, columns) -> (*shape, 1).

    Exact in the plane of the source, approximate off it. Raises ValueError as `fbp`.
    """
    if not isinstance(operator, ConeBeam):
        raise TypeError(
            f"fdk reconstructs ConeBeam, not {type(operator).__name__}. Parallel or fan beam: fbp."
        )
    return _diverging(operator, _views(operator, y), grid, window)


def ramp_filter(views: Tensor, pitch: float, window: str = "ramp") -> Tensor:
    """Convolve the last axis with the band-limited ramp (Kak & Slaney eq. 3.61, no DC bias), windowed."""
    if window not in WINDOWS:
        raise ValueError(f"window must be one of {sorted(WINDOWS)}, got {window!r}.")
    count = views.shape[-1]
    size = 2 ** math.ceil(math.log2(2 * count))
    n = torch.fft.fftfreq(size, 1 / size, dtype=views.dtype, device=views.device)
    kernel = torch.where(n.remainder(2) == 1, -1 / (math.pi * n * pitch) ** 2, torch.zeros_like(n))
    kernel[0] = 0.25 / pitch**2
    response = torch.fft.rfft(kernel).real * WINDOWS[window](
        torch.fft.rfftfreq(size, device=n.device, dtype=n.dtype)
    )
    return pitch * torch.fft.irfft(torch.fft.rfft(views, size) * response, size)[..., :count]


def angular_weights(angles: Tensor, period: float) -> Tensor:
    """The part of `period` that each view stands for (rad): half the gaps beside it, wide gaps left out."""
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
    """Fan and cone beam with the detector scaled back to the axis: cosine weight, ramp, 1/depth² backprojection."""
    weights = angular_weights(beam.angles, 2 * math.pi)
    covered = float(weights.sum())
    if covered < 2 * math.pi * (1 - 2 / len(weights)):
        raise ValueError(
            f"{type(beam).__name__}: the views cover {math.degrees(covered):.0f} degrees; filtered backprojection of a "
            "diverging beam needs a full turn of 360."
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
    """Σ_v weight_v view_v(where the pixel projects) / depth^power, detector interpolated linearly."""
    points = grid.points(views.dtype, views.device)
    image = torch.zeros(grid.shape, dtype=views.dtype, device=views.device)
    scale = views.new_tensor([2 / max(n - 1, 1) for n in beam.shape[1:]])
    for view in range(beam.shape[0]):
        index, depth = beam.locate(points.to(beam.angles.dtype), view)
        where = (index.to(views.dtype) * scale - 1).flip(
            -1
        )  # grid_sample: last axis first, corners at ±1
        if where.shape[-1] == 1:
            where = torch.cat([where, torch.zeros_like(where)], -1)
        source = views[view].reshape(1, 1, -1, beam.shape[-1])
        value = torch.nn.functional.grid_sample(
            source, where.reshape(1, 1, -1, 2), align_corners=True
        )
        image += weights[view].to(image) * value.reshape(grid.shape) / depth.to(image) ** power
    return image[..., None]
