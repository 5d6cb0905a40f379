"""Real spherical harmonics, orthonormal on the sphere: how reflectivity may depend on a direction."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def real_harmonics(directions: Tensor, degree: int) -> Tensor:
    """Y_lm of unit vectors (*s, 3) for l <= degree: (*s, (degree + 1)²), at l² + l + m. ∫ Y² = 1, no Condon phase."""
    if degree < 0:
        raise ValueError(f"real_harmonics: degree must not be negative, got {degree}.")
    x, y, z = directions.unbind(-1)
    cos, sin = (
        [torch.ones_like(x)],
        [torch.zeros_like(x)],
    )  # r^m sin^m(theta) cos(m phi), ... sin(m phi)
    for _ in range(degree):
        cos, sin = [*cos, x * cos[-1] - y * sin[-1]], [*sin, x * sin[-1] + y * cos[-1]]
    values = [torch.zeros_like(x)] * (degree + 1) ** 2
    for m in range(degree + 1):
        below, legendre = (
            torch.zeros_like(z),
            torch.full_like(z, float(math.prod(range(1, 2 * m, 2)))),
        )
        for n in range(m, degree + 1):  # P_n^m / sin^m by its three-term recurrence
            if n > m:
                below, legendre = (
                    legendre,
                    ((2 * n - 1) * z * legendre - (n + m - 1) * below) / (n - m),
                )
            scale = math.sqrt(
                (2 * n + 1) / (4 * math.pi) * math.factorial(n - m) / math.factorial(n + m)
            )
            scale *= math.sqrt(2) if m else 1.0
            values[n * n + n + m] = scale * legendre * cos[m]
            if m:
                values[n * n + n - m] = scale * legendre * sin[m]
    return torch.stack(values, -1)
