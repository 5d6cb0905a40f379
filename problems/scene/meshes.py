"""A mesh out of a fitted density: the surface where rays begin to lose their light."""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch
from torch import Tensor

from inverse_inr import Box, Field, Grid, Solution, evaluate, placed
from inverse_inr.io import atomic_write, write_ply
from inverse_inr.operators import VolumeRendering
from inverse_inr.problems.scene.editing import AtTime
from inverse_inr.protocol import evaluating
from inverse_inr.ranges import Count, Positive, checked
from inverse_inr.surfaces import Mesh, level_set

MOST_RAYS = 4096
"""Rays that are looked at to choose a level."""

LOST = 0.15
"""The part of its light that a ray has lost at a surface: of 0.05, 0.1, 0.15, 0.2, 0.25 and 0.35
the one with the best meshes of four fits to the table top of seed 10, at 24 pixels."""

RULE = "the density at which rays have lost 15 % of their light"
"""How `surface_density` chooses, for mesh.json."""


@torch.no_grad()
def surface_density(field: Field, operator: VolumeRendering) -> float:
    """Give the density of a scene's surfaces: the one at which rays begin to lose their light.

    No truth is asked. How dense an opaque thing is, no picture tells, so that half of its largest
    density may lie anywhere in an edge; where light begins to be lost, pictures do tell. Of a sharp
    edge, at which light is lost at the full density, half of that is taken. A ray that loses less
    than nine tenths of its light has no say.

    Args:
        field: The field, of density and colours.
        operator: The rendering, whose rays are looked at.

    Returns:
        The median over the rays that lose so much, per unit of the box.

    Raises:
        ValueError: No ray loses nine tenths of its light.
    """
    rows = torch.linspace(0, len(operator) - 1, min(len(operator), MOST_RAYS)).long()
    with evaluating(operator):
        points, _ = operator(rows)
    assert isinstance(points, Tensor)
    length = (points[:, 1:2] - points[:, :1]).norm(dim=-1)  # of each piece of a ray
    density = evaluate(field, placed(points, field))[..., 0].double()
    lost = (density * length.to(density)).cumsum(1)
    opaque = lost[:, -1] > math.log(10)
    if not bool(opaque.any()):
        raise ValueError(
            f"surface_density: none of {len(rows)} rays loses nine tenths of its light, so the "
            "field shows no surface. Not fitted yet?"
        )
    lost, density = lost[opaque], density[opaque]
    until = torch.nn.functional.pad(lost, (1, 0))[:, :-1]  # lost before each piece
    most = torch.where(until < math.log(10), density, 0.0).amax(1)
    wanted = -math.log(1 - LOST)
    ray, piece = torch.arange(len(lost)), (lost < wanted).sum(1)  # in that piece it is lost
    before = until[ray, piece]
    place = piece + (wanted - before) / (lost[ray, piece] - before) - 0.5  # from middle to middle
    low = place.floor().long().clamp(0, lost.shape[1] - 2)
    there = torch.lerp(density[ray, low], density[ray, low + 1], place.clamp(min=0) - low)
    return float(torch.minimum(there, 0.5 * most).median())


@checked
def mesh_of(
    field: Field,
    operator: VolumeRendering,
    grid: Grid,
    *,
    level: Positive | None = None,
    factor: Count = 1,
) -> Mesh:
    """Mesh the surfaces of a fitted scene by marching cubes.

    Args:
        field: The field; of a scene that moves, `AtTime` of it.
        operator: The rendering that it was fitted by.
        grid: 3-D, of the box.
        level: The density of the surface, per unit of the box; None for `surface_density`.
        factor: How many times finer than the grid.

    Returns:
        The mesh, open where the surface leaves the box.

    Raises:
        ValueError: Nothing is as dense as that, or everything.
    """
    if level is None:
        level = surface_density(field, operator)
    return level_set(field, grid.refined(factor), level, inside="above")


@torch.no_grad()
def colours_at(field: Field, points: Tensor) -> Tensor:
    """Give the colours of a field, the mean over all directions.

    Args:
        field: The field, of density and colours.
        points: (n, 3).

    Returns:
        (n, 3) between 0 and 1.
    """
    return evaluate(field, placed(points, field))[..., 1:4].clamp(0, 1)


def write_mesh(solution: Solution, folder: Path) -> list[Path]:
    """Write mesh.ply with colours; of a scene that moves, as it is at the middle of its time.

    Args:
        solution: The solution.
        folder: The folder, which exists.

    Returns:
        mesh.ply, and mesh.json, which says at which density the surface is; where the field shows
        no surface, mesh.json alone, which says so.
    """
    operator = solution.problem.terms[0].operator
    assert isinstance(operator, VolumeRendering)
    field = solution.field
    box, shape = solution.problem.grid.box, solution.problem.grid.shape
    note: dict[str, object] = {"rule": RULE}
    files = [folder / "mesh.json"]
    try:
        level = surface_density(field, operator)
        if operator.times is not None:
            note["time"] = box.center[3]
            field = AtTime(field, box.center[3])
        space = Grid(Box(box.lower[:3], box.upper[:3], box.units[:3]), shape[:3])
        mesh = mesh_of(field, operator, space, level=level)
        note["density"] = level
        files.append(folder / "mesh.ply")
        _write_coloured(files[1], mesh, colours_at(field, mesh.vertices))
    except ValueError as error:
        note["no surface"] = str(error)
    with atomic_write(files[0]) as part:
        part.write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")
    return files


def _write_coloured(path: Path, mesh: Mesh, colours: Tensor) -> None:
    bytes_ = (255 * colours).round().to(torch.uint8)
    red, green, blue = bytes_.unbind(1)
    named = {"red": red, "green": green, "blue": blue}
    write_ply(path, mesh.vertices, mesh.faces, normals=mesh.vertex_normals, extra=named)
