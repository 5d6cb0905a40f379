"""02: Which bandwidth?"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from exercises import exercise, require, require_near


@exercise
def first(answer: float) -> None:
    """The Nyquist frequency of 409 places in a square of 2 cm."""
    require_near(
        float(answer),
        math.sqrt(409) / 4,
        0.1,
        "The spacing is that of a square lattice of so many places; Nyquist is half its inverse.",
    )


def _chosen(scores: Tensor) -> int:
    best = int(scores.mean(1).argmin())
    for k in range(best):
        more = scores[k] - scores[best]
        if more.mean() <= more.std() / math.sqrt(len(more)):
            return k
    return best


@exercise
def second(answer: Callable[[Tensor], int]) -> None:
    """The one-standard-error rule."""
    for seed in range(40):
        draw = torch.Generator().manual_seed(seed)
        means = torch.tensor([3.0, 1.3, 1.02, 1.0, 1.01, 1.6])
        common = 0.5 * torch.randn(1, 16, generator=draw)
        scores = means[:, None] + common + 0.1 * torch.randn(6, 16, generator=draw)
        found = int(answer(scores))
        hint = "the lowest bandwidth at most one standard error of the difference above the best"
        require(
            found == _chosen(scores), f"For seed {seed} of the check {found} was returned: {hint}."
        )
