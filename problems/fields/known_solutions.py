"""Solutions of equations in closed form, none of which separates in its box's coordinates."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from inverse_inr import Field


def mixed(p: Tensor) -> Tensor:
    """exp(-x) sin(3 y + 1) + x y² at points (*s, 2)."""
    x, y = p[..., :1], p[..., 1:]
    return torch.exp(-x) * torch.sin(3 * y + 1) + x * y**2


def plane_waves(waves: float) -> Field:
    """Two plane waves in different directions.

    Args:
        waves: Wavelengths per unit of length.
    """

    def field(p: Tensor) -> Tensor:
        k = 2 * math.pi * waves
        along = [p @ p.new_tensor([math.cos(a), math.sin(a)]) for a in (0.4, 1.9)]
        return (torch.sin(k * along[0]) + 0.5 * torch.cos(k * along[1]))[..., None]

    return field


def cooling(p: Tensor, diffusivity: Tensor | float = 0.1) -> Tensor:
    """Two modes of a rod with cold ends, at (x, t); differentiable in the diffusivity."""
    x, t = p[..., :1], p[..., 1:]
    pi = math.pi
    slow = torch.exp(-diffusivity * pi**2 * t) * torch.sin(pi * x)
    return slow + 0.5 * torch.exp(-9 * diffusivity * pi**2 * t) * torch.sin(3 * pi * x)


def string_modes(p: Tensor) -> Tensor:
    """Two modes of a string with fixed ends, at (x, t)."""
    x, t = p[..., :1], p[..., 1:]
    pi = math.pi
    first = torch.sin(pi * x) * torch.cos(pi * t)
    return first + 0.5 * torch.sin(2 * pi * x) * torch.sin(2 * pi * t)
