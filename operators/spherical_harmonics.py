"""Real spherical harmonics, orthonormal on the sphere: how a value may depend on direction."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from torch import Tensor

from inverse_inr.ranges import Range, checked

Degree = Annotated[int, Range(least=0, most=20)]
"""The degree of spherical harmonics: (degree + 1)² channels."""


@checked
def real_harmonics(directions: Tensor, degree: Degree) -> Tensor:
    """Evaluate Y_lm for l <= degree, with ∫ Y² = 1 and without the Condon-Shortley phase.

    Args:
        directions: (*s, 3) unit vectors.
        degree: Largest l.

    Returns:
        (*s, (degree + 1)²), Y_lm at index l² + l + m.

    Raises:
        ValueError: If the degree is negative.
    """
    if degree < 0:
        raise ValueError(f"real_harmonics: degree must not be negative, got {degree}.")
    z = directions[..., 2]
    cos, sin = _azimuthal(directions, degree)
    values = [torch.zeros_like(z)] * (degree + 1) ** 2
    for m in range(degree + 1):
        for n, legendre in enumerate(_legendre(z, m, degree), m):
            scale = math.sqrt(
                (2 * n + 1) / (4 * math.pi) * math.factorial(n - m) / math.factorial(n + m)
            )
            if m > 0:
                scale *= math.sqrt(2)
                values[n * n + n - m] = scale * legendre * sin[m]
            values[n * n + n + m] = scale * legendre * cos[m]
    return torch.stack(values, -1)


def _azimuthal(directions: Tensor, degree: int) -> tuple[list[Tensor], list[Tensor]]:
    """r^m sin^m(theta) cos(m phi) and r^m sin^m(theta) sin(m phi) for m <= degree."""
    x, y, _ = directions.unbind(-1)
    cos = [torch.ones_like(x)]
    sin = [torch.zeros_like(x)]
    for m in range(degree):
        cos.append(x * cos[m] - y * sin[m])
        sin.append(x * sin[m] + y * cos[m])
    return cos, sin


def _legendre(z: Tensor, m: int, degree: int) -> list[Tensor]:
    """P_n^m(z) / sin^m(theta) for m <= n <= degree, by its three-term recurrence."""
    below = torch.zeros_like(z)
    found = [torch.full_like(z, float(math.prod(range(1, 2 * m, 2))))]
    for n in range(m + 1, degree + 1):
        last = found[-1]
        found.append(((2 * n - 1) * z * last - (n + m - 1) * below) / (n - m))
        below = last
    return found
