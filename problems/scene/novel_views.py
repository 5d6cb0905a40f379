"""Pictures of a fitted scene: held-out views beside measured ones, and a flight around it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from inverse_inr import Field, Problem, Solution, predict
from inverse_inr.io import atomic_write
from inverse_inr.metrics import psnr
from inverse_inr.operators import Cameras, VolumeRendering, looking_at
from inverse_inr.problems.pictures import row_of
from inverse_inr.protocol import evaluating
from inverse_inr.ranges import Count, checked

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@torch.no_grad()
def pictures(field: Field, operator: VolumeRendering, cameras: Cameras | None = None) -> Tensor:
    """Render whole pictures of a field.

    Args:
        field: The field, of density and colours.
        operator: The rendering: its samples, degree and background.
        cameras: Where the pictures are taken from; default: the operator's own.

    Returns:
        (views, height, width, 3).
    """
    seen = operator
    if cameras is not None:
        seen = VolumeRendering(
            operator.box,
            cameras,
            operator.samples,
            fine=operator.fine,
            background=tuple(operator.background.tolist()),
            degree=operator.degree,
        ).to(operator.background)
    return torch.stack([_one(field, seen, view) for view in range(seen.shape[0])])


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
            picture = _one(solution.field, operator, view)
            error = psnr(picture, measured[view].to(picture), data_range=1.0)
            panels.append((f"{solution.method}\nPSNR {error:.2f} dB", picture))
    return row_of(panels)


@torch.no_grad()
def _one(field: Field, operator: VolumeRendering, view: int) -> Tensor:
    """The picture of one view, (height, width, 3)."""
    height, width = operator.shape[1:]
    rows = torch.arange(view * height * width, (view + 1) * height * width)
    with evaluating(operator):
        return predict(operator, field, rows).reshape(height, width, 3)


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
    middle = torch.tensor(operator.box.center, dtype=torch.float64)
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
    """Write a flight around the scene: the `Suggestion.write` of scenes.

    Args:
        solution: The solution.
        folder: The folder, which exists.

    Returns:
        orbit.gif.
    """
    import imageio.v3 as imageio

    operator = solution.problem.terms[0].operator
    assert isinstance(operator, VolumeRendering)
    frames = pictures(solution.field, operator, orbit(operator))
    bytes_ = (255 * frames.clamp(0, 1)).round().to(torch.uint8).cpu().numpy()
    path = folder / "orbit.gif"
    with atomic_write(path) as part:
        imageio.imwrite(part, bytes_, duration=80, loop=0)
    return [path]
