"""Shapes whose distances are known in closed form: a sphere, a box, a torus, and an open bowl."""

from __future__ import annotations

import torch
from torch import Tensor

from inverse_inr import memory
from inverse_inr.evaluation import Field
from inverse_inr.ranges import Count, Seed, checked
from inverse_inr.registry import nearest
from inverse_inr.surfaces.clouds import value_and_slope

RADIUS = 0.6
"""Of the sphere, of the bowl, and of the middle line of the torus."""
TUBE = 0.22
"""Radius of the torus's tube."""
HALVES = (0.6, 0.45, 0.35)
"""Half sides of the box."""
EDGE = 1.2
"""Half side of the cube that holds each of them."""


def _sphere(points: Tensor) -> Tensor:
    return torch.linalg.vector_norm(points, dim=-1, keepdim=True) - RADIUS


def _box(points: Tensor) -> Tensor:
    over = points.abs() - points.new_tensor(HALVES)
    out = torch.linalg.vector_norm(over.clamp(min=0), dim=-1, keepdim=True)
    return out + over.amax(-1, keepdim=True).clamp(max=0)


def _torus(points: Tensor) -> Tensor:
    across = torch.linalg.vector_norm(points[..., :2], dim=-1, keepdim=True) - RADIUS
    from_line = torch.cat([across, points[..., 2:]], -1)
    return torch.linalg.vector_norm(from_line, dim=-1, keepdim=True) - TUBE


def _bowl(points: Tensor) -> Tensor:
    """The unsigned distance of the lower half of a sphere."""
    up = points[..., 2:]
    across = torch.linalg.vector_norm(points[..., :2], dim=-1, keepdim=True)
    rim = torch.linalg.vector_norm(torch.cat([across - RADIUS, up], -1), dim=-1, keepdim=True)
    return torch.where(up < 0, _sphere(points).abs(), rim)


SOLIDS: dict[str, Field] = {"sphere": _sphere, "box": _box, "torus": _torus, "bowl": _bowl}
"""Distances by name: signed and negative inside, but that of the bowl, which has no inside."""
SHELL = 0.03
"""Depth from which places are moved onto the surface."""
OPEN = ("bowl",)
"""Those that are open."""


@checked
def distance_of_solid(name: str) -> Field:
    """Give the exact distance of a shape by its name.

    Args:
        name: "sphere", "box", "torus" or "bowl".

    Raises:
        ValueError: There is no such shape.
    """
    if name not in SOLIDS:
        raise ValueError(f"Unknown shape {name!r}. {nearest(name, list(SOLIDS))}")
    return SOLIDS[name]


@checked
def cloud_on(name: str, count: Count, seed: Seed = 0) -> tuple[Tensor, Tensor]:
    """Draw points uniformly on a shape, with its normals.

    Args:
        name: "sphere", "box", "torus" or "bowl".
        count: The number of points.
        seed: Decides which.

    Returns:
        Points and outward unit normals, (count, 3) each, in float64.

    Raises:
        ValueError: There is no such shape.
    """
    distance = distance_of_solid(name)
    if name in OPEN:
        distance = _sphere
    memory.require(f"cloud_on: count={count} points", 2000.0 * count, "Fewer.")
    generator = torch.Generator().manual_seed(seed)
    points: list[Tensor] = []
    normals: list[Tensor] = []
    have = 0
    while have < count:
        # places just inside, moved onto the surface: their density is the area's, but for a strip
        # as narrow as the shell at edges
        draw = torch.rand(2**16, 3, dtype=torch.float64, generator=generator)
        places = EDGE * (2 * draw - 1)
        value, slope = value_and_slope(distance, places)
        near = (value[:, 0] < 0) & (value[:, 0] > -SHELL)
        if name in OPEN:
            near &= places[:, 2] < 0
        points.append((places - value * slope)[near])
        normals.append(slope[near])
        have += int(near.sum())
    return torch.cat(points)[:count], torch.cat(normals)[:count]
