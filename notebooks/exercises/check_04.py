"""04: When should one stop?"""

from collections.abc import Callable, Sequence

import torch

from exercises import exercise, require, require_near


@exercise
def first(answer: Callable[[Sequence[float], int], tuple[int, int]]) -> None:
    """Which check is kept, and at which the run ends."""
    for values, patience, expected in (
        ([3.0, 2.0, 2.5, 1.0, 4.0], 1, (1, 2)),
        ([3.0, 2.0, 2.5, 1.0, 4.0], 2, (3, 4)),
        ([5.0, 4.0, 3.0], 2, (2, 2)),
        ([1.0, 2.0, 3.0, 0.5], 2, (0, 2)),
        ([1.0, 1.0, 1.0], 2, (0, 2)),
    ):
        found = tuple(answer(values, patience))
        require(
            found == expected, f"{values} with patience {patience}: {found}, should be {expected}."
        )


@exercise
def second(answer: float) -> None:
    """The expectation of the largest of ten normal numbers of deviation 0.3."""
    x = torch.linspace(-8, 8, 4001, dtype=torch.float64)
    below = 0.5 * (1 + torch.erf(x / 2**0.5))
    expected = 0.3 * float(torch.trapezoid(x[1:] * 0 + 1 - below[1:] ** 10, x[1:])) - 0.3 * 8
    require_near(
        float(answer), expected, 0.02, "The mean of the largest of ten, not the deviation of one."
    )
