"""The step size with which an inner loop begins, from the tasks themselves."""

from __future__ import annotations

import math
from collections.abc import Callable

CAUTION = 1.0
"""Fraction of the best first step: later steps and other tasks need some room."""
OCTAVES = 40
"""Halvings and doublings of the step size that are tried, at most."""


def best_step(loss_after: Callable[[float], float], start: float = 1e-2) -> float:
    """Find the step size whose one step reduces a loss most, to a factor of two.

    Args:
        loss_after: The loss after one step of a size.
        start: The size that is tried first.

    Returns:
        Half of that size, which leaves room for later steps and other tasks.
    """

    def judged(size: float) -> float:
        value = loss_after(size)
        return value if math.isfinite(value) else math.inf

    size, value = start, judged(start)
    for factor in (2.0, 0.5):
        for _ in range(OCTAVES):
            other = judged(size * factor)
            if other >= value:
                break
            size, value = size * factor, other
    for _ in range(OCTAVES):
        # where the first sizes are all too large, none of the two directions has led down
        if value < judged(0.0):
            break
        size = size / 4
        value = judged(size)
    return CAUTION * size
