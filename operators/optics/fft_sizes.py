"""Sizes at which an FFT is fast."""

from __future__ import annotations


def fast_size(n: int) -> int:
    """The least even size >= n for which an FFT is fast: its factors are 2, 3, 5 and at most one 7.

    Args:
        n: Number of samples.

    Returns:
        The size; n itself up to 8.
    """
    while n > 8 and not _smooth(n):
        n += 1
    return n


def _smooth(n: int) -> bool:
    if n % 2:
        return False
    for factor in (2, 3, 5):
        while n % factor == 0:
            n //= factor
    return n in (1, 7)
