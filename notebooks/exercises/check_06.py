"""06: A volume from moving slices."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from exercises import exercise, require, require_near


@exercise
def first(answer: Callable[[int], Sequence[int]]) -> None:
    """When each slice of an interleaved stack is taken."""
    for n in (5, 6, 1, 11):
        order = [*range(0, n, 2), *range(1, n, 2)]
        expected = [order.index(s) for s in range(n)]
        found = [int(t) for t in answer(n)]
        require(
            found != order or order == expected,
            "That is the order of the slices; asked is the time of each slice.",
        )
        require(found == expected, f"{n} slices: {found}, should be {expected}.")


@exercise
def second(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """The mean error of shifts once the common one is taken off."""
    draw = torch.Generator().manual_seed(0)
    true = torch.randn(20, 3, generator=draw)
    wrong = 0.2 * torch.randn(20, 3, generator=draw)
    expected = (wrong - wrong.mean(0)).norm(dim=1).mean()
    for common in (0.0, 5.0):
        found = answer(true + wrong + common * torch.tensor([1.0, -2.0, 0.5]), true)
        require_near(
            found,
            expected,
            1e-4,
            "A shift that all slices share must not change it; then the mean of lengths.",
        )
