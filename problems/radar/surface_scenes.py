"""Solid shapes with exact signed distances, and scatterers with normals on their surfaces."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr.registry import nearest

SPHERE = ((0.004, -0.003, 0.002), (0.045, 0.045, 0.045))
BLOCK = ((0.003, 0.002, -0.004), (0.050, 0.040, 0.030))


@dataclass(frozen=True)
class Shape:
    """A sphere of radius half[0] (`round`), or a box of half-lengths `half`, about `center`, in m."""

    center: tuple[float, float, float]
    half: tuple[float, float, float]
    round: bool = False

    def __call__(self, points: Tensor) -> Tensor:
        """Signed distance, negative inside: (*s, 3) -> (*s, 1)."""
        away = points - points.new_tensor(self.center)
        if self.round:
            return torch.linalg.vector_norm(away, dim=-1, keepdim=True) - self.half[0]
        over = away.abs() - away.new_tensor(self.half)
        outside = torch.linalg.vector_norm(over.clamp(min=0), dim=-1, keepdim=True)
        return outside + over.amax(-1, keepdim=True).clamp(max=0)

    def scatterers(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Points uniform on the surface and their outward normals: (count, 3) each, float64."""
        center = torch.tensor(self.center, dtype=torch.float64)
        if self.round:
            draw = torch.randn(count, 3, dtype=torch.float64, generator=generator)
            normal = torch.nn.functional.normalize(draw, dim=-1)
            return center + self.half[0] * normal, normal
        half = torch.tensor(self.half, dtype=torch.float64)
        local = (2 * torch.rand(count, 3, dtype=torch.float64, generator=generator) - 1) * half
        axis = torch.multinomial(half.prod() / half, count, replacement=True, generator=generator)
        k, normal = torch.arange(count), torch.zeros(count, 3, dtype=torch.float64)
        normal[k, axis] = local[k, axis].sign()
        local[k, axis] = normal[k, axis] * half[axis]
        return center + local, normal


SHAPES = {"sphere": Shape(*SPHERE, round=True), "box": Shape(*BLOCK)}


def shape(name: str) -> Shape:
    """By name. Raises ValueError with the nearest one."""
    if name not in SHAPES:
        raise ValueError(f"Unknown scene {name!r}. {nearest(name, SHAPES)}")
    return SHAPES[name]
