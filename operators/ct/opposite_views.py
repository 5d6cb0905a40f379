"""Pairs of views half a turn apart, and how well they match when one is mirrored about an axis."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

DEAD = 3
"""Most neighbouring dead detector elements that are interpolated."""


class Pairs(NamedTuple):
    """Views and what was measured from the other side, p pairs of them.

    Attributes:
        views: (p, detectors).
        opposite: (p, detectors), interpolated between the two views nearest to the opposite angle.
    """

    views: Tensor
    opposite: Tensor


def distinct_views(views: Tensor, angles: Tensor) -> tuple[Tensor, Tensor]:
    """Sort views by their angle modulo a turn, and average those of one angle.

    Args:
        views: (n, detectors).
        angles: (n,) in radians, float64.

    Returns:
        Views (m, detectors), and angles (m,) in [0, 2π), ascending.
    """
    wrapped = angles.remainder(2 * math.pi)
    order = torch.argsort(wrapped)
    ordered = wrapped[order]
    new = torch.ones_like(ordered, dtype=torch.bool)
    new[1:] = ordered.diff() > 1e-5
    place = new.cumsum(0) - 1
    count = int(place[-1]) + 1
    if count > 1 and float(ordered[0] + 2 * math.pi - ordered[new][-1]) < 1e-5:
        count -= 1
        place = place.where(place < count, 0)
    total = views.new_zeros(count, views.shape[1]).index_add_(0, place, views[order])
    times = torch.bincount(place, minlength=count).to(views)
    return total / times[:, None], ordered[new][:count]


def filled_elements(views: Tensor) -> Tensor:
    """Interpolate dead detector elements: those with NaN in most views, or the same in all.

    Elements that never vary at the detector's ends, and wide stretches of them, see air and stay.

    Args:
        views: (n, detectors).

    Returns:
        (n, detectors), with up to DEAD neighbouring elements interpolated.
    """
    lost = 2 * torch.isfinite(views).sum(0) < len(views)
    still = (views == views[:1]).all(0) & (len(views) > 2)
    dead = (lost | still).tolist()
    filled = views.clone()
    k = 0
    while k < len(dead):
        end = k
        while end < len(dead) and dead[end]:
            end += 1
        if 0 < k < end < len(dead) and end - k <= DEAD:
            share = torch.arange(1, end - k + 1).to(views) / (end - k + 1)
            filled[:, k:end] = (1 - share) * views[:, k - 1, None] + share * views[:, end, None]
        k = end + 1
    return filled


def opposite_pairs(views: Tensor, angles: Tensor, off: float, reach: float) -> Pairs:
    """Pair each view with what was measured half a turn on.

    Args:
        views: (n, detectors).
        angles: (n,) in [0, 2π), ascending and distinct.
        off: What is added to half a turn, in radians.
        reach: The two neighbours of the opposite angle must lie this near to it, in radians.

    Returns:
        The pairs; each unordered pair of measured views appears once or twice.
    """
    target = (angles + math.pi + off).remainder(2 * math.pi)
    above = torch.searchsorted(angles, target - 1e-5).remainder(len(angles))
    below = (above - 1).remainder(len(angles))
    up = _between(target, angles[above])
    down = _between(angles[below], target)
    exact = up < 1e-4
    good = exact | ((up <= reach) & (down <= reach))
    share = (down / (up + down).clamp(min=1e-12)).where(~exact, 1.0)[good].to(views)[:, None]
    opposite = share * views[above[good]] + (1 - share) * views[below[good]]
    return Pairs(views[good], opposite)


def _between(first: Tensor, second: Tensor) -> Tensor:
    """The angle from one to the other, -1e-5 to a turn."""
    return (second - first + 1e-5).remainder(2 * math.pi) - 1e-5


def mirrored_correlation(pairs: Pairs, overlap: int) -> Tensor:
    """Correlate views with their opposite ones, mirrored about each possible axis.

    All pairs make one image, and only the bins that both views have count: this is the normalised
    cross-correlation of two masked images (Padfield 2012), where the mean and the variance are
    those of the overlap.

    Args:
        pairs: The pairs.
        overlap: The least number of bins in which two views overlap.

    Returns:
        (2 k + 1,) correlations for axes at -k/2 .. k/2 bins from the middle; -1 where nothing
        varies.
    """
    count = pairs.views.shape[1]
    size = 2 ** math.ceil(math.log2(2 * count))
    first = pairs.views.double()
    second = pairs.opposite.double().flip(1)
    scale = first.abs().max().clamp(min=1e-300)
    first, second = first / scale, second / scale
    one = torch.ones(1, count, dtype=torch.float64, device=first.device)

    def spectrum(x: Tensor) -> Tensor:
        return torch.fft.rfft(x, size)

    def overlapped(a: Tensor, b: Tensor) -> Tensor:
        """Σ over pairs and bins of a[i] b[i - k], by the shift k."""
        return torch.fft.irfft((spectrum(a) * spectrum(b).conj()).sum(0), size)

    number = overlapped(one, one) * len(first)
    total = overlapped(first, one), overlapped(one, second)
    square = overlapped(first.square(), one), overlapped(one, second.square())
    product = overlapped(first, second)
    number = number.clamp(min=1)
    covariance = product - total[0] * total[1] / number
    variance = [
        (squared - summed.square() / number).clamp(min=0)
        for squared, summed in zip(square, total, strict=True)
    ]
    power = (variance[0] * variance[1]).sqrt()
    floor = 1e-6 * float(power.max())
    correlation = torch.where(power > floor, covariance / power.clamp(min=1e-300), -1.0)
    reach = count - overlap
    return torch.cat([correlation[-reach:], correlation[: reach + 1]])
