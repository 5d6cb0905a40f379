"""A surface from a point cloud: its signed distance, or the unsigned one of an open surface."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from inverse_inr import Box, Grid, Problem, Suggestion, Term
from inverse_inr.fidelity import L1
from inverse_inr.memory import require
from inverse_inr.operators import Values
from inverse_inr.problems.shapes.classical import nearest_normal, nearest_point, radial_basis
from inverse_inr.problems.shapes.output import figure, write_surface
from inverse_inr.problems.shapes.solids import OPEN, SOLIDS, cloud_on, distance_of_solid
from inverse_inr.ranges import Count, Fraction, NonNegative, Seed, checked
from inverse_inr.stopping import Never
from inverse_inr.surfaces import (
    ClampedL1,
    Eikonal,
    OffSurface,
    OnSurface,
    SignedDistance,
    UnsignedDistance,
    distance_to_sheet,
    near_and_far,
    start_radius,
)
from inverse_inr.surfaces.shape_files import read_cloud

Distances = Literal["signed", "unsigned"]
"""Which distance is sought."""
NORMALS, EIKONAL, OFF = 1 / 30, 1 / 60, 1 / 30
"""Weights of SIREN's losses relative to |f| on the surface: 1e2, 5e1 and 1e2 beside 3e3."""
LIMIT = 0.2
"""Distances beyond this part of half the box are not told apart."""
CANDIDATES = 20_000
"""Places at which an unsigned distance is learnt."""


@checked
def shape_cloud(
    path: str = "torus",
    *,
    distance: Distances | None = None,
    points: Count = 3000,
    noise_level: NonNegative = 0.0,
    margin: Fraction = 0.2,
    cells: Count = 48,
    steps: Count = 1500,
    seed: Seed = 0,
) -> Problem:
    """Find the surface through a point cloud.

    "signed": f is zero on the points and its slope is their normal; everywhere its slope is as long
    as one, and away from the points it is not zero (SIREN's losses). It needs oriented normals, and
    closes what the cloud leaves open. "unsigned": the distance from the sheet of the points
    (`distance_to_sheet`) is learnt at places near it; normals are not needed, and an open surface
    keeps its boundary.

    Args:
        path: A PLY of your own, or "sphere", "box", "torus" or "bowl" (open), generated.
        distance: "signed" or "unsigned"; None for signed where there are normals, but unsigned for
            the bowl.
        points: Points of a generated cloud.
        noise_level: Standard deviation of the noise of the points of a generated cloud.
        margin: The box is so much larger than the cloud, as a part of its longest side.
        cells: Voxels along the longest side of the box, for the mesh.
        steps: Steps of the fit.
        seed: Seed of a generated cloud, and of the places.

    Returns:
        The problem. `reference` is the exact distance of a generated shape.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is no point cloud, or has normals that are NaN or zero.
        ValueError: A signed distance of points without normals, or the cloud has no extent.
    """
    cloud, normals = _cloud(path, points, noise_level, seed)
    if distance is None:
        distance = "signed"
        if normals is None or path in OPEN:
            distance = "unsigned"
    box, grid = around(cloud, margin, cells)
    reference = None
    if path in SOLIDS and (distance == "signed" or path in OPEN):
        reference = distance_of_solid(path)
    notes = {"points": f"{len(cloud)}", "distance": distance}
    half = 0.5 * max(box.lengths)
    if distance == "unsigned":
        generator = torch.Generator().manual_seed(seed)
        made = unsigned(cloud, partial(distance_to_sheet, cloud), box, grid, steps, generator)
        simple = {"nearest point": partial(nearest_point, cloud=cloud)}
        suggested = replace(made.suggested, baselines=simple)
        return replace(made, reference=reference, notes=notes, suggested=suggested)
    if normals is None:
        raise ValueError(
            f"shape_cloud: {path} has no normals (nx, ny, nz), which say where the inside is. Take "
            "distance='unsigned', or estimate and orient them first."
        )
    term = Term(Values(cloud), torch.zeros(len(cloud)), L1())
    on = OnSurface(cloud.float(), normals.float(), scale=half, oriented=True)
    suggested = Suggestion(
        prior="siren",
        options={"width": 96, "depth": 3, "bandwidth": 2.0 / half},
        regularizers=(
            NORMALS * half * on,
            EIKONAL * half * Eikonal(),
            OFF * half * OffSurface(half / 100),
        ),
        steps=steps,
        batch=1024,
        lr=1e-3,
        start=partial(SignedDistance, box, radius=start_radius(cloud, box)),
        stopping=Never(),
        baselines={
            "nearest normal": partial(nearest_normal, normals=normals),
            "radial basis": partial(radial_basis, normals=normals),
        },
        figure=figure,
        write=write_surface,
    )
    return Problem([term], box, grid, reference=reference, suggested=suggested, notes=notes)


def _cloud(path: str, count: int, noise_level: float, seed: int) -> tuple[Tensor, Tensor | None]:
    if path not in SOLIDS:
        if not Path(path).suffix:
            distance_of_solid(path)  # says which shapes there are
        return read_cloud(path)
    points, normals = cloud_on(path, count, seed)
    generator = torch.Generator().manual_seed(seed + 1)
    draw = torch.randn(points.shape, dtype=torch.float64, generator=generator)
    return points + noise_level * draw, normals


def around(points: Tensor, margin: float, cells: int) -> tuple[Box, Grid]:
    """Make the box of a shape, and the grid on which it is meshed.

    Args:
        points: (n, 3) on the shape.
        margin: The box is so much larger on each side, as a part of the longest side.
        cells: Voxels along the longest side.

    Returns:
        The box and the grid, of voxels that are nearly cubes.

    Raises:
        ValueError: The points have no extent.
    """
    low, high = points.amin(0), points.amax(0)
    longest = float((high - low).max())
    if longest == 0:
        raise ValueError(f"A shape of {len(points)} points at one place has no extent.")
    more = max(margin, 2 / cells) * longest
    lower, upper = (low - more).tolist(), (high + more).tolist()
    box = Box(tuple(lower), tuple(upper))
    size = longest + 2 * more
    shape = tuple(max(4, round(cells * n / size)) for n in box.lengths)
    require(f"a shape on cells={cells} voxels a side", 200.0 * math.prod(shape), "A coarser grid.")
    return box, Grid(box, shape)


def unsigned(
    cloud: Tensor,
    distance: Callable[[Tensor], Tensor],
    box: Box,
    grid: Grid,
    steps: int,
    generator: torch.Generator,
) -> Problem:
    """Make the problem of learning an unsigned distance at places near a surface.

    Args:
        cloud: (n, 3) points on the surface.
        distance: Gives the distance (m,) of places (m, 3).
        box: The box.
        grid: Its voxels.
        steps: Steps of the fit.
        generator: Source of the places.
    """
    places = near_and_far(cloud, box, CANDIDATES, generator)
    half = 0.5 * max(box.lengths)
    term = Term(Values(places), distance(places).float(), ClampedL1(LIMIT * half))
    suggested = Suggestion(
        prior="siren",
        options={"width": 96, "depth": 3, "bandwidth": 8.0 / half},
        start=partial(UnsignedDistance, box),
        steps=steps,
        batch=2048,
        lr=1e-3,
        stopping=Never(),
        figure=figure,
        write=write_surface,
    )
    return Problem([term], box, grid, suggested=suggested)
