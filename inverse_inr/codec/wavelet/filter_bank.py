"""The filter bank of the pyramid: CDF 9/7 wavelets by lifting, exact where values are integers."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STEPS = (-25987 / 2**14, -868 / 2**14, 14466 / 2**14, 7266 / 2**14)
"""Lifting steps of the 9/7 wavelets in whole multiples of 2^-14."""
LOW = 18835 / 2**14
"""Factor of low-pass samples, which makes the bank nearly orthonormal."""
HIGH = 14252 / 2**14
"""Factor of high-pass samples, 1 / LOW to 2^-14."""
SMALLEST = 8
"""Samples of the shorter side below which the pyramid is not continued."""


class Level(NamedTuple):
    """The three detail bands of one level.

    Attributes:
        across: (rows, columns) detail along columns, as at vertical edges.
        down: (rows, columns) detail along rows, as at horizontal edges.
        both: (rows, columns) detail along both.
    """

    across: Floats
    down: Floats
    both: Floats


def levels_of(shape: tuple[int, int]) -> int:
    """Count the levels of a picture's pyramid: to the SMALLEST side, and six at most.

    Args:
        shape: (rows, columns); where there is one row or column, the other side counts.
    """
    side = min(shape)
    if side == 1:
        side = max(shape)
    levels = 0
    while side >= 2 * SMALLEST and levels < 6:
        side = (side + 1) // 2
        levels += 1
    return levels


def analysed(image: Floats, levels: int) -> tuple[Floats, list[Level]]:
    """Split a plane into bands.

    Args:
        image: (rows, columns).
        levels: How many levels.

    Returns:
        The coarsest low-pass band, and the levels, the finest first.

    Source:
        Daubechies and Sweldens 1998, factoring of the 9/7 wavelets of Cohen, Daubechies, Feauveau.
    """
    found = []
    for _ in range(levels):
        low, high = _split(image)
        image, down = (band.T for band in _split(low.T))
        across, both = (band.T for band in _split(high.T))
        found.append(Level(across, down, both))
    return image, found


def synthesised(low: Floats, levels: list[Level], whole: bool) -> Floats:
    """Join bands to a plane.

    Args:
        low: The coarsest low-pass band.
        levels: The levels, the finest first.
        whole: Round to whole numbers after every step. Whole numbers below 2^38 then give the same
            whole numbers on every machine, since all products are exact in double precision.

    Returns:
        (rows, columns).
    """
    rounded = np.array
    if whole:
        rounded = _nearest
    for level in reversed(levels):
        left = joined(low.T, level.down.T, rounded).T
        right = joined(level.across.T, level.both.T, rounded).T
        low = joined(left, right, rounded)
    return low


def analysed_axis(values: Floats, axis: int) -> Floats:
    """Split one axis of an array into bands, which stand one after the other, the coarsest first.

    Args:
        values: Any shape.
        axis: The axis.

    Returns:
        The same shape.
    """
    line = np.moveaxis(values, axis, -1)
    low = line.reshape(-1, line.shape[-1])
    details = []
    for _ in range(_levels_of_axis(line.shape[-1])):
        low, high = _split(low)
        details.append(high)
    found = np.concatenate([low, *reversed(details)], 1).reshape(line.shape)
    return np.moveaxis(found, -1, axis)


def synthesised_axis(values: Floats, axis: int) -> Floats:
    """Join the bands of one axis, in whole numbers.

    Args:
        values: Whole numbers, as `analysed_axis` orders them.
        axis: The axis.

    Returns:
        The same shape, whole numbers.
    """
    line = np.moveaxis(values, axis, -1)
    flat = line.reshape(-1, line.shape[-1])
    lengths = [flat.shape[1]]
    for _ in range(_levels_of_axis(flat.shape[1])):
        lengths.append((lengths[-1] + 1) // 2)
    low = flat[:, : lengths[-1]]
    for length, whole in zip(lengths[:0:-1], lengths[-2::-1], strict=True):
        low = joined(low, flat[:, length:whole], _nearest)
    return np.moveaxis(low.reshape(line.shape), -1, axis)


def _levels_of_axis(length: int) -> int:
    """Levels of an axis beside those of pictures: down to one sample, and six at most."""
    levels = 0
    while length > 1 and levels < 6:
        length = (length + 1) // 2
        levels += 1
    return levels


def _nearest(values: Floats) -> Floats:
    return np.floor(values + 0.5)


def _split(values: Floats) -> tuple[Floats, Floats]:
    """Low-pass and high-pass samples along the last axis."""
    even = values[:, 0::2].copy()
    odd = values[:, 1::2].copy()
    if not odd.shape[1]:
        return even, odd
    if odd.shape[1]:
        odd += STEPS[0] * _beside_odd(even, odd)
        even += STEPS[1] * _beside_even(even, odd)
        odd += STEPS[2] * _beside_odd(even, odd)
        even += STEPS[3] * _beside_even(even, odd)
    return even * LOW, odd * HIGH


def joined(low: Floats, high: Floats, rounded: Callable[[Floats], Floats] = np.array) -> Floats:
    """Join low-pass and high-pass samples along the last axis.

    Args:
        low: (lines, samples).
        high: (lines, samples), as many or one less.
        rounded: What is done after every step.

    Returns:
        (lines, samples).
    """
    if not high.shape[1]:
        return low
    even = rounded(low * HIGH)
    odd = rounded(high * LOW)
    if odd.shape[1]:
        even = even - rounded(STEPS[3] * _beside_even(even, odd))
        odd = odd - rounded(STEPS[2] * _beside_odd(even, odd))
        even = even - rounded(STEPS[1] * _beside_even(even, odd))
        odd = odd - rounded(STEPS[0] * _beside_odd(even, odd))
    values = np.empty((even.shape[0], even.shape[1] + odd.shape[1]))
    values[:, 0::2] = even
    values[:, 1::2] = odd
    return values


def _beside_odd(even: Floats, odd: Floats) -> Floats:
    """Sums of the two even samples beside each odd one; the last one is mirrored."""
    n = odd.shape[1]
    if even.shape[1] == n:
        even = np.concatenate([even, even[:, -1:]], 1)
    return even[:, :n] + even[:, 1 : n + 1]


def _beside_even(even: Floats, odd: Floats) -> Floats:
    """Sums of the two odd samples beside each even one; the first and the last are mirrored."""
    n = even.shape[1]
    odd = np.concatenate([odd[:, :1], odd, odd[:, -1:]], 1)
    return odd[:, :n] + odd[:, 1 : n + 1]
