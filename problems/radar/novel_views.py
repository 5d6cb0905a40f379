"""SAR images from directions that nobody flew: rendered, judged against exact ones, and drawn."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from inverse_inr import Field, Problem, Solution, predict
from inverse_inr.io import atomic_write
from inverse_inr.metrics import psnr
from inverse_inr.operators import SarImage
from inverse_inr.operators.radar.kinds import Degree
from inverse_inr.problems.radar.box_scene import BoxOnGround, dark_runs
from inverse_inr.ranges import Count, NonNegative, checked

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@checked
def alike(
    radar: SarImage,
    incidence: Tensor,
    azimuth: Tensor,
    *,
    degree: Degree | None = None,
    attenuation: bool = True,
) -> SarImage:
    """The same radar looking from other directions.

    Args:
        radar: The radar with the box, pixels and samples to keep.
        incidence: (views,) in radians from the vertical.
        azimuth: (views,) in radians.
        degree: Degree of the harmonics; None for the radar's.
        attenuation: False for sums of reflectivity without occlusion, by one line of sight per
            pixel and the linear law.
    """
    lines = radar.lines
    law = radar.law
    if not attenuation:
        lines = 1
        law = "linear"
    return SarImage(
        radar.box,
        incidence,
        azimuth,
        (radar.shape[1], radar.ranges),
        radar.pitch,
        samples=radar.samples,
        lines=lines,
        degree=radar.degree if degree is None else degree,
        law=law,
        attenuation=attenuation,
    )


@checked
def novel_radar(radar: SarImage, count: Count = 8) -> SarImage:
    """The same radar looking from directions between the measured ones.

    They lie all around, half a step off the measured azimuths, at the middle of the incidences.

    Args:
        radar: The measuring radar.
        count: Number of directions.
    """
    half = math.pi / radar.shape[0]
    azimuth = torch.arange(count) * (2 * math.pi / count) + half
    middle = 0.5 * float(radar.incidence.min() + radar.incidence.max())
    return alike(radar, torch.full((count,), middle), azimuth.float())


@torch.no_grad()
def render(radar: SarImage, field: Field) -> Tensor:
    """Noise-free images of a field.

    Args:
        radar: The radar with the views to render.
        field: A field of the radar's channels.

    Returns:
        (views, azimuths, ranges) intensities.
    """
    return radar.unflatten(
        torch.cat([predict(radar, field, r) for r in torch.arange(len(radar)).split(64)])
    )


@checked
def nearest_views(problem: Problem, radar: SarImage) -> Tensor:
    """The measured image of the nearest direction for each view, speckle included.

    This is what one has without any model.

    Args:
        problem: The problem with the measured images.
        radar: The radar with the wanted views.

    Returns:
        (views, azimuths, ranges) intensities.
    """
    term = problem.terms[0]
    assert isinstance(term.operator, SarImage)
    wanted, measured = (
        r.frame(torch.arange(r.shape[0]))[0].double() for r in (radar, term.operator)
    )
    return term.operator.unflatten(term.y)[(wanted @ measured.T).argmax(1)]


@checked
def view_errors(
    scene: BoxOnGround, radar: SarImage, images: Tensor, shortest: NonNegative = 3.0
) -> dict[str, float]:
    """Errors of images: PSNR against exact ones, and shadow lengths against closed forms.

    A shadow is what is darker than half the ground's brightness.

    Args:
        scene: The box on its ground plane.
        radar: The radar with the views of the images.
        images: (views, azimuths, ranges) intensities.
        shortest: Exact length in pixels that a line's shadow has at least, to be judged.

    Returns:
        By name: PSNR of amplitudes and of intensities in dB, and errors of shadow lengths in range
        pixels (the fraction within 1 pixel without unit).
    """
    truth = scene.images(radar).to(images)
    errors = []
    for view in range(radar.shape[0]):
        interval = scene.shadows(radar, view)
        threshold = 0.5 * scene.ground / math.tan(float(radar.incidence[view]))
        length = interval[:, 1] - interval[:, 0]
        errors.append((dark_runs(images[view], threshold, interval) - length)[length >= shortest])
    error = torch.cat(errors)
    a, b = (v.clamp(min=0).sqrt() for v in (images, truth))
    return {
        "PSNR": psnr(a, b, data_range=float(b.max())),
        "PSNR of intensity": psnr(images, truth, data_range=float(truth.max())),
        "shadow, mean": float(error.mean()),
        "shadow, median of |error|": float(error.abs().median()),
        "shadow, within 1 pixel": float((error.abs() <= 1).double().mean()),
        "shadow, worst view": max((float(e.mean()) for e in errors), key=abs),
    }


def write_errors(scene: BoxOnGround, solution: Solution, folder: Path) -> list[Path]:
    """Write novel_views.json: the `view_errors` of the fit.

    Args:
        scene: The box on its ground plane.
        solution: A solution of a `sar_views` problem.
        folder: The run's folder.

    Returns:
        The file's path.
    """
    radar = solution.problem.terms[0].operator
    assert isinstance(radar, SarImage)
    novel = novel_radar(radar)
    path = folder / "novel_views.json"
    with atomic_write(path) as temporary:
        Path(temporary).write_text(
            json.dumps(view_errors(scene, novel, render(novel, solution.field)), indent=1)
        )
    return [path]


@checked
def figure(
    scene: BoxOnGround, problem: Problem, solutions: Sequence[Solution], shown: Count = 4
) -> Figure:
    """Novel views in decibels of brightness, with closed-form shadows outlined.

    The rows are the exact images, the nearest measured views, and the solutions.

    Args:
        scene: The box on its ground plane.
        problem: The problem with the measured images.
        solutions: One row each.
        shown: Number of views.

    Returns:
        A Matplotlib figure.
    """
    from matplotlib.figure import Figure

    radar = problem.terms[0].operator
    assert isinstance(radar, SarImage)
    novel = novel_radar(radar, shown)
    rows = {"exact": scene.images(novel), "nearest measured view": nearest_views(problem, novel)}
    rows |= {s.method: render(novel, s.field) for s in solutions}
    drawing = Figure(figsize=(2.4 * shown + 1, 2.5 * len(rows) + 0.3), layout="constrained")
    panels = drawing.subplots(len(rows), shown, squeeze=False)
    picture = None
    for line, (name, images) in zip(panels, rows.items(), strict=True):
        for k, axes in enumerate(line):
            picture = _draw(axes, images[k], scene.shadows(novel, k))
            title = name
            if name == "exact":
                azimuth = math.degrees(float(novel.azimuth[k]))
                incidence = math.degrees(float(novel.incidence[k]))
                title = f"{name}\n{azimuth:.1f}°, {incidence:.0f}°"
            axes.set_title(title, fontsize=9)
    if picture is not None:
        drawing.colorbar(
            picture, ax=panels, label="brightness (dB); range to the right", fraction=0.04
        )
    return drawing


def _draw(axes: Any, image: Tensor, interval: Tensor) -> Any:
    """An image in decibels of brightness and the ends (azimuths, 2) of its shadows in pixels."""
    picture = axes.imshow(
        10 * image.clamp(min=1e-3).log10().numpy(), cmap="gray", vmin=-25, vmax=-2
    )
    index = (~interval[:, 0].isnan()).nonzero()[:, 0]
    for side in (0, 1):
        axes.plot(interval[index, side] - 0.5, index, color="tab:red", linewidth=0.8)
    axes.set(xticks=[], yticks=[])
    return picture
