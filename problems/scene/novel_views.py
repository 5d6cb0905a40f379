"""Pictures of a fitted scene: held-out views beside measured ones, and a flight around it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from inverse_inr import Field, Problem, Solution
from inverse_inr.io import atomic_write
from inverse_inr.metrics import psnr
from inverse_inr.operators import Cameras, VolumeRendering, looking_at
from inverse_inr.operators.scene.rendering import Rendered
from inverse_inr.problems.pictures import row_of
from inverse_inr.protocol import evaluating
from inverse_inr.ranges import Count, checked

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def pictures(
    field: Field,
    operator: VolumeRendering,
    cameras: Cameras | None = None,
    times: Tensor | None = None,
) -> Tensor:
    """Render whole pictures of a field.

    Args:
        field: The field, of density and colours.
        operator: The rendering: its samples, degree and background.
        cameras: Where the pictures are taken from; default: the operator's own.
        times: (views,) when the pictures of other cameras are taken, of a scene that moves.

    Returns:
        (views, height, width, 3).
    """
    seen = through(operator, cameras, times)
    return torch.stack([_one(field, seen, view).colour for view in range(seen.shape[0])])


def through(
    operator: VolumeRendering, cameras: Cameras | None, times: Tensor | None = None
) -> VolumeRendering:
    """The same rendering through other cameras, or itself.

    Args:
        operator: The rendering.
        cameras: The other cameras; None for its own.
        times: (views,) when they take their pictures, of a scene that moves.
    """
    if cameras is None:
        return operator
    return VolumeRendering(
        operator.box,
        cameras,
        operator.samples,
        fine=operator.fine,
        background=tuple(operator.background.tolist()),
        degree=operator.degree,
        times=times,
    ).to(operator.background)


def figure(problem: Problem, solutions: Sequence[Solution]) -> Figure:
    """Draw up to two held-out views: measured, and as each solution renders them.

    Args:
        problem: The problem of one term.
        solutions: The solutions.

    Returns:
        The figure.
    """
    term = problem.terms[0]
    operator = term.operator
    assert isinstance(operator, VolumeRendering)
    measured = term.y.reshape(*operator.shape, 3)
    watched = solutions[-1].watched
    views = [0]
    if watched and len(watched[0]):
        views = operator.groups[watched[0].cpu()].unique().tolist()
    shown = [views[0], views[len(views) // 2]][: len(set(views))]
    panels = []
    for view in shown:
        panels.append((f"view {view}, measured", measured[view]))
        for solution in solutions:
            picture = _one(solution.field, operator, view).colour
            error = psnr(picture, measured[view].to(picture), data_range=1.0)
            panels.append((f"{solution.method}\nPSNR {error:.2f} dB", picture))
    return row_of(panels)


@torch.no_grad()
def _one(field: Field, operator: VolumeRendering, view: int) -> Rendered:
    """The picture of one view: colour (height, width, 3), opacity and depth (height, width)."""
    size = operator.shape[1:]
    pixels = math.prod(size)
    rows = torch.arange(view * pixels, (view + 1) * pixels)
    with evaluating(operator):
        seen = operator.rendered(field, rows)
    return Rendered(*(v.unflatten(0, size) for v in seen))


@checked
def orbit(operator: VolumeRendering, frames: Count = 36) -> Cameras:
    """Make cameras on a circle around the middle of the box, at the height of the measured ones.

    Args:
        operator: The rendering of measured pictures.
        frames: The number of cameras.

    Returns:
        Cameras of the same lens.
    """
    cameras = operator.cameras
    assert isinstance(cameras, Cameras)
    middle = torch.tensor(operator.box.center[:3], dtype=torch.float64)
    away = cameras.poses[:, :, 3].double().cpu() - middle
    angle = torch.arange(frames, dtype=torch.float64) * 2 * math.pi / frames
    radius = float(away[:, :2].norm(dim=1).mean())
    height = away[:, 2].mean().expand(frames)
    places = middle + torch.stack([radius * angle.cos(), radius * angle.sin(), height], 1)
    focal_x, focal_y, middle_x, middle_y = cameras.lens.tolist()
    return Cameras(
        looking_at(places, middle), cameras.shape[1:], (focal_x, focal_y), (middle_x, middle_y)
    )


def write_orbit(solution: Solution, folder: Path) -> list[Path]:
    """Write a flight around the scene, in colours and as depth; what moves goes on meanwhile.

    Args:
        solution: The solution.
        folder: The folder, which exists.

    Returns:
        orbit.gif, and depth.gif, in which the nearest is white, and black where more than half the
        light is from behind everything.
    """
    operator = solution.problem.terms[0].operator
    assert isinstance(operator, VolumeRendering)
    cameras = orbit(operator)
    times = None
    if operator.times is not None:
        first, last = operator.box.lower[3], operator.box.upper[3]
        times = torch.linspace(first, last, len(cameras.poses), dtype=torch.float64)
    seen = through(operator, cameras, times)
    views = [_one(solution.field, seen, view) for view in range(seen.shape[0])]
    depth = torch.stack([torch.where(v.opacity > 0.5, v.depth, math.nan) for v in views])
    paths = [folder / "orbit.gif", folder / "depth.gif"]
    _write_gif(paths[0], torch.stack([view.colour for view in views]))
    _write_gif(paths[1], nearness(depth))
    return paths


def nearness(depth: Tensor) -> Tensor:
    """Draw depths in grey: white for the nearest, dark for the farthest, black where nothing is.

    Args:
        depth: (*s,) distances, NaN where nothing is.

    Returns:
        (*s,) from 0 to 1.
    """
    there = torch.isfinite(depth)
    if not bool(there.any()):
        return torch.zeros_like(depth)
    near, far = depth[there].min(), depth[there].max()
    grey = 1 - 0.9 * (depth - near) / (far - near).clamp(min=1e-12)
    return torch.where(there, grey, 0.0)


def _write_gif(path: Path, frames: Tensor) -> None:
    """Write frames (n, height, width) or (n, height, width, 3) between 0 and 1."""
    import imageio.v3 as imageio

    bytes_ = (255 * frames.clamp(0, 1)).round().to(torch.uint8).cpu().numpy()
    with atomic_write(path) as part:
        imageio.imwrite(part, bytes_, duration=80, loop=0)
