"""Search for the step size of a file."""

from __future__ import annotations

from collections.abc import Callable


def first_below(function: Callable[[int], float], bound: float, low: int, high: int) -> int:
    """Find where a falling function is no longer above a bound, by bisection.

    Args:
        function: The function of a whole number.
        bound: The bound.
        low: Smallest number.
        high: Largest number, which is taken where the function is above the bound everywhere.
    """
    while low < high:
        middle = (low + high) // 2
        if function(middle) > bound:
            low = middle + 1
        else:
            high = middle
    return high
