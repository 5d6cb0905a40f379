"""Regularizers of a field's values."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr.domain import Grid
from inverse_inr.evaluation import Field, sample
from inverse_inr.ranges import Positive, checked
from inverse_inr.regularizers.weighted import Regularizer


@checked
@dataclass(frozen=True)
class L1(Regularizer):
    """mean |f|: few places are non-zero.

    Args:
        grid: Take the mean over this grid; None for random points.
    """

    grid: Grid | None = None

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        return self._values(field, points).abs().mean()

    def _values(self, field: Field, points: Tensor) -> Tensor:
        if self.grid is None:
            return field(points)
        return sample(field, self.grid)

    def residuals(self, field: Field, points: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Name the quadratic that touches the mean modulus here (`HasResiduals`).

        Args:
            field: The field.
            points: (n, d) points of the box.

        Returns:
            The values and their weights 1 / (n |f|); values below a hundredth of the root mean
            square count as that.
        """
        values = self._values(field, points)
        size = values.detach().abs()
        least = 1e-2 * float(size.square().mean().sqrt()) + 1e-30
        return [(values, 1 / (size.clamp(min=least) * size.numel()))]


@checked
@dataclass(frozen=True)
class Smoothness(Regularizer):
    """E |f(x) - f(x + distance d)|, where d is uniform on the sphere.

    Args:
        distance: In the box's unit, e.g. a voxel.

    Raises:
        ValueError: The distance is not positive.

    Source:
        The coherent-imaging smoothness of Reed et al. (2023). SpINRv2 names such a term without
        printing it: this form is ours.
    """

    distance: Positive

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        direction = torch.nn.functional.normalize(torch.randn_like(points), dim=-1)
        return (field(points) - field(points + self.distance * direction)).abs().mean()
