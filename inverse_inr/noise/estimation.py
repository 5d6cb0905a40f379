"""The level of noise, estimated from the measurements themselves where nobody gives it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor

from inverse_inr.ranges import Range, WholeNumber, checked

BLOCK = 256
"""Second differences in a block, about."""

CLIPPED = 0.01
"""Share of the values at the least or the largest from which on these count as clipped."""

Quantile = Annotated[float, Range(least=0, most=1)]
"""A share of all blocks."""


@checked
def estimate_deviation(
    values: Tensor, axes: Sequence[WholeNumber] | None = None, *, quantile: Quantile = 0.25
) -> float:
    """Estimate one standard deviation of white noise on a lattice, from second differences.

    A smooth image hardly shows in second differences along all axes. Where it does, at edges and in
    texture, it raises the median square of a block; a low quantile over blocks keeps to the smooth
    ones. What pure noise of the same shape gives is divided out. Texture that fills the image
    remains, so the result is an upper bound.

    Args:
        values: Measurements on a lattice, real or complex; NaN where not known. Values that are
            clipped at the least or largest number do not count.
        axes: The axes along which neighbours are alike, e.g. (0, 1) of an (H, W, channels) image,
            or all of (views, detectors); None for all. Those of fewer than 3 values are left out.
        quantile: Quantile over blocks. A quarter suits noise that is alike everywhere, one half
            noise that differs from place to place.

    Returns:
        The standard deviation in the values' unit, that of |n| for complex noise; NaN where there
        is nothing to tell it by.

    Raises:
        ValueError: An axis is none of the values'.

    Source:
        Immerkær 1996 (differences); Donoho & Johnstone 1994 (median); Meer, Jolion & Rosenfeld
        1990 (blocks).
    """
    if axes is None:
        axes = range(values.ndim)
    if any(axis >= values.ndim for axis in axes):
        raise ValueError(
            f"estimate_deviation: axes={tuple(axes)} of values of shape {tuple(values.shape)}, "
            f"which has axes 0 to {values.ndim - 1}."
        )
    along = sorted({axis for axis in axes if values.shape[axis] >= 3})
    if not along:
        return math.nan
    known = _unclipped(values)
    seen = _quantile_of_blocks(values.where(known, math.nan), along, quantile)
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(values.shape, dtype=known.to(values).dtype, generator=generator)
    unit = _quantile_of_blocks(drawn.to(values.device).where(known, math.nan), along, quantile)
    return seen / unit


@checked
def estimate_from_replicates(values: Tensor) -> float:
    """Estimate one standard deviation from measurements that were repeated.

    Args:
        values: (replicates, *m) measurements of the same thing, real or complex; NaN where not
            known.

    Returns:
        The root of the mean variance over replicates, in the values' unit; NaN where nothing was
        measured twice.
    """
    known = torch.isfinite(values)
    count = known.sum(0)
    filled = values.where(known, torch.zeros_like(values))
    mean = filled.sum(0) / count.clamp(min=1)
    squares = ((filled - mean) * known).abs().square().sum(0)
    freedom = float((count - 1).clamp(min=0).sum())
    if freedom == 0:
        return math.nan
    return math.sqrt(float(squares.sum()) / freedom)


def _unclipped(values: Tensor) -> Tensor:
    """Where values are finite, and not at an end of the range at which many of them are."""
    known = torch.isfinite(values)
    if values.is_complex() or not bool(known.any()):
        return known
    for end in (values[known].min(), values[known].max()):
        there = values == end
        if CLIPPED < float(there.sum()) / float(known.sum()) < 1:
            known = known & ~there
    return known


def _quantile_of_blocks(values: Tensor, along: Sequence[int], quantile: float) -> float:
    """A quantile over blocks of the median size of second differences."""
    scale = 1.0
    for axis in along:
        n = values.shape[axis]
        values = (
            values.narrow(axis, 2, n - 2)
            - 2 * values.narrow(axis, 1, n - 2)
            + values.narrow(axis, 0, n - 2)
        )
        scale *= 6.0
    squares = values.abs().square().double() / scale
    side = max(2, round(BLOCK ** (1 / len(along))))
    for axis in along:
        squares = squares.unfold(axis, min(side, squares.shape[axis]), side)
    flat = squares.flatten(-len(along))
    told = torch.isfinite(flat).sum(-1)
    middles = flat.nanmedian(-1).values[told >= min(flat.shape[-1], max(8, flat.shape[-1] // 4))]
    if not len(middles):
        middles = flat.flatten()[torch.isfinite(flat.flatten())]
    if not len(middles):
        return math.nan
    return float(middles.sort().values[int(quantile * (len(middles) - 1))].sqrt())
