"""What a field with exact values on the rims of a region is made of: φ and g of `HardBoundary`.

    φ = Π_i φ_i,    g = Σ_i (g_i / φ_i) / Σ_i (1 / φ_i)      over the rims i

φ_i is zero on rim i alone; g_i carries the values on rim i along rays from its centre.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from inverse_inr import Field
from inverse_inr.problems.fields.regions import Region

FADE = 4
"""Power of the distance from the centre of the outer curve by which its values fade towards the
centre, where all directions meet: second derivatives stay continuous there."""

MEANS = 256
"""Points on the outer rim whose mean value stands in its centre."""

NEAREST = 0.3
"""Relative distance from a hole's centre below which φ, outside the region, stays as it is."""


def zero_on_rims(region: Region, curves: Sequence[int]) -> Callable[[Tensor], Tensor]:
    """Make a smooth function that is zero on rims and positive inside the region.

    Args:
        region: The region.
        curves: The rims, 0 the outer one.

    Returns:
        A function of points (*s, 2) that gives (*s,).
    """

    def zero(points: Tensor) -> Tensor:
        return torch.stack([_zero_on(region, k, points) for k in curves]).prod(0)

    return zero


def between_rims(region: Region, values: Field, curves: Sequence[int]) -> Field:
    """Carry values on rims into the region.

    Args:
        region: The region.
        values: The field of the values, which is asked on these rims only.
        curves: The rims, 0 the outer one.

    Returns:
        A field that has these values on these rims.

    Source:
        Rvachev et al. 2001, as in Sukumar & Srivastava 2022: interpolation by inverse φ.
    """
    around = region.outer.at(region.outer.spread(MEANS))
    middle = values(around).mean(0).detach()

    def inside(points: Tensor) -> Tensor:
        zeros = [_zero_on(region, k, points) for k in curves]
        # multiplied by all φ, so that nothing is divided by zero on a rim
        one = torch.ones_like(zeros[0])
        weights = [
            torch.stack([one, *zeros[:i], *zeros[i + 1 :]]).prod(0) for i in range(len(zeros))
        ]
        carried = [_carried(region, k, values, points, middle) for k in curves]
        parts = [w[..., None] * g for w, g in zip(weights, carried, strict=True)]
        return torch.stack(parts).sum(0) / torch.stack(weights).sum(0)[..., None]

    return inside


def _zero_on(region: Region, k: int, points: Tensor) -> Tensor:
    """A function that is zero on rim k and at most 1 inside."""
    relative = region.curves[k].relative(points)
    if k == 0:
        return 1 - relative**FADE
    return 1 - relative.clamp(min=NEAREST) ** -2


def _carried(region: Region, k: int, values: Field, points: Tensor, middle: Tensor) -> Tensor:
    """The values on rim k along rays from its centre; those on the outer rim fade to `middle`."""
    curve = region.curves[k]
    seen = values(curve.below(points))
    if k:
        return seen
    middle = middle.to(seen)
    return middle + (seen - middle) * curve.relative(points)[..., None] ** FADE
