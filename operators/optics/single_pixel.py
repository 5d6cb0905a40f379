"""The single-pixel camera: one detector, many patterns (Duarte et al. 2008).

    y_k = mean over the pixels of `grid` of pattern_k f

By the midpoint rule this is ∫ pattern_k f dx / |Ω|.
"""

from __future__ import annotations

import torch
from torch import Tensor

from inverse_inr import Grid, OnGrid, Query, RowOperator
from inverse_inr.operators.optics.patterns import GivenPatterns, Patterns
from inverse_inr.operators.rows import ArrayFunction, beside_operator, without_lone_channel
from inverse_inr.ranges import checked


class SinglePixel(RowOperator):
    """Means of pattern times field over a grid; rows are patterns.

    One step looks at the whole grid, however few rows it asks for.

    Args:
        patterns: (k, *grid.shape) weights, or a `HadamardPatterns` or `FourierPatterns`.
        grid: The grid of the patterns' pixels.

    Raises:
        ValueError: For patterns of another shape, none, NaN or Inf.
    """

    @checked
    def __init__(self, patterns: Tensor | Patterns, grid: Grid) -> None:
        family = GivenPatterns(patterns, grid) if isinstance(patterns, Tensor) else patterns
        if family.grid != grid:
            raise ValueError(
                f"SinglePixel: patterns are on a grid of shape {family.grid.shape}, "
                f"not {grid.shape}."
            )
        super().__init__((family.count,))
        self.patterns = family
        self.grid = grid

    def forward(self, rows: Tensor) -> Query:
        """Look at all pixels; the patterns `rows` say what their values add up to."""
        return Query(self.grid, lambda values: self._mean(values, rows))

    def _mean(self, values: Tensor, rows: Tensor) -> Tensor:
        total = self.patterns.sums(values, rows.to(values.device))
        return without_lone_channel(total / self.grid.numel)

    @beside_operator
    def on(self, grid: Grid) -> OnGrid:
        """The same means of a sampled image on the patterns' grid.

        Args:
            grid: The grid of the patterns.

        Raises:
            ValueError: For another grid.
        """
        if grid != self.grid:
            raise ValueError(
                f"SinglePixel.on: patterns belong to a grid of shape {self.grid.shape}, "
                f"not {grid.shape}."
            )

        def means(image: Tensor, operator: SinglePixel, rows: Tensor) -> Tensor:
            if image.ndim == grid.ndim:
                image = image[..., None]
            return operator._mean(image, rows)

        return OnGrid(ArrayFunction(means, self, torch.arange(len(self))), grid, self.shape)
