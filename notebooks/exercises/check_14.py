"""14: What does a fitted field know?"""

import numpy as np
from torch import Tensor

from exercises import exercise, require


@exercise
def first(answer: np.ndarray, apart: np.ndarray) -> None:
    """Weights of fits from many starts, with their units renumbered."""
    require(
        answer.shape == apart.shape, f"Features of all fits, {apart.shape}, not {answer.shape}."
    )
    spread = [np.linalg.norm(rows - rows[0], axis=1)[1:].mean() for rows in (answer, apart)]
    require(
        spread[0] < spread[1],
        "Renumbered units should be nearer to each other than those of `apart`: align=True.",
    )


@exercise
def second(answer: Tensor, read: Tensor) -> None:
    """The labels of one cell on a grid of four times as many pixels an axis."""
    side = 4 * read.shape[0]
    require(
        answer.shape == (side, side),
        f"Four times as many pixels along each axis: {(side, side)}, not {tuple(answer.shape)}.",
    )
    agreeing = float((answer[2::4, 2::4] == read).float().mean())
    require(
        agreeing > 0.9,
        "The same labels at the same places: ask the field, do not paste pixels elsewhere.",
    )
