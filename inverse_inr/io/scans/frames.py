"""Frames without object or without beam: their mean without zingers, their place in time, a gain.

Source of the gain: Janesick, Photon Transfer (SPIE, 2007), chapter 5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

OUTLIER = 8.0
"""Standard deviations from the median of all frames beyond which a value of one frame is none."""
PILED_UP = 20
"""How many times more frequent a saturated value is than any just below it."""
LEAST_FULL_SCALE = 2**8 - 1
"""The full scale of a converter of eight bits."""


@dataclass(frozen=True, eq=False)
class Frames:
    """Several frames of one kind, averaged.

    Args:
        mean: (rows, columns) float64.
        variance: (rows, columns) float64 over the frames; NaN for fewer than three.
        count: The number of frames.
        rejected: Values of single frames that were left out as outliers.
    """

    mean: np.ndarray
    variance: np.ndarray
    count: int
    rejected: int


def averaged(stack: np.ndarray) -> Frames:
    """Average frames; a value that stands far from the median of the others is left out.

    With fewer than three frames nothing tells an outlier from a value.

    Args:
        stack: (frames, rows, columns).
    """
    stack = np.asarray(stack, dtype=np.float64)
    count = len(stack)
    if count < 3:
        nothing = np.full(stack.shape[1:], np.nan)
        return Frames(stack.mean(0), nothing, count, 0)
    median = np.median(stack, axis=0)
    far = np.abs(stack - median)
    # the spread that most pixels have: one zinger must not widen the bound of its own pixel
    usual = 1.4826 * np.nanmedian(np.median(far, axis=0)) if np.isfinite(far).any() else np.nan
    own = 1.4826 * np.median(far, axis=0)
    outlier = far > OUTLIER * np.fmax(own, usual)
    kept = np.where(outlier, 0.0, stack)
    number = count - outlier.sum(0)
    mean = kept.sum(0) / number
    square = np.where(outlier, 0.0, np.square(stack - mean)).sum(0)
    return Frames(mean, square / np.maximum(number - 1, 1), count, int(outlier.sum()))


def photon_transfer_gain(white: list[Frames], dark: Frames | None) -> np.ndarray:
    """Estimate counts per quantum from the variance of repeated frames, for each detector row.

    Args:
        white: Groups of frames without object.
        dark: Frames without beam; None for none.

    Returns:
        (rows,) float64; NaN where there are fewer than three frames or no noise.
    """
    group = max(white, key=lambda g: g.count)
    mean = group.mean
    variance = group.variance
    if dark is not None:
        mean = mean - dark.mean
        if dark.count >= 3:
            variance = variance - dark.variance
    with np.errstate(all="ignore"):
        ratio = np.where(mean > 0, variance / mean, np.nan)
    gain = np.full(len(ratio), np.nan)
    for row, values in enumerate(ratio):
        known = values[np.isfinite(values)]
        if len(known):
            gain[row] = np.median(known)
    return np.where(gain > 0, gain, np.nan)


def between(groups: list[tuple[float, Frames]], times: np.ndarray) -> np.ndarray:
    """Interpolate linearly in time between groups of frames; beyond them the nearest one holds.

    Args:
        groups: The time of each group, ascending, and its frames.
        times: (views,) in the same unit.

    Returns:
        (views, rows, columns) float64; (rows, columns) for a single group.
    """
    if len(groups) == 1:
        return groups[0][1].mean
    known = np.array([time for time, _ in groups])
    at = np.interp(times, known, np.arange(len(groups)))
    lower = np.minimum(at.astype(int), len(groups) - 2)
    weight = (at - lower)[:, None, None]
    means = np.stack([frames.mean for _, frames in groups])
    return (1 - weight) * means[lower] + weight * means[lower + 1]


def clipped_at(stack: np.ndarray) -> float:
    """Find the full scale of a converter of fewer bits than the file's integers hold.

    It is the largest value, one below a power of two, and many times more frequent than those just
    below it, as no noise leaves it.

    Args:
        stack: (views, rows, columns) of any type.

    Returns:
        The value; infinity if there is none.
    """
    if not stack.size or stack.dtype.kind not in "iu":
        return math.inf
    top = int(stack.max())
    if top < LEAST_FULL_SCALE or top & (top + 1):
        return math.inf
    values, times = np.unique(stack[stack >= 0.99 * top], return_counts=True)
    if len(values) < 2 or times[-1] < PILED_UP * times[:-1].max():
        return math.inf
    return float(top)
