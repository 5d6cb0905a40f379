"""Filtered backprojection for parallel, fan and circular cone beams.

Formulas: Kak & Slaney, Principles of Computerized Tomographic Imaging, chapter 3 (flat detectors:
section 3.4.2). The form for cone beams is that of Feldkamp, Davis & Kress (J. Opt. Soc. Am. A 1,
1984). With D from the source to the axis, s the detector coordinate scaled to the axis and U the
depth of x relative to the axis:

    f(x) = Σ_views Δβ U^-2 (ramp * [w(β, s) D / sqrt(D² + s² + v²) y(β, s, v)])(projection of x)

The weights w of `ray_weights` are those of rays that are seen twice. A parallel beam is the limit
D → ∞.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from inverse_inr import Grid
from inverse_inr.operators.ct.cone_beam import ConeBeam
from inverse_inr.operators.ct.diverging_beams import DivergingBeam, FanBeam
from inverse_inr.operators.ct.flat_panel import projected_lattice
from inverse_inr.operators.ct.radon import ParallelBeam
from inverse_inr.operators.ct.ramp_filters import check_window, filtered_between
from inverse_inr.operators.ct.ray_transform import RayTransform
from inverse_inr.operators.ct.ray_weights import from_axis, ray_weights
from inverse_inr.operators.ct.turning_scanner import at_views
from inverse_inr.ranges import require

VOXELS_AT_ONCE = 2**17
"""Voxels whose projections are looked up together: on a CPU they stay in its second cache."""
FINER = 8
"""Samples a bin of the filtered views: the nearest one is taken."""


@torch.no_grad()
def fbp(operator: ParallelBeam | FanBeam, y: Tensor, grid: Grid, window: str = "ram-lak") -> Tensor:
    """Reconstruct an image by filtered backprojection.

    Views may be unevenly spaced, repeated and in any order; a gap that the other views do not
    explain (limited angle) is left empty. A detector that is shifted off the axis sees all in a
    full turn, and a fan in half a turn and its fan angle.

    Args:
        operator: The scan; a fan beam covers 180 degrees and its fan angle, or more.
        y: (rows,) or (views, detectors) measurements.
        grid: The grid of the image.
        window: The apodisation of the ramp: "ram-lak" (or "ramp"), "shepp-logan", "cosine",
            "hamming" or "hann".

    Returns:
        (*grid.shape, 1), the image, in single precision at least.

    Raises:
        TypeError: The operator is another, or y is complex.
        ValueError: The window is unknown, y has the wrong shape or holds NaN, or a fan's views are
            too few.
    """
    if not isinstance(operator, ParallelBeam | FanBeam):
        raise TypeError(
            f"fbp reconstructs ParallelBeam and FanBeam, not {type(operator).__name__}. "
            "Cone beam: fdk."
        )
    views = _views(operator, y, grid, window)
    weighted = views * ray_weights(operator, views)
    if isinstance(operator, ParallelBeam):
        return _from_lines(operator, weighted, operator.pitch, grid, window)
    pitch, cosine = _at_axis(operator)
    return _from_lines(operator, weighted * cosine.to(views), pitch, grid, window)


@torch.no_grad()
def fdk(operator: ConeBeam, y: Tensor, grid: Grid, window: str = "ram-lak") -> Tensor:
    """Reconstruct a volume from a circular scan, by Feldkamp, Davis & Kress.

    The method is exact in the plane of the source and approximate off it. Offset detectors and
    short scans are weighed as in `fbp`. A panel that is tilted, rolled or yawed is first resampled
    to one that is not.

    Args:
        operator: The scan, at one height.
        y: (rows,) or (views, rows, columns) measurements.
        grid: The grid of the volume.
        window: The apodisation of the ramp, as in `fbp`.

    Returns:
        (*grid.shape, 1), the volume, in single precision at least.

    Raises:
        TypeError: The operator is another, or y is complex.
        ValueError: The window is unknown, y has the wrong shape or holds NaN, the path is a helix,
            or the views are too few.
    """
    if not isinstance(operator, ConeBeam):
        raise TypeError(
            f"fdk reconstructs ConeBeam, not {type(operator).__name__}. Parallel or fan beam: fbp."
        )
    height = operator.height.detach()
    if float(height.max() - height.min()) > 1e-6 * max(operator.box.lengths):
        raise ValueError(
            f"fdk: the source moves along the axis, from {float(height.min()):.4g} to "
            f"{float(height.max()):.4g}; the method is that of a circle. "
            "An iterative method takes any path."
        )
    views = _views(operator, y, grid, window)
    upright, views = _upright(operator, views)
    pitch, cosine = _at_axis(upright)
    weighted = views * ray_weights(upright, views)[:, None] * cosine.to(views)
    first, last = _reach(upright, grid)
    filtered = filtered_between(weighted, pitch, window, first, last, 1)
    return _from_panels(upright, filtered, grid, first)


def _views(operator: RayTransform, y: Tensor, grid: Grid, window: str) -> Tensor:
    """The measurements in their natural shape, once everything fits together."""
    name = type(operator).__name__
    for what, value, kind in (("y", y, Tensor), ("grid", grid, Grid), ("window", window, str)):
        require(f"{name}: {what}", value, kind)
    check_window(window)
    if grid.ndim != operator.ndim:
        raise ValueError(f"{name} is {operator.ndim}-dimensional; the grid has {grid.ndim} axes.")
    if y.numel() != len(operator) or tuple(y.shape) not in (operator.shape, (len(operator),)):
        raise ValueError(f"{name} has shape {operator.shape}; y has shape {tuple(y.shape)}.")
    if y.is_complex():
        raise TypeError(f"{name} measures real numbers, got {y.dtype}.")
    if not y.is_floating_point():
        y = y.to(torch.get_default_dtype())
    if y.dtype in (torch.float16, torch.bfloat16):
        y = y.float()  # the filter needs more digits than the image
    views = y.detach().reshape(operator.shape)
    bad = ~torch.isfinite(views)
    if bool(bad.any()):
        where = bad.flatten(1).any(1).nonzero()[:, 0].tolist()
        shown = ", ".join(map(str, where[:8])) + (", ..." if len(where) > 8 else "")
        raise ValueError(
            f"{name}: {int(bad.sum())} of {bad.numel()} measurements y are NaN or Inf, in views "
            f"{shown}. Filtering needs whole views: interpolate them, or leave these views out."
        )
    return views


def _at_axis(beam: DivergingBeam) -> tuple[float, Tensor]:
    """The pitch scaled to the axis of rotation, and D / sqrt(D² + s² + v²) of each pixel."""
    magnification = float(beam.magnification)
    square = (from_axis(beam) / magnification).square()
    if isinstance(beam, ConeBeam):
        count = beam.shape[1]
        rows = (torch.arange(count).to(square) - 0.5 * (count - 1)) * beam.row_pitch
        v = rows - at_views(beam.vertical, torch.arange(beam.shape[0]))[..., None]
        v = v.expand(beam.shape[0], count)
        square = square[:, None, :] + (v / magnification).square()[:, :, None]
    distance = float(beam.source_distance)
    return beam.pitch / magnification, distance / (distance**2 + square).sqrt()


def _upright(beam: ConeBeam, views: Tensor) -> tuple[ConeBeam, Tensor]:
    """The same scan on a panel that is neither tilted, rolled nor yawed, by interpolation."""
    if not any(bool(angle.any()) for angle in (beam.tilt, beam.roll, beam.yaw)):
        return beam, views
    upright = ConeBeam(
        beam.box,
        beam.angles.detach(),
        (beam.shape[1], beam.shape[2]),
        beam.source_distance.detach(),  # pyright: ignore[reportArgumentType]
        beam.detector_distance.detach(),  # pyright: ignore[reportArgumentType]
        (beam.row_pitch, beam.pitch),
        beam.center.detach(),
        vertical=beam.vertical.detach(),
        height=beam.height.detach(),
    )
    places = [torch.arange(n).to(beam.angles) - 0.5 * (n - 1) for n in beam.shape[1:]]
    v, u = torch.meshgrid(*places, indexing="ij")
    straight = torch.empty_like(views)
    for view in range(len(views)):
        frame = upright.frame(view)
        points = frame.middle + u[..., None] * frame.across + v[..., None] * frame.along
        index, _ = beam.locate(points, view)
        straight[view] = _interpolated(views[view], index)
    return upright, straight


def _interpolated(view: Tensor, index: Tensor) -> Tensor:
    """A view (rows, columns) at fractional indices (*s, 2), by bilinear interpolation."""
    scale = view.new_tensor([2 / max(n - 1, 1) for n in view.shape])
    # grid_sample wants the last axis first, and corners at ±1
    where = (index.to(view) * scale - 1).flip(-1).reshape(1, 1, -1, 2)
    value = nn.functional.grid_sample(view[None, None], where, align_corners=True)
    return value.reshape(index.shape[:-1])


def _from_panels(beam: ConeBeam, views: Tensor, grid: Grid, first: int) -> Tensor:
    """Σ_views view(projection of the voxel) / depth², of views that begin at column `first`."""
    image = torch.zeros(grid.shape, dtype=views.dtype, device=views.device)
    counts = (beam.shape[1], beam.shape[2])
    scale = [2 / max(n - 1, 1) for n in views.shape[1:]]
    middle = beam.angles.new_tensor(beam.box.center)
    layer = 0
    for slab in grid.slabs(VOXELS_AT_ONCE):
        axes = slab.axes(beam.angles.dtype, views.device)
        part = image[layer : layer + slab.shape[0]]
        layer += slab.shape[0]
        where = views.new_empty(*slab.shape, 2)
        for view, values in enumerate(views):
            row, column, depth = projected_lattice(beam.frame(view), axes, counts, middle)
            # grid_sample wants the last axis first, and corners at ±1
            where[..., 0] = (column - first) * scale[1] - 1
            where[..., 1] = row * scale[0] - 1
            seen = nn.functional.grid_sample(
                values[None, None], where.reshape(1, 1, -1, 2), align_corners=True
            )
            part.addcdiv_(seen.reshape(slab.shape), depth.to(views).square_())
    return image[..., None]


def _from_lines(
    beam: ParallelBeam | FanBeam, views: Tensor, pitch: float, grid: Grid, window: str
) -> Tensor:
    """Σ_views filtered view(projection of the pixel) / depth², from the nearest fine sample."""
    first, last = _reach(beam, grid)
    table = filtered_between(views, pitch, window, first, last, FINER)
    image = torch.zeros(grid.numel, dtype=views.dtype, device=views.device)
    index = torch.empty(grid.numel, dtype=torch.int32, device=views.device)
    value = torch.empty_like(image)
    if isinstance(beam, ParallelBeam):
        columns, lines = _parallel_places(beam, grid, first)
        place = torch.empty(grid.shape, dtype=columns.dtype, device=columns.device)
        for column, line, samples in zip(columns, lines, table, strict=True):
            torch.add(column, line, out=place)
            index.copy_(place.view(-1))
            torch.index_select(samples, 0, index, out=value)
            image += value
        return image.reshape(*grid.shape, 1)
    points = grid.points(beam.angles.dtype, views.device)
    for view, samples in enumerate(table):
        where, depth = beam.locate(points, view)
        place = ((where[..., 0] - first) * FINER + 0.5).clamp(0, len(samples) - 1)
        index.copy_(place.reshape(-1))
        torch.index_select(samples, 0, index, out=value)
        image += value / depth.to(image).square().reshape(-1)
    return image.reshape(*grid.shape, 1)


def _parallel_places(beam: ParallelBeam, grid: Grid, first: int) -> tuple[Tensor, Tensor]:
    """Where pixels fall on the fine samples of each view, rounded down: a column plus a line."""
    x0, x1 = grid.axes(beam.angles.dtype, beam.angles.device)
    finer = FINER / beam.pitch
    middle = 0.5 * (beam.shape[1] - 1) - first
    zero = (beam.center * finer + (middle * FINER + 0.5)).expand(len(beam.angles))
    columns = (beam.angles.cos() * finer)[:, None] * (x0 - beam.box.center[0]) + zero[:, None]
    lines = (beam.angles.sin() * finer)[:, None] * (x1 - beam.box.center[1])
    return columns[:, :, None], lines[:, None, :]


def _reach(beam: ParallelBeam | DivergingBeam, grid: Grid) -> tuple[int, int]:
    """The first and the last detector column that a pixel may fall on; of a fan, within limits."""
    shift = math.dist(grid.box.center[:2], beam.box.center[:2])
    radius = 0.5 * math.hypot(*grid.box.lengths[:2]) + shift
    count = beam.shape[-1]
    if isinstance(beam, DivergingBeam):
        source = float(beam.source_distance)
        near = max(source - radius, 1e-3 * source)
        radius = min(radius * float(beam.magnification) * source / near, count * beam.pitch)
    bins = math.ceil((radius + float(beam.center.abs().max())) / beam.pitch) + 1
    middle = (count - 1) // 2
    return middle - bins, middle + bins + 1
