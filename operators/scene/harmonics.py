"""Real spherical harmonics, by which a colour depends on the direction it is seen from."""

from __future__ import annotations

import torch
from torch import Tensor

MOST = 2
"""The highest degree that is written out."""


def harmonics(direction: Tensor, degree: int) -> Tensor:
    """Evaluate real spherical harmonics, in units of that of degree 0.

    Args:
        direction: (*s, 3) unit vectors.
        degree: The highest degree, 0 to 2.

    Returns:
        (*s, (degree + 1)²) values, of which the first is 1. Over the sphere their mean squares are
        1 and their mean products 0.

    Source:
        Ramamoorthi and Hanrahan, An efficient representation for irradiance environment maps, 2001.
    """
    x, y, z = direction.unbind(-1)
    values = [torch.ones_like(x)]
    if degree >= 1:
        values += [3**0.5 * y, 3**0.5 * z, 3**0.5 * x]
    if degree >= 2:
        values += [
            15**0.5 * x * y,
            15**0.5 * y * z,
            5**0.5 / 2 * (3 * z * z - 1),
            15**0.5 * x * z,
            15**0.5 / 2 * (x * x - y * y),
        ]
    return torch.stack(values, -1)
