"""A scene of solids, photographed from all around by exact rendering."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from inverse_inr import Box, Grid, Problem, Solution, Suggestion, Term, memory, noise
from inverse_inr.operators import Cameras, VolumeRendering, looking_at
from inverse_inr.operators.spherical_harmonics import Degree
from inverse_inr.problems.scene.grid_fits import (
    LEARNING_RATE,
    STEPS,
    WEIGHT,
    begin_clear,
    grid_options,
    scene_fits,
    variation_on,
)
from inverse_inr.problems.scene.meshes import write_mesh
from inverse_inr.problems.scene.novel_views import figure, write_orbit
from inverse_inr.problems.scene.solids import Solids
from inverse_inr.problems.views import views_held_out
from inverse_inr.ranges import Count, NoiseLevelOrNone, Positive, WholeNumber, checked

BOX = Box((-1.0, -1.0, -0.6), (1.0, 1.0, 0.9))
"""The box of the simulated scene."""

GOLDEN = math.pi * (3 - math.sqrt(5))
"""The golden angle: views that follow each other by it are spread evenly."""


def table_top() -> Solids:
    """Make the scene: a table top with a ball, an egg and a block on it."""
    return Solids(
        centers=torch.tensor(
            [[0.0, 0.0, -0.5], [-0.4, -0.3, -0.1], [0.45, -0.25, 0.05], [0.1, 0.5, -0.15]]
        ),
        halves=torch.tensor(
            [[0.9, 0.9, 0.06], [0.34, 0.34, 0.34], [0.25, 0.25, 0.5], [0.3, 0.2, 0.3]]
        ),
        blocks=torch.tensor([1.0, 0.0, 0.0, 1.0]),
        densities=torch.tensor([30.0, 30.0, 30.0, 30.0]),
        colours=torch.tensor(
            [[0.7, 0.65, 0.5], [0.85, 0.2, 0.15], [0.95, 0.8, 0.2], [0.2, 0.35, 0.8]]
        ),
    )


@checked
def around(views: Count, distance: Positive = 3.5, phase: float = 0.0) -> Tensor:
    """Place cameras on the upper half of a sphere, all looking at its middle.

    Args:
        views: The number of cameras.
        distance: From the middle, in the unit of the scene.
        phase: Turns all of them, in golden angles; a fraction gives places between the others.

    Returns:
        (views, 4, 4) poses.
    """
    number = torch.arange(views, dtype=torch.float64)
    azimuth = (number + phase) * GOLDEN
    height = 0.2 + 0.65 * (number + 0.5) / views
    flat = (1 - height.square()).sqrt()
    places = distance * torch.stack([flat * azimuth.cos(), flat * azimuth.sin(), height], 1)
    return looking_at(places, torch.zeros(3))


def photographed(solids: Solids, cameras: Cameras, background: Tensor, subrays: int) -> Tensor:
    """Take exact pictures, averaged over each pixel.

    Args:
        solids: The scene.
        cameras: The cameras.
        background: (3,) colour behind everything.
        subrays: Rays along each side of a pixel.

    Returns:
        (rows, 3) colours.
    """
    colours = []
    for rows in torch.arange(len(cameras)).split(4096):
        origin, direction = cameras.rays(rows, subrays)
        seen = solids.render(origin.flatten(0, 1), direction.flatten(0, 1), background)
        colours.append(seen.unflatten(0, (len(rows), -1)).mean(1))
    return torch.cat(colours)


def require_room(name: str, views: int, size: int, subrays: int) -> None:
    """Refuse pictures that do not fit the memory at hand, before they are made.

    Args:
        name: The problem.
        views: The number of pictures.
        size: Height and width of the pictures in pixels.
        subrays: Rays along each side of a pixel.

    Raises:
        OutOfMemoryError: They do not fit.
    """
    memory.require(
        f"{name}: {views} pictures of {size} x {size} pixels",
        8.0 * views * size**2 * (10 + subrays**2),
        "Fewer or smaller pictures.",
    )


def with_noise(exact: Tensor, noise_level: float, seed: int) -> tuple[Tensor, noise.Gaussian]:
    """Add noise to exact colours.

    Args:
        exact: (rows, 3) colours.
        noise_level: Standard deviation of the noise, of white; 0 for none.
        seed: Seed of the noise.

    Returns:
        The colours, and the model of their noise, which is never sharper than a thousandth.
    """
    model = noise.Gaussian(max(noise_level, 1e-3))
    if not noise_level:
        return exact, model
    return model.sample(exact, torch.Generator().manual_seed(seed)), model


@checked
def scene(
    *,
    size: Count = 40,
    views: Count = 40,
    samples: Count = 48,
    fine: WholeNumber = 0,
    degree: Degree = 0,
    noise_level: NoiseLevelOrNone = 0.01,
    hold_out_views: Count = 10,
    subrays: Count = 3,
    seed: WholeNumber = 0,
) -> Problem:
    """Find a scene from pictures of it whose cameras are known.

    Args:
        size: Height and width of the pictures in pixels.
        views: The number of pictures.
        samples: Points of each ray in the fit.
        fine: Further points where the light comes from.
        degree: Degree of the spherical harmonics by which a colour depends on the direction.
        noise_level: Standard deviation of the pictures' noise, of white.
        hold_out_views: Keep each n-th picture out of the fit, to judge and to stop by.
        subrays: Rays along each side of a pixel of the simulated pictures.
        seed: Seed of the noise.

    Returns:
        The problem, of 1 + 3 (degree + 1)² channels: density and colours.

    Raises:
        ValueError: There are fewer views than `hold_out_views`.
        OutOfMemoryError: The pictures do not fit the memory at hand.
    """
    require_room("scene", views, size, subrays)
    cameras = Cameras(around(views), (size, size), 1.25 * size)
    background = torch.ones(3)
    operator = VolumeRendering(BOX, cameras, samples, fine=fine, background=1.0, degree=degree)
    exact = photographed(table_top(), cameras, background, subrays).float()
    y, model = with_noise(exact, noise_level, seed)
    return problem_of(operator, y, model, hold_out_views, cells=size)


def write_scene(solution: Solution, folder: Path) -> list[Path]:
    """Write a flight around the scene and its mesh: the `Suggestion.write` of scenes.

    Args:
        solution: The solution.
        folder: The folder, which exists.

    Returns:
        The files.
    """
    return write_orbit(solution, folder) + write_mesh(solution, folder)


def problem_of(
    operator: VolumeRendering,
    y: Tensor,
    model: noise.Noise,
    hold_out_views: int,
    cells: int,
    moments: int = 1,
) -> Problem:
    """Make the problem of a scene from its pictures, with what suits it.

    Args:
        operator: The rendering.
        y: (rows, 3) colours.
        model: Their noise.
        hold_out_views: Keep each n-th picture out of the fit.
        cells: Cells of the field's grid along the longest side of space.
        moments: Cells along the time axis of a scene that moves.

    Returns:
        The problem.
    """
    term = Term(operator, y, model)
    box = operator.box
    space = box.lengths[:3]
    shape = [max(2, round(cells * n / max(space))) for n in space]
    grid = Grid(box, tuple(shape + [moments] * (box.ndim - 3)))
    problem = Problem([term], box, grid, channels=operator.channels)
    suggested = Suggestion(
        prior="grid",
        options=grid_options(problem),
        regularizers=(WEIGHT * 0.5 * max(space) * variation_on(grid),),
        steps=STEPS,
        batch=1024,
        lr=LEARNING_RATE,
        start=begin_clear(box),
        candidates=scene_fits,
        stopping=views_held_out(term, hold_out_views),
        figure=figure,
        write=write_scene,
    )
    return replace(problem, suggested=suggested)
