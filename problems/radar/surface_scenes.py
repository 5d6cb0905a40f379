"""Solid shapes with exact signed distances, and scatterers with normals on their surfaces."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr import memory
from inverse_inr.ranges import Count, checked
from inverse_inr.registry import nearest

SPHERE = ((0.004, -0.003, 0.002), (0.045, 0.045, 0.045))
"""Centre and radius (three times) of the sphere in metres."""
BLOCK = ((0.003, 0.002, -0.004), (0.050, 0.040, 0.030))
"""Centre and half-lengths of the box in metres."""


@dataclass(frozen=True)
class Shape:
    """A sphere or a box.

    Calling it gives the signed distance of points.

    Args:
        center: Three coordinates in metres.
        half: Half-lengths in metres; the first is the radius of a sphere.
        round: True for a sphere, False for a box.
    """

    center: tuple[float, float, float]
    half: tuple[float, float, float]
    round: bool = False

    def __call__(self, points: Tensor) -> Tensor:
        """Signed distance to the surface, negative inside.

        Args:
            points: (*s, 3) in metres.

        Returns:
            (*s, 1) in metres.
        """
        away = points - points.new_tensor(self.center)
        if self.round:
            return torch.linalg.vector_norm(away, dim=-1, keepdim=True) - self.half[0]
        over = away.abs() - away.new_tensor(self.half)
        return _outside(over)

    @checked
    def scatterers(self, count: Count, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw points uniformly on the surface.

        Args:
            count: Number of points.
            generator: Source of the random numbers.

        Returns:
            The points in metres and their outward unit normals, both (count, 3), float64.
        """
        memory.require(f"{count} scatterers", 8 * 3 * 6 * count, "Fewer.")
        center = torch.tensor(self.center, dtype=torch.float64)
        if self.round:
            draw = torch.randn(count, 3, dtype=torch.float64, generator=generator)
            normal = torch.nn.functional.normalize(draw, dim=-1)
            return center + self.half[0] * normal, normal
        half = torch.tensor(self.half, dtype=torch.float64)
        local = (2 * torch.rand(count, 3, dtype=torch.float64, generator=generator) - 1) * half
        axis = torch.multinomial(half.prod() / half, count, replacement=True, generator=generator)
        k = torch.arange(count)
        normal = torch.zeros(count, 3, dtype=torch.float64)
        normal[k, axis] = local[k, axis].sign()
        local[k, axis] = normal[k, axis] * half[axis]
        return center + local, normal


@dataclass(frozen=True)
class CylinderOnPlate:
    """An upright cylinder on a square plate: a concave body, whose parts shadow each other.

    Calling it gives a distance that is exact outside of each part and at the surface.

    Args:
        center: Middle of the plate's upper side, three coordinates in metres.
        side: Side of the plate in metres.
        thickness: Of the plate in metres.
        radius: Of the cylinder in metres.
        height: Of the cylinder above the plate in metres.
    """

    center: tuple[float, float, float] = (0.002, -0.003, -0.015)
    side: float = 0.11
    thickness: float = 0.02
    radius: float = 0.02
    height: float = 0.05

    def __call__(self, points: Tensor) -> Tensor:
        """Signed distance to the surface, negative inside.

        Args:
            points: (*s, 3) in metres.

        Returns:
            (*s, 1) in metres.
        """
        x = points - points.new_tensor(self.center)
        up = x[..., 2:]
        half = x.new_tensor([0.5 * self.side, 0.5 * self.side, 0.5 * self.thickness])
        below = x.new_tensor([0.0, 0.0, 0.5 * self.thickness])
        plate = _outside((x + below).abs() - half)
        across = torch.linalg.vector_norm(x[..., :2], dim=-1, keepdim=True) - self.radius
        # the cylinder reaches into the plate, for the two to be one body
        along = torch.maximum(up - self.height, -0.5 * self.thickness - up)
        return torch.minimum(plate, _outside(torch.cat([across, along], -1)))

    @checked
    def scatterers(self, count: Count, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw points uniformly on the surface, as `Shape.scatterers` does.

        Args:
            count: Number of points.
            generator: Source of the random numbers.

        Returns:
            The points in metres and their outward unit normals, both (count, 3), float64.
        """
        memory.require(f"{count} scatterers", 8 * 3 * 6 * count, "Fewer.")
        a, t, r, h = self.side, self.thickness, self.radius, self.height
        areas = torch.tensor(
            [a * a, a * a, 4 * a * t, 2 * math.pi * r * h, math.pi * r * r], dtype=torch.float64
        )
        points = torch.zeros(0, 3, dtype=torch.float64)
        normals = points
        while len(points) < count:
            part = torch.multinomial(areas, 2 * count, replacement=True, generator=generator)
            draw = torch.rand(3, 2 * count, dtype=torch.float64, generator=generator)
            where, out = self._on(part, draw)
            seen = self(where)[:, 0].abs() < 1e-9  # not the part of the plate below the cylinder
            points = torch.cat([points, where[seen]])
            normals = torch.cat([normals, out[seen]])
        return points[:count], normals[:count]

    def _on(self, part: Tensor, draw: Tensor) -> tuple[Tensor, Tensor]:
        """Points and normals on the plate (top, bottom, rim) and the cylinder (side, top)."""
        u, v, w = draw
        half = 0.5 * self.side
        turn = 2 * math.pi * u
        ring = torch.stack([turn.cos(), turn.sin(), 0 * u], 1)
        up = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64).expand(len(u), 3)
        flat = torch.stack([self.side * (u - 0.5), self.side * (v - 0.5), 0 * u], 1)
        quarter = 0.5 * math.pi * (4 * v).floor()
        out = torch.stack([quarter.cos(), quarter.sin(), 0 * u], 1)
        aside = torch.stack([-out[:, 1], out[:, 0], 0 * u], 1)
        rim = half * out + self.side * (u - 0.5)[:, None] * aside - self.thickness * w[:, None] * up
        places = torch.stack(
            [
                flat,
                flat - self.thickness * up,
                rim,
                self.radius * ring + self.height * v[:, None] * up,
                self.radius * v.sqrt()[:, None] * ring + self.height * up,
            ]
        )
        normals = torch.stack([up, -up, out, ring, up])
        each = torch.arange(len(u))
        return places[part, each] + places.new_tensor(self.center), normals[part, each]


def _outside(over: Tensor) -> Tensor:
    """Distance to a box from what each coordinate exceeds it by: (*s, d) -> (*s, 1)."""
    outside = torch.linalg.vector_norm(over.clamp(min=0), dim=-1, keepdim=True)
    return outside + over.amax(-1, keepdim=True).clamp(max=0)


Body = Shape | CylinderOnPlate
"""A solid with an exact surface."""

SHAPES: dict[str, Body] = {
    "sphere": Shape(*SPHERE, round=True),
    "box": Shape(*BLOCK),
    "cylinder on a plate": CylinderOnPlate(),
}
"""Shapes by the scene's name."""


@checked
def shape(name: str) -> Body:
    """Return the shape of a scene.

    Args:
        name: A key of `SHAPES`.

    Raises:
        ValueError: If there is none of that name; the message names the nearest one.
    """
    if name not in SHAPES:
        raise ValueError(f"Unknown scene {name!r}. {nearest(name, SHAPES)}")
    return SHAPES[name]
