"""Whole frames of a video, each of them one row."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from inverse_inr import Grid, Query, RowOperator
from inverse_inr.operators.rows import pixel_centers
from inverse_inr.ranges import WholeNumber, checked


class Frames(RowOperator):
    """Frames of a video as a camera without blur sees them; a row is a whole frame (*space, c).

    A field that makes whole frames is then asked for a few whole frames per step.

    Args:
        grid: The video's grid; its last axis is time.
        kept: Numbers of the frames that are measured, in any order; None for all of them.

    Raises:
        ValueError: There is no axis beside time, or frames are named that are not there, or twice.
    """

    kept: Tensor

    @checked
    def __init__(self, grid: Grid, kept: Sequence[WholeNumber] | None = None) -> None:
        if grid.ndim < 2:
            raise ValueError(f"Frames: a video has two axes at least, time last; not {grid.shape}.")
        count = grid.shape[-1]
        if kept is None:
            kept = range(count)
        if not len(kept) or max(kept) >= count or len(set(kept)) < len(kept):
            raise ValueError(
                f"Frames: kept must name different frames from 0 to {count - 1}, got {list(kept)}."
            )
        super().__init__((len(kept),))
        self.grid = grid
        self.kept = nn.Buffer(torch.tensor(list(kept)))

    def forward(self, rows: Tensor) -> Query:
        """Look at the pixel centres of the frames `rows` (b,): (b, *space, c)."""
        frame = self.kept[rows.to(self.kept.device)]
        space = self.grid.shape[:-1]
        count = self.grid.shape[-1]
        pixel = torch.arange(math.prod(space), device=frame.device)
        points = pixel_centers(self.grid, frame[:, None] + count * pixel)
        return Query(points.unflatten(1, space), _themselves)


def _themselves(values: Tensor) -> Tensor:
    return values
