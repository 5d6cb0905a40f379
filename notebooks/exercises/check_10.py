"""10: How sure are we?"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from exercises import exercise, require


@exercise
def first(answer: Callable[[Tensor, float], float]) -> None:
    """The conformal factor."""
    draw = torch.Generator().manual_seed(0)
    for n, level in ((9, 0.95), (19, 0.95), (20, 0.9), (101, 0.5)):
        scores = torch.rand(n, generator=draw)
        place = math.ceil((n + 1) * level - 1e-9)
        expected = math.inf if place > n else float(scores.sort().values[place - 1])
        found = float(answer(scores, level))
        require(
            found == expected,
            f"{n} scores, level {level}: {found:.4g}, should be {expected:.4g}, number {place}.",
        )


@exercise
def second(answer: int) -> None:
    """The least number of problems for 95 %."""
    require(answer != 20, "Try one fewer: is 0.95 (n + 1) at most n?")
    require(answer == 19, "The least n with 0.95 (n + 1) <= n.")
