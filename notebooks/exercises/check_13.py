"""13: A start that knows the family."""

from collections.abc import Callable

import torch
from torch import Tensor

from exercises import exercise, require_near


@exercise
def first(answer: Callable[[float, float, float, int], float]) -> None:
    """Where gradient descent on (θ - t)² / 2 is after some steps."""
    for start, rate, target, steps in (
        (0.0, 0.5, 1.0, 3),
        (2.0, 0.1, -1.0, 10),
        (1.0, 1.0, 4.0, 1),
    ):
        expected = target + (start - target) * (1 - rate) ** steps
        require_near(
            float(answer(start, rate, target, steps)),
            expected,
            1e-6,
            "Each step leaves the part 1 - rate of the distance.",
        )


@exercise
def second(answer: Callable[[Tensor], Tensor]) -> None:
    """The start from which the mean loss after some steps is least."""
    for seed in range(3):
        targets = torch.randn(9, generator=torch.Generator().manual_seed(seed)) ** 3
        require_near(
            float(answer(targets)),
            float(targets.mean()),
            1e-4,
            "The loss after the steps is a multiple of (start - t)² for each task.",
        )
