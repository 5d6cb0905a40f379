"""SAR images of a target from directions that nobody flew: simulated views, tomography beside, shadows checked."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from inverse_inr import (
    Box,
    Field,
    Grid,
    Problem,
    SampledField,
    Solution,
    Suggestion,
    Term,
    baselines,
    noise,
    predict,
)
from inverse_inr.io import atomic_write
from inverse_inr.metrics import psnr
from inverse_inr.operators import SarImage
from inverse_inr.problems.radar.box_scene import BoxOnGround, dark_runs
from inverse_inr.solver import Ended
from inverse_inr.stopping import HeldOut, hold_out

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BOX = Box((-6.0, -6.0, -0.45), (6.0, 6.0, 2.55), units=("m", "m", "m"))


def sar_views(
    *,
    views: int = 24,
    incidences: Sequence[float] = (50.0, 60.0),
    pixels: int = 60,
    pitch: float = 0.3,
    size: Sequence[float] = (4.6, 2.2, 1.8),
    heading: float = 20.0,
    looks: float = 4.0,
    floor: float = 0.003,
    degree: int = 2,
    samples: int = 1,
    lines: int = 2,
    seed: int = 0,
) -> Problem:
    """Multi-look SAR images of a box on a ground plane, for views that lie between the measured ones.

    views       directions all around, evenly spaced; their incidence angles (degrees) take turns
    pixels      a side of each slant-range image, of `pitch` metres (X band, MSTAR: 0.3 m)
    size        of the target in metres (length, width, height); heading in degrees
    looks       of the speckle; `floor` is the receiver's noise, in the unit of the brightness (beta nought)
    degree      of the harmonics of the direction in which the logarithm of the backscatter is fitted
    samples     of the fit along range and elevation a pixel, and lines along azimuth: one random line a pixel blurs

    Images are computed from the surfaces in closed form (`BoxOnGround`), never from a density. Two whole views are kept
    out to stop by; the novel views of the figure and of `novel_views` are none of the measured ones.
    """
    if views < 6 or len(size) != 3 or not incidences:
        raise ValueError(
            f"sar_views: views={views} must be 6 or more, size={size} three lengths, incidences angles."
        )
    scene = BoxOnGround((size[0], size[1], size[2]), heading=math.radians(heading))
    if (
        size[2] >= BOX.upper[2]
        or math.hypot(size[0], size[1]) + max(map(abs, scene.center)) >= BOX.upper[0] * 2
    ):
        raise ValueError(
            f"sar_views: the target {tuple(size)} does not fit the scene of {BOX.lengths} m."
        )
    k = torch.arange(views)
    incidence = torch.tensor(incidences, dtype=torch.float64).deg2rad()[k % len(incidences)]
    azimuth = k.double() * (2 * math.pi / views)
    radar = SarImage(
        BOX,
        incidence,
        azimuth,
        (pixels, pixels),
        pitch,
        degree=degree,
        law="log",
        samples=samples,
        lines=lines,
    )
    model = noise.Gamma(looks, floor)
    mean = scene.images(radar).reshape(len(radar), pixels).float()
    y = model.sample(mean, torch.Generator().manual_seed(seed))
    watched = [v * pixels + torch.arange(pixels) for v in (views // 5, views * 2 // 3)]
    stopping = HeldOut(rows=[torch.cat(watched)])
    grid = Grid(BOX, tuple(max(1, round(n / pitch)) for n in BOX.lengths))
    suggested = Suggestion(
        prior="hash",
        options=PRIOR,
        steps=600,
        stopping=stopping,
        baselines={"tomography": tomography},
        figure=partial(figure, scene),
        write=partial(write_errors, scene),
    )
    return Problem(
        [Term(radar.float(), y, model)], BOX, grid, channels=radar.channels, suggested=suggested
    )


PRIOR = {"levels": 6, "coarsest": 8.0, "finest": 64.0, "log2_table": 17}


# --- classical ------------------------------------------------------------------------------------------------------


def tomography(problem: Problem) -> Solution:
    """Multi-view tomography without occlusion: isotropic reflectivity by total variation, non-negative.

    Layover is modelled, shadow is not: the classical inversion of the same projection. Of `TV_WEIGHTS` the one that
    predicts the held-out views best, by the likelihood of their speckle.
    """
    began = time.perf_counter()
    fit, watch, note = hold_out(problem.suggested.stopping, problem.terms)
    transparent, tried = _transparent(problem, fit[0]), []
    for weight in TV_WEIGHTS:
        classic = baselines.tv(transparent, weight, nonnegative=True, iterations=150)
        assert isinstance(classic.field, SampledField)
        tried.append(
            Solution(
                _as_density(classic.field, problem.channels),
                problem,
                "tomography (TV)",
                watched=watch,
                stopped=Ended("direct", f"weight {weight:.3g} (held-out)"),
                details={"weight": weight, **note},
            )
        )
    return replace(min(tried, key=lambda s: s.misfit(watch)), seconds=time.perf_counter() - began)


TV_WEIGHTS = (10.0, 3.0, 1.0, 0.3, 0.1, 0.03)


def _transparent(problem: Problem, rows: Tensor) -> Problem:
    """The same images seen as sums of reflectivity along elevation: a linear problem of one channel."""
    term = problem.terms[0]
    assert isinstance(term.operator, SarImage)
    radar = alike(
        term.operator, term.operator.incidence, term.operator.azimuth, degree=0, attenuation=False
    )
    return replace(problem, terms=[replace(term, operator=radar, rows=rows)], channels=1)


def _as_density(reflectivity: SampledField, channels: int, density: float = 1e-5) -> Field:
    """A transparent field (log density, log backscatter) whose product is the reflectivity."""

    def field(points: Tensor) -> Tensor:
        sigma = (reflectivity(points) / density).clamp(min=1e-6).log()
        rest = sigma.new_zeros(*sigma.shape[:-1], channels - 2)
        return torch.cat([torch.full_like(sigma, math.log(density)), sigma, rest], -1)

    return field


# --- novel views ----------------------------------------------------------------------------------------------------


def alike(
    radar: SarImage,
    incidence: Tensor,
    azimuth: Tensor,
    *,
    degree: int | None = None,
    attenuation: bool = True,
) -> SarImage:
    """The same radar looking from other directions."""
    return SarImage(
        radar.box,
        incidence,
        azimuth,
        (radar.shape[1], radar.ranges),
        radar.pitch,
        samples=radar.samples,
        lines=radar.lines if attenuation else 1,
        degree=radar.degree if degree is None else degree,
        law=radar.law if attenuation else "linear",
        attenuation=attenuation,
    )


def novel_radar(radar: SarImage, count: int = 8) -> SarImage:
    """`count` directions all around at an incidence between the measured ones, half a step off their azimuths."""
    half = math.pi / radar.shape[0]
    azimuth = torch.arange(count) * (2 * math.pi / count) + half
    middle = 0.5 * float(radar.incidence.min() + radar.incidence.max())
    return alike(radar, torch.full((count,), middle), azimuth.float())


@torch.no_grad()
def render(radar: SarImage, field: Field) -> Tensor:
    """Noise-free images of a field: (views, azimuths, ranges)."""
    return radar.unflatten(
        torch.cat([predict(radar, field, r) for r in torch.arange(len(radar)).split(64)])
    )


def nearest_views(problem: Problem, radar: SarImage) -> Tensor:
    """The measured image of the nearest direction for each view of `radar`, speckle included: no model at all."""
    term = problem.terms[0]
    assert isinstance(term.operator, SarImage)
    directions = [r.frame(torch.arange(r.shape[0]))[0].double() for r in (radar, term.operator)]
    return term.operator.unflatten(term.y)[(directions[0] @ directions[1].T).argmax(1)]


def view_errors(
    scene: BoxOnGround, radar: SarImage, images: Tensor, shortest: float = 3.0
) -> dict[str, float]:
    """PSNR (dB) of amplitudes against the exact images, and errors of shadow lengths (pixels) against closed forms.

    A shadow is what is darker than half the ground's brightness; lines whose shadow is `shortest` pixels or more.
    """
    truth, errors = scene.images(radar).to(images), []
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
    """novel_views.json: what `view_errors` says of the fit."""
    radar = solution.problem.terms[0].operator
    assert isinstance(radar, SarImage)
    novel, path = novel_radar(radar), folder / "novel_views.json"
    with atomic_write(path) as temporary:
        Path(temporary).write_text(
            json.dumps(view_errors(scene, novel, render(novel, solution.field)), indent=1)
        )
    return [path]


def figure(
    scene: BoxOnGround, problem: Problem, solutions: Sequence[Solution], shown: int = 4
) -> Figure:
    """Novel views in decibels of brightness, closed-form shadows outlined: exact, nearest measured view, solutions."""
    from matplotlib.figure import Figure

    radar = problem.terms[0].operator
    assert isinstance(radar, SarImage)
    novel = novel_radar(radar, shown)
    rows = {"exact": scene.images(novel), "nearest measured view": nearest_views(problem, novel)}
    rows |= {s.method: render(novel, s.field) for s in solutions}
    drawing = Figure(figsize=(2.4 * shown + 1, 2.5 * len(rows) + 0.3), layout="constrained")
    panels, picture = drawing.subplots(len(rows), shown, squeeze=False), None
    for line, (name, images) in zip(panels, rows.items(), strict=True):
        for k, axes in enumerate(line):
            picture = axes.imshow(
                10 * images[k].clamp(min=1e-3).log10().numpy(), cmap="gray", vmin=-25, vmax=-2
            )
            interval = scene.shadows(novel, k)
            index = (~interval[:, 0].isnan()).nonzero()[:, 0]
            for side in (0, 1):
                axes.plot(interval[index, side] - 0.5, index, color="tab:red", linewidth=0.8)
            axes.set(xticks=[], yticks=[])
            azimuth, incidence = (
                math.degrees(float(v[k])) for v in (novel.azimuth, novel.incidence)
            )
            axes.set_title(
                f"{name}\n{azimuth:.1f}°, {incidence:.0f}°" if name == "exact" else name, fontsize=9
            )
    if picture is not None:
        drawing.colorbar(
            picture, ax=panels, label="brightness (dB); range to the right", fraction=0.04
        )
    return drawing
