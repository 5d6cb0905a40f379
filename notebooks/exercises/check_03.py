"""03: How many views are enough?"""

import math
from collections.abc import Callable

from exercises import exercise, require, require_near


@exercise
def first(answer: Callable[[int], float], sigma: float) -> None:
    """The noise of a reading where all views share one dose."""
    for views in (15, 30, 60, 120):
        expected = sigma * math.sqrt(views / 60)
        hint = f"For {views} views: photons fall as 1 / views, noise as 1 / sqrt(photons)."
        require_near(float(answer(views)), expected, 1e-6 * sigma, hint)


@exercise
def second(answer: int) -> None:
    """The number of views at which neighbours are one bin apart at the rim."""
    require(
        answer != 201, "Views cover half a turn: neighbours are π / views apart, not 2π / views."
    )
    require(
        answer in (100, 101),
        "At the rim, 32 bins from the axis, views lie (π / views) · 32 bins apart.",
    )
