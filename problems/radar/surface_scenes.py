"""Solid shapes with exact signed distances, and scatterers with normals on their surfaces."""

from __future__ import annotations

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
        outside = torch.linalg.vector_norm(over.clamp(min=0), dim=-1, keepdim=True)
        return outside + over.amax(-1, keepdim=True).clamp(max=0)

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


SHAPES = {"sphere": Shape(*SPHERE, round=True), "box": Shape(*BLOCK)}
"""Shapes by the scene's name."""


@checked
def shape(name: str) -> Shape:
    """Return the shape of a scene.

    Args:
        name: A key of `SHAPES`.

    Raises:
        ValueError: If there is none of that name; the message names the nearest one.
    """
    if name not in SHAPES:
        raise ValueError(f"Unknown scene {name!r}. {nearest(name, SHAPES)}")
    return SHAPES[name]
