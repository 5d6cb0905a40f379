"""What operators whose rows are places share: pixel centres by number, sparse rows, a lone channel dropped."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from inverse_inr import Grid, Operator, RowOperator, adjoint, evaluating, interpolation_weights

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


class PlacedOperator(RowOperator, ABC):
    """Rows are places: the pixel centres of a grid, or points (*shape, d). Raises ValueError for no or bad points."""

    points: Tensor | None

    def __init__(self, where: Grid | Tensor) -> None:
        if isinstance(where, Grid):
            super().__init__(where.shape)
            self.where, self.points = where, None
            return
        name = type(self).__name__
        if where.ndim < 2 or not where.numel() or not bool(torch.isfinite(where).all()):
            raise ValueError(
                f"{name}: positions must be a Grid or finite points (*shape, d), got {tuple(where.shape)}."
            )
        super().__init__(tuple(where.shape[:-1]))
        self.where, self.points = None, nn.Buffer(where.detach().clone().double())

    @property
    def ndim(self) -> int:
        """Dimensions of the places."""
        return self.where.ndim if self.where is not None else self.points.shape[-1]  # type: ignore[union-attr]

    def positions(self, rows: Tensor | None = None) -> Tensor:
        """Where measurements are registered: (b, d) in float64, all by default."""
        if self.points is None:
            assert self.where is not None
            return pixel_centers(self.where, torch.arange(len(self)) if rows is None else rows)
        flat = self.points.reshape(-1, self.points.shape[-1])
        return flat if rows is None else flat[rows.to(flat.device)]


class ArrayFunction(nn.Module):
    """A function of arrays together with the modules it uses, so that they move with the operator."""

    def __init__(self, function: Callable[[Tensor], Tensor], *parts: nn.Module | None) -> None:
        super().__init__()
        self.function, self.parts = (
            function,
            nn.ModuleList(part for part in parts if part is not None),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def sampled_rows(operator: Operator, grid: Grid, rows: Tensor) -> csr_matrix:
    """What some rows see of an image on `grid`, multilinear between pixels and zero outside: a scipy (rows, pixels).

    For linear operators whose row is one real number: Σ over its points of a weight times the field there.
    """
    from scipy.sparse import csr_matrix

    with torch.no_grad(), evaluating(operator):
        points, _ = operator(rows)
        assert isinstance(points, Tensor)
        share = adjoint(
            operator, rows, torch.ones(len(rows), dtype=points.dtype, device=points.device)
        )  # of each one
    index, weight = interpolation_weights(grid, points)
    weight = (weight * share).flatten(1)
    ends = np.arange(0, weight.numel() + 1, weight.shape[1])
    packed = csr_matrix(
        (weight.cpu().numpy().ravel(), index.cpu().numpy().ravel(), ends), (len(rows), grid.numel)
    )
    packed.sum_duplicates()
    return packed


def without_lone_channel(values: Tensor) -> Tensor:
    """(*s, 1) -> (*s,); several channels stay."""
    return values.squeeze(-1)  # backwards a view too, where [..., 0] writes zeros


def pixel_centers(grid: Grid, pixels: Tensor) -> Tensor:
    """Centres of pixels given by flat index, (*s,) -> (*s, d), in float64: predict casts them to the field's."""
    index = torch.stack(torch.unravel_index(pixels, grid.shape), -1)
    lower = torch.tensor(grid.box.lower, dtype=torch.float64, device=pixels.device)
    return lower + torch.tensor(grid.spacing, dtype=torch.float64, device=pixels.device) * (
        index + 0.5
    )
