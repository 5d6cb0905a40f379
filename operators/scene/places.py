"""The field itself at given places."""

from __future__ import annotations

from torch import Tensor

from inverse_inr import Grid, Query
from inverse_inr.operators.rows import PlacedOperator, without_lone_channel
from inverse_inr.ranges import FiniteTensor, checked


class Values(PlacedOperator):
    """The field's values at scattered places, one row each: y_i = f(x_i).

    Args:
        points: (n, d) in the unit of the field's box, or a grid.

    Raises:
        ValueError: There are no points, or they are not finite.
    """

    @checked
    def __init__(self, points: Grid | FiniteTensor) -> None:
        super().__init__(points)

    def forward(self, rows: Tensor) -> Query:
        """Look at the places of `rows` (b,): (b,) values, or (b, c) of several channels."""
        return Query(self.positions(rows), without_lone_channel)
