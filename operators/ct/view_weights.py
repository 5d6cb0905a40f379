"""How much of its period each view of a scan stands for.

Views may come in any order, unevenly, repeated, and over any number of turns.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from inverse_inr.ranges import FiniteTensor, Positive, checked

SAME = 1e-6
"""Views closer than this part of the period are one view, taken several times."""

WIDE = 3
"""How many usual gaps wide a gap is that no view is meant to fill."""


class Coverage(NamedTuple):
    """The part of their period that the views of a scan cover.

    Attributes:
        weights: (views,) the part that each view stands for, in radians.
        start: Where the views begin behind the widest gap, in radians.
        span: What they cover, in radians; the period if no gap is missing.
        gaps: The gaps that no view covers, widest first, in radians.
    """

    weights: Tensor
    start: float
    span: float
    gaps: tuple[float, ...]


@checked
def angular_weights(angles: FiniteTensor, period: Positive) -> Tensor:
    """The part of the period that each view stands for: half the gaps next to it.

    Views that were taken several times share their part. Gaps that are missing (see
    `angular_coverage`) are left out.

    Args:
        angles: (views,) in radians, in any order.
        period: The period of the views in radians, π or 2π.

    Returns:
        (views,) weights in radians.
    """
    return angular_coverage(angles, period).weights


@checked
def angular_coverage(angles: FiniteTensor, period: Positive) -> Coverage:
    """Find what views cover of their period, and what each of them stands for.

    A gap is missing if it is WIDE times wider than the gaps between nearly all (95 %) of the views:
    random views leave some of them too.

    Args:
        angles: (views,) in radians, in any order and over any number of turns.
        period: The period of the views in radians, π or 2π.

    Returns:
        The weights and the covered arc.
    """
    wrapped = angles.detach().double().remainder(period)
    order = torch.argsort(wrapped)
    ordered = wrapped[order]
    new = torch.ones_like(ordered, dtype=torch.bool)
    new[1:] = ordered.diff() > SAME * period
    place = new.cumsum(0) - 1
    distinct = ordered[new]
    if len(distinct) > 1 and float(distinct[0] + period - distinct[-1]) <= SAME * period:
        place = place.where(place < len(distinct) - 1, 0)  # the last is the first, a period on
        distinct = distinct[:-1]
    gaps = torch.cat([distinct[1:], distinct[:1] + period]) - distinct  # gap after each view
    limit = WIDE * _usual(gaps) + SAME * period
    missing = gaps > limit
    step = float(gaps[~missing].median()) if bool((~missing).any()) else period
    widest = int(gaps.argmax())
    start = float(distinct[(widest + 1) % len(distinct)]) - 0.5 * step
    lost = sorted(gaps[missing].tolist(), reverse=True)
    span = period - sum(lost) + step * len(lost)
    filled = gaps.where(~missing, step)
    part = 0.5 * (filled + filled.roll(1))
    times = torch.bincount(place, minlength=len(distinct))
    weights = torch.empty_like(wrapped)
    weights[order] = (part / times)[place]
    return Coverage(weights.to(angles), start, min(span, period), tuple(lost))


def _usual(gaps: Tensor) -> float:
    """A gap that nearly all views keep to; of a single view, any."""
    if len(gaps) < 2:
        return math.inf
    ordered = gaps.sort().values[:-1]
    return float(ordered[math.floor(0.95 * (len(ordered) - 1))])
