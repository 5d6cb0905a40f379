"""Tables of whole numbers for magnitudes of Laplace distributions, the same on every machine."""

from __future__ import annotations

from functools import cache
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from inverse_inr.codec.quantizing import step_size

PRECISION = 16
"""Bits of a probability."""
PER_OCTAVE = 8
"""Spreads between one and its double."""
SPREADS = 96
"""How many spreads there are, from 2^-4 to almost 2^8."""
UNITY = 32
"""Index of the spread 1."""
WIDEST = 400
"""Magnitudes from which on a number is coded as a remainder."""
COSTED = 64
"""Magnitudes whose bits are tabulated; further ones go on as a line, as those of Laplace do."""


@cache
def intervals(index: int) -> tuple[int, ...]:
    """Give the intervals of magnitudes whose distribution is Laplace's, exp(-|x| / b) / 2 b.

    The whole numbers come from sums, products and quotients in double precision alone, which
    IEEE 754 defines to the last bit.

    Args:
        index: The spread is b = 2^(index / 8 - 4), in steps of the quantiser.

    Returns:
        Where the intervals of 0, 1, 2 ... begin, and 2^16 at the end. The last one stands for all
        larger magnitudes, whose remainder follows.
    """
    spread = step_size(index - UNITY)
    half = exponential(0.5 / spread)
    ratio = half * half
    most = min(int(14 * spread) + 2, WIDEST)
    weights = [1 - half]
    tail = half
    for _ in range(most - 1):
        weights.append(tail * (1 - ratio))
        tail *= ratio
    weights.append(tail)
    free = (1 << PRECISION) - len(weights)
    sizes = [1 + int(weight * free) for weight in weights]
    sizes[0] += (1 << PRECISION) - sum(sizes)
    return (0, *accumulate(sizes))


@cache
def costs() -> NDArray[np.float64]:
    """Bits of magnitudes and their signs: (SPREADS, COSTED)."""
    found = np.empty((SPREADS, COSTED))
    for index in range(SPREADS):
        sizes = np.diff(np.array(intervals(index), np.float64))[:-1]
        bits = PRECISION - np.log2(sizes)
        bits[1:] += 1
        known = min(len(bits), COSTED)
        found[index, :known] = bits[:known]
        more = np.arange(1, COSTED - known + 1)
        slope = min(1.4426950408889634 / step_size(index - UNITY), 4.0)
        found[index, known:] = PRECISION + 2 + slope * more
    return found


def exponential(x: float) -> float:
    """The value of exp(-x) by sums and products alone: other functions differ between machines."""
    small = x / 1024
    term = 1.0
    total = 1.0
    for k in range(1, 12):
        term *= -small / k
        total += term
    for _ in range(10):
        total *= total
    return total
