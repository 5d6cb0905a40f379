"""The field at points: given, or at random places of a box.

Values are the field's own at the places named. To average over a detector's pixel, use
`Blur(psf.Pixel(...), points)`.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from inverse_inr import Box, Query, RowOperator, memory
from inverse_inr.operators.rows import without_lone_channel
from inverse_inr.ranges import Count, WholeNumber, checked


class PointSamples(RowOperator):
    """Values of the field at any real coordinates, y_r = f(x_r); rows are points.

    Points may lie outside the field's box: the field is continuous, and has values there too. Give
    `box` to refuse them.

    Args:
        points: (*shape, d) in the unit of the field's box. An `nn.Parameter` is learnt (sensors
            whose places are uncertain).
        box: The box in which all points must lie; default no check.

    Raises:
        ValueError: For no points, NaN or Inf, another dimension than the box's, or points outside a
            given `box`.
    """

    @checked
    def __init__(self, points: Tensor, box: Box | None = None) -> None:
        if not points.is_floating_point():
            points = points.to(torch.get_default_dtype())
        if points.ndim < 2 or not points.numel():
            raise ValueError(
                "PointSamples: points must be (*shape, d) and not empty, "
                f"got {tuple(points.shape)}."
            )
        if not torch.isfinite(points).all():
            raise ValueError("PointSamples: points hold NaN or Inf.")
        if box is not None:
            _require_inside(points.detach(), box)
        super().__init__(tuple(points.shape[:-1]))
        if not isinstance(points, nn.Parameter):
            points = nn.Buffer(points.detach().clone())
        self.points = points

    def forward(self, rows: Tensor) -> Query:
        """Look at the points of `rows`."""
        points = self.points.reshape(-1, self.points.shape[-1])
        return Query(points[rows.to(points.device)], without_lone_channel)


def _require_inside(points: Tensor, box: Box) -> None:
    if points.shape[-1] != box.ndim:
        raise ValueError(
            f"PointSamples: points have {points.shape[-1]} coordinates and the box {box.ndim} axes."
        )
    lower = points.new_tensor(box.lower)
    upper = points.new_tensor(box.upper)
    slack = 1e-6 * (upper - lower)
    outside = ((points < lower - slack) | (points > upper + slack)).any(-1)
    if outside.any():
        first = [round(v, 6) for v in points[outside][0].tolist()]
        raise ValueError(
            f"PointSamples: {int(outside.sum())} of {outside.numel()} points lie outside {box}, "
            f"e.g. {first}. Coordinates are physical, in array-axis order; pixel numbers or "
            "(x, y) order by mistake?"
        )


class RandomSamples(RowOperator):
    """Values of the field at random places of the box; rows are places.

    Args:
        box: The box from which places are drawn.
        count: Number of places.
        method: "uniform" draws them independently; "sobol" spreads them evenly (scrambled Sobol
            points, Owen 1995).
        seed: The places are a pure function of it.

    Raises:
        ValueError: For a count below 1 or an unknown method.
    """

    @checked
    def __init__(
        self,
        box: Box,
        count: Count,
        *,
        method: Literal["uniform", "sobol"] = "uniform",
        seed: WholeNumber = 0,
    ) -> None:
        super().__init__((count,))
        memory.require(f"RandomSamples: count={count}", 16.0 * count * box.ndim)
        if method == "uniform":
            generator = torch.Generator().manual_seed(seed)
            u = torch.rand(count, box.ndim, dtype=torch.float64, generator=generator)
        else:
            engine = torch.quasirandom.SobolEngine(box.ndim, scramble=True, seed=seed)
            u = engine.draw(count, dtype=torch.float64)
        self.points = nn.Buffer(u.new_tensor(box.lower) + u * u.new_tensor(box.lengths))

    def forward(self, rows: Tensor) -> Query:
        """Look at the places of `rows`."""
        return Query(self.points[rows.to(self.points.device)], without_lone_channel)
