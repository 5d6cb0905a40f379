"""A scene of solids that move, photographed once at each of many times."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from inverse_inr import Box, Grid, Problem, Suggestion
from inverse_inr.operators import Cameras, VolumeRendering
from inverse_inr.problems.scene.grid_fits import WEIGHT, OpacityVariation, heads
from inverse_inr.problems.scene.simulated import (
    BOX,
    around,
    photographed,
    problem_of,
    require_room,
    table_top,
    with_noise,
)
from inverse_inr.problems.scene.solids import MovingSolids
from inverse_inr.ranges import Count, NoiseLevelOrNone, WholeNumber, checked

MOVING_BOX = Box((*BOX.lower, 0.0), (*BOX.upper, 1.0), (*BOX.units, "time"))
"""The box of the scene that moves; time runs from 0 to 1."""

MOMENTS = 8
"""Cells of the problem's grid along time."""

PATCH = 16
"""Cells along each side of the patches by which the variation is seen: each step takes another."""


def busy_table_top() -> MovingSolids:
    """Make the scene: on a table top a ball rolls past a block, and an egg is lifted and set down.

    The ball, 0.34 in radius, goes 0.55 along y; the egg rises by 0.3 at half time.
    """
    rest = table_top()
    begin = torch.zeros(4, 3, dtype=torch.float64)
    begin[1] = torch.tensor([-0.1, -0.15, 0.0])
    roll, lift = torch.zeros(2, 4, 3, dtype=torch.float64)
    roll[1, 1] = 0.55
    lift[2, 2] = 0.3

    def path(time: Tensor) -> Tensor:
        t = time[..., None, None]
        return begin + t * roll + torch.sin(math.pi * t) * lift

    return MovingSolids(rest, path)


def moments(views: int, phase: float = 0.0) -> Tensor:
    """Spread times over 0 to 1, so that views that follow each other are far apart in time too.

    Args:
        views: The number of times.
        phase: Turns all of them by this part of the whole.

    Returns:
        (views,) float64.
    """
    golden = 0.5 * (math.sqrt(5) - 1)
    return (torch.arange(views, dtype=torch.float64) * golden + phase) % 1


def filmed(solids: MovingSolids, cameras: Cameras, times: Tensor, subrays: int) -> Tensor:
    """Take an exact picture at each time, before white, averaged over each pixel.

    Args:
        solids: The scene.
        cameras: One for each time.
        times: (views,).
        subrays: Rays along each side of a pixel.

    Returns:
        (rows, 3) colours.
    """
    focal_x, focal_y, middle_x, middle_y = cameras.lens.tolist()
    seen = []
    for pose, time in zip(cameras.poses, times.tolist(), strict=True):
        own = Cameras(pose[None], cameras.shape[1:], (focal_x, focal_y), (middle_x, middle_y))
        seen.append(photographed(solids.at(time), own, torch.ones(3), subrays))
    return torch.cat(seen)


@checked
def scene_moving(
    *,
    size: Count = 40,
    views: Count = 60,
    samples: Count = 48,
    fine: WholeNumber = 0,
    degree: WholeNumber = 0,
    noise_level: NoiseLevelOrNone = 0.01,
    hold_out_views: Count = 10,
    subrays: Count = 3,
    seed: WholeNumber = 0,
) -> Problem:
    """Find a scene that moves from pictures with known cameras, each taken at a time of its own.

    Args:
        size: Height and width of the pictures in pixels.
        views: The number of pictures.
        samples: Points of each ray in the fit.
        fine: Further points where the light comes from.
        degree: Degree of the spherical harmonics by which a colour depends on the direction.
        noise_level: Standard deviation of the pictures' noise, of white.
        hold_out_views: Keep each n-th picture, and its time, out of the fit, to judge and stop by.
        subrays: Rays along each side of a pixel of the simulated pictures.
        seed: Seed of the noise.

    Returns:
        The problem, of 1 + 3 (degree + 1)² channels on three axes of space and one of time.

    Raises:
        ValueError: There are fewer views than `hold_out_views`.
        OutOfMemoryError: The pictures do not fit the memory at hand.
    """
    require_room("scene_moving", views, size, subrays)
    cameras = Cameras(around(views), (size, size), 1.25 * size)
    times = moments(views)
    operator = VolumeRendering(
        MOVING_BOX, cameras, samples, fine=fine, background=1.0, degree=degree, times=times
    )
    exact = filmed(busy_table_top(), cameras, times, subrays).float()
    y, model = with_noise(exact, noise_level, seed)
    problem = problem_of(operator, y, model, hold_out_views, cells=size, moments=MOMENTS)
    return replace(problem, suggested=_deformed(problem))


def _deformed(problem: Problem) -> Suggestion:
    """What suits a scene that moves: a grid of the scene at rest, displaced over time.

    The scene at rest, which stands at the middle of the time axis, has the variation of `scene`.
    """
    at_rest = OpacityVariation(Grid(BOX, problem.grid.shape[:3]), PATCH, MOVING_BOX.center[3])
    options = {
        "at_rest": "grid",
        "options": {"cells": float(max(problem.grid.shape[:3]))},
        "motion_rate": 4e-4,
        "head": ["softplus", *heads(problem.channels)[1:]],
    }
    return replace(
        problem.suggested,
        prior="deformed",
        options=options,
        regularizers=(WEIGHT * 0.5 * max(BOX.lengths) * at_rest,),
        steps=400,
        batch=512,
        lr=0.2,
        start=None,
        candidates=None,
    )
