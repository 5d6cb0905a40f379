"""SAR images of a target from many directions, simulated to predict those that nobody flew."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Annotated

import torch

from inverse_inr import Box, Grid, Problem, Suggestion, Term, memory, noise
from inverse_inr.operators import SarImage
from inverse_inr.operators.radar.kinds import Angle, Degree, Incidence
from inverse_inr.problems.radar.box_scene import BoxOnGround
from inverse_inr.problems.radar.novel_views import figure, write_errors
from inverse_inr.problems.radar.tomography import tomography
from inverse_inr.ranges import Count, Positive, Range, WholeNumber, checked
from inverse_inr.stopping import HeldOut

BOX = Box((-6.0, -6.0, -0.45), (6.0, 6.0, 2.55), units=("m", "m", "m"))
"""The scene in metres; the ground plane z = 0 lies within it."""
PRIOR = {"levels": 6, "coarsest": 8.0, "finest": 64.0, "log2_table": 17}
"""Options of the suggested hash prior."""


@checked
def sar_views(
    *,
    views: Annotated[int, Range(least=6)] = 24,
    incidences: Sequence[Incidence] = (50.0, 60.0),
    pixels: Count = 60,
    pitch: Positive = 0.3,
    size: tuple[Positive, Positive, Positive] = (4.6, 2.2, 1.8),
    heading: Angle = 20.0,
    looks: Positive = 4.0,
    floor: Positive = 0.003,
    degree: Degree = 2,
    samples: Count = 1,
    lines: Count = 2,
    seed: WholeNumber = 0,
) -> Problem:
    """Multi-look SAR images of a box on a ground plane, for views between the measured ones.

    Images are computed from the surfaces in closed form (`BoxOnGround`), never from a density. Two
    whole views are kept out to stop by; the novel views of the figure and of `novel_views` are
    none of the measured ones.

    Args:
        views: Directions all around, evenly spaced, 6 or more.
        incidences: Incidence angles in degrees, which the views take in turns.
        pixels: Number of pixels per side of each slant-range image.
        pitch: Side of a pixel in metres (X band, MSTAR: 0.3 m).
        size: Length, width and height of the target in metres.
        heading: Heading of the target in degrees.
        looks: Number of looks of the speckle.
        floor: The receiver's noise, in the unit of the brightness (beta nought).
        degree: Degree of the harmonics of the direction in which the logarithm of the backscatter
            is fitted.
        samples: Samples of the fit per pixel along range and along elevation.
        lines: Lines of sight of the fit per pixel along azimuth; one random line per pixel blurs.
        seed: Seed of the noise.

    Returns:
        The problem, with tomography as the suggested baseline.

    Raises:
        ValueError: If views, size or incidences are too few, or the target does not fit `BOX`.
    """
    if not incidences:
        raise ValueError("sar_views: incidences is empty; name one angle or more.")
    if pitch > min(BOX.lengths):
        raise ValueError(f"sar_views: pitch={pitch:.6g} m is longer than the scene, {BOX.lengths}.")
    memory.require(
        f"sar_views: {views} views of {pixels} x {pixels} pixels",
        4 * 8 * views * pixels**2,
        "Fewer views or pixels.",
    )
    scene = BoxOnGround((size[0], size[1], size[2]), heading=math.radians(heading))
    _check_fit(scene)
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
    grid = Grid(BOX, tuple(max(1, round(n / pitch)) for n in BOX.lengths))
    suggested = Suggestion(
        prior="hash",
        options=PRIOR,
        steps=600,
        stopping=HeldOut(rows=[torch.cat(watched)]),
        baselines={"tomography": tomography},
        figure=partial(figure, scene),
        write=partial(write_errors, scene),
    )
    return Problem(
        [Term(radar.float(), y, model)], BOX, grid, channels=radar.channels, suggested=suggested
    )


def _check_fit(scene: BoxOnGround) -> None:
    """Raise ValueError where the target is too large for `BOX`."""
    length, width, height = scene.size
    reach = math.hypot(length, width) + max(map(abs, scene.center))
    if height >= BOX.upper[2] or reach >= BOX.upper[0] * 2:
        raise ValueError(
            f"sar_views: the target {scene.size} does not fit the scene of {BOX.lengths} m."
        )
