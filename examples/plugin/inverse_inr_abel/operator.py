"""The Abel transform: what a camera sees of a field that is symmetric about an axis."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from inverse_inr import Query, RowOperator


class AbelTransform(RowOperator):
    """P(y) = 2 ∫ f(√(y² + s²)) ds: one row for each distance y from the axis.

    The integral over s is by Gauss-Legendre nodes, so no root is divided by.

    Args:
        distances: (rows,) distances from the axis, in the unit of the box, below `radius`.
        radius: The radius R outside which there is nothing.
        nodes: Points of the field in each row.

    Raises:
        ValueError: A distance lies outside the radius, or is not finite.
    """

    def __init__(self, distances: Tensor, radius: float, nodes: int = 64) -> None:
        super().__init__((len(distances),))
        y = distances.abs().double()
        if not bool((y < radius).all()):
            raise ValueError(
                f"AbelTransform: distances up to {float(y.max()):.4g} must be below {radius=}."
            )
        node, weight = np.polynomial.legendre.leggauss(nodes)
        half_chord = (radius**2 - y**2).sqrt()[:, None]
        s = half_chord * (torch.from_numpy(node) + 1) / 2
        self.radii = nn.Buffer((y[:, None] ** 2 + s**2).sqrt()[..., None])  # (rows, nodes, 1)
        self.weights = nn.Buffer(half_chord * torch.from_numpy(weight))  # (rows, nodes)

    def forward(self, rows: Tensor) -> Query:
        """Say at which radii some rows look; see `RowOperator`."""
        weights = self.weights[rows]

        def measure(values: Tensor) -> Tensor:
            return (weights.to(values.dtype)[..., None] * values).sum(1).squeeze(-1)

        return Query(self.radii[rows], measure)
