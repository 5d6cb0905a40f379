"""Places of measurements on the lattice of a sampled image, and the image's boundary."""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor

from inverse_inr import Box, Grid


class Alignment(NamedTuple):
    """The place of a lattice of measurements on a grid, in pixels of the grid along each axis."""

    first: list[int]
    """The grid's pixel at or before the first measurement."""
    stride: list[int]
    """Pixels from one measurement to the next."""
    fraction: list[float]
    """Distance of each measurement beyond its pixel, from 0 to below 1 pixel."""


def alignment(measured: Grid, grid: Grid) -> Alignment | None:
    """Find the place of one lattice's centres on another.

    Args:
        measured: The lattice of measurements, as fine as `grid` or coarser by whole factors.
        grid: The lattice of the image.

    Returns:
        The place of `measured`, or None where the pixel sizes have no whole ratio.
    """
    if measured.ndim != grid.ndim:
        return None
    found = Alignment([], [], [])
    for a, b, h, g in zip(
        measured.box.lower, grid.box.lower, measured.spacing, grid.spacing, strict=True
    ):
        ratio = h / g
        first = (a - b + 0.5 * h) / g - 0.5
        if abs(ratio - round(ratio)) > 1e-6 * ratio or round(ratio) < 1:
            return None
        nearest = math.floor(first + 1e-6)
        beyond = first - nearest
        if abs(beyond) < 1e-6:
            beyond = 0.0
        found.first.append(nearest)
        found.stride.append(round(ratio))
        found.fraction.append(beyond)
    return found


def folded(points: Tensor, box: Box, boundary: str) -> Tensor:
    """Points outside the box, put back inside as the boundary says.

    Args:
        points: (*s, d) positions in the unit of the box.
        box: The box of the sampled image.
        boundary: "reflect" mirrors points at the box's faces, "circular" repeats the box, "zero"
            leaves points where they are, and "valid" refuses points outside.

    Returns:
        (*s, d) positions.

    Raises:
        ValueError: If the boundary is "valid" and a point lies outside.
    """
    lower = points.new_tensor(box.lower)
    length = points.new_tensor(box.lengths)
    t = (points - lower) / length
    if boundary == "reflect":
        t = 1 - (1 - t % 2).abs()
    elif boundary == "circular":
        t = t % 1
    elif boundary == "valid" and bool(((t < -1e-9) | (t > 1 + 1e-9)).any()):
        raise ValueError(
            "Blur.on: boundary='valid', but the PSF reaches beyond the grid. "
            "Pass a grid that reaches on."
        )
    return lower + t * length


def one_per_axis(factor: int | tuple[int, ...], ndim: int) -> tuple[int, ...]:
    """A whole factor for each axis.

    Args:
        factor: One for all axes, or one per axis.
        ndim: Number of axes.

    Returns:
        One factor per axis.
    """
    if isinstance(factor, int):
        return (factor,) * ndim
    return tuple(factor)
