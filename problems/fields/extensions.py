"""What a field with exact values on the rims of a region is made of: φ and g of `HardBoundary`.

    φ = Π_i φ_i,    g = q + Σ_i (g_i / φ_i) / Σ_i (1 / φ_i)      over the rims i

φ_i is zero on rim i alone, with slope 1 there. q is a polynomial fitted to the values on the rims,
and g_i carries what it leaves there along rays from the centre of rim i.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from inverse_inr import Field
from inverse_inr.problems.fields.regions import Curve, Region

FADE = 4
"""Power of the distance from the centre of the outer curve by which what is known on it fades
towards the centre, where all directions meet: second derivatives stay continuous there."""

DEGREE = 12
"""Degree of the polynomial q."""

GROWTH = 1.5
"""How much more a coefficient of the next degree is kept small."""

RIDGE = 1e-5
"""By how much coefficients of degree 0 are kept small; the rim alone does not fix the others."""

POINTS = 1024
"""Points on all rims to which q is fitted."""

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
    smooth = _polynomial(region, values, curves)

    def left(points: Tensor) -> Tensor:
        return values(points) - smooth(points)

    def inside(points: Tensor) -> Tensor:
        zeros = [_zero_on(region, k, points) for k in curves]
        # multiplied by all φ, so that nothing is divided by zero on a rim
        one = torch.ones_like(zeros[0])
        weights = [
            torch.stack([one, *zeros[:i], *zeros[i + 1 :]]).prod(0) for i in range(len(zeros))
        ]
        carried = [_carried(region, k, left, points) for k in curves]
        parts = [w[..., None] * g for w, g in zip(weights, carried, strict=True)]
        return smooth(points) + torch.stack(parts).sum(0) / torch.stack(weights).sum(0)[..., None]

    return inside


def _polynomial(region: Region, values: Field, curves: Sequence[int]) -> Field:
    """The smoothest polynomial that fits the values on rims well."""
    box = region.box
    powers = [(i, j) for i in range(DEGREE + 1) for j in range(DEGREE + 1 - i)]

    middle, half = torch.tensor(box.center), torch.tensor(box.lengths) / 2

    def along(points: Tensor) -> tuple[Tensor, Tensor]:
        """Powers of both coordinates, (*s, degree + 1) each."""
        both = (points - middle.to(points)) / half.to(points)
        powers_of = [torch.ones_like(both)]
        for _ in range(DEGREE):
            powers_of.append(powers_of[-1] * both)
        x, y = torch.stack(powers_of, -1).unbind(-2)
        return x, y

    rim, _ = region.rim(POINTS, curves)
    x, y = along(rim)
    columns = torch.stack([x[:, i] * y[:, j] for i, j in powers], -1)
    small = torch.tensor([RIDGE * GROWTH ** (i + j) for i, j in powers], dtype=torch.float64)
    goals = values(rim).detach()
    matrix = torch.cat([columns / len(rim) ** 0.5, torch.diag(small)])
    right = torch.cat([goals / len(rim) ** 0.5, goals.new_zeros(len(powers), goals.shape[-1])])
    found = torch.linalg.lstsq(matrix, right).solution
    table = found.new_zeros(DEGREE + 1, DEGREE + 1, goals.shape[-1])
    for (i, j), row in zip(powers, found, strict=True):
        table[i, j] = row

    def polynomial(points: Tensor) -> Tensor:
        x, y = along(points)
        channels = [((x @ part.to(x)) * y).sum(-1) for part in table.unbind(-1)]
        return torch.stack(channels, -1)

    return polynomial


def _zero_on(region: Region, k: int, points: Tensor) -> Tensor:
    """A function that is zero on rim k, with slope 1 there, and positive inside."""
    curve = region.curves[k]
    relative = curve.relative(points)
    scale = curve.steepness(points)
    if k == 0:
        fade = relative**FADE
        # in the centre, where all directions meet, one slope for all
        return (1 - fade) / FADE * (curve.radius + (1 / scale - curve.radius) * fade)
    return (1 - relative.clamp(min=NEAREST) ** -2) / (2 * scale)


def _carried(region: Region, k: int, values: Field, points: Tensor) -> Tensor:
    """The values on rim k along rays from its centre; those on the outer rim fade towards it."""
    curve: Curve = region.curves[k]
    seen = values(curve.below(points))
    if k:
        return seen
    return seen * curve.relative(points)[..., None] ** FADE
