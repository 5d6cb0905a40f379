"""Tables of whole numbers for Laplace distributions whose centre is no whole number."""

from __future__ import annotations

from functools import cache
from itertools import accumulate
from typing import NamedTuple

from inverse_inr.codec.laplace import PRECISION, UNITY, exponential
from inverse_inr.codec.quantizing import step_size

PLACES = 16
"""Places of a centre between two whole numbers."""
WIDEST = 400
"""Distances from which on a number is coded as a remainder."""


class Table(NamedTuple):
    """The intervals of whole numbers around a centre.

    Attributes:
        starts: Where the intervals begin, and 2^16 at the end. The first and the last one stand for
            all numbers as far or further.
        reach: Distance of the first and of the last number.
    """

    starts: tuple[int, ...]
    reach: int


@cache
def table(index: int, place: int) -> Table:
    """Give the intervals of a Laplace distribution, exp(-|x - m| / b) / 2 b.

    They come from sums, products and quotients in double precision alone, which IEEE 754 defines
    to the last bit.

    Args:
        index: The spread is b = 2^(index / 8 - 4), as for `laplace.intervals`.
        place: The centre is m = place / PLACES, from -1/2 to 1/2.

    Returns:
        The table.
    """
    spread = step_size(index - UNITY)
    centre = place / PLACES
    reach = min(int(14 * spread) + 2, WIDEST)
    half = exponential(0.5 / spread)
    ratio = half * half
    above = _tail(0.5 * exponential((0.5 - centre) / spread), ratio, reach)
    below = _tail(0.5 * exponential((0.5 + centre) / spread), ratio, reach)
    weights = [*reversed(below), max(0.0, 1 - sum(above) - sum(below)), *above]
    free = (1 << PRECISION) - len(weights)
    sizes = [1 + int(weight * free) for weight in weights]
    sizes[reach] += (1 << PRECISION) - sum(sizes)
    return Table((0, *accumulate(sizes)), reach)


def _tail(mass: float, ratio: float, reach: int) -> list[float]:
    """Masses at the distances 1 to `reach`, of which the last is all that is left."""
    found = []
    for _ in range(reach - 1):
        found.append(mass * (1 - ratio))
        mass *= ratio
    found.append(mass)
    return found
