"""Tables of whole numbers for decisions whose logit a network predicts."""

from __future__ import annotations

from functools import cache

from inverse_inr.codec.laplace import PRECISION, exponential

PER_ONE = 8
"""Indices in a logit of one."""
LARGEST = 80
"""Index of the largest logit, 10; that of zero is in the middle of all."""


@cache
def shares() -> tuple[tuple[int, int, int], ...]:
    """Give the intervals of yes and no, 1 / (1 + exp(-x)) of 2^16 and the rest.

    They come from sums, products and quotients in double precision alone, which IEEE 754 defines
    to the last bit.

    Returns:
        For each index from -LARGEST to LARGEST: where the two intervals begin, and 2^16.
    """
    whole = 1 << PRECISION
    found = []
    for index in range(-LARGEST, LARGEST + 1):
        rest = exponential(abs(index) / PER_ONE)
        likely = 1 / (1 + rest)
        yes = likely if index >= 0 else rest * likely
        found.append((0, min(max(int(whole * yes + 0.5), 1), whole - 1), whole))
    return tuple(found)
