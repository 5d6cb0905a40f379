"""Regularizers of a field's slopes.

They are means over random points of the box, over a grid, or over pairs of points. Derivatives are
the field's own, in field units per unit of the box.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor

from inverse_inr.derivatives import gradient, grid_gradient, grid_laplacian, laplacian
from inverse_inr.domain import Grid
from inverse_inr.evaluation import Field, Memo, sample
from inverse_inr.ranges import Count, NonNegative, Range, checked
from inverse_inr.regularizers.weighted import Regularizer

Slope = Annotated[float, Range(least=1e-15)]
"""A slope whose square single precision can hold."""


@dataclass(frozen=True)
class _GradientPenalty(Regularizer):
    """mean φ(|∇f|²) over random points, or over forward differences on a grid or on patches of it.

    For a complex field |∇f|² is that of both parts together: no global phase changes it.

    Args:
        grid: Take differences on this grid; None for the field's own derivatives at random points.
        patch: Take another random patch of `grid` with this many pixels along each axis in each
            step.
        joint: Take |∇f| over all channels together, so that edges of a colour image cost less where
            they coincide (vectorial total variation, Bresson & Chan 2008).

    Raises:
        ValueError: A patch is given without its grid.
    """

    grid: Grid | None = None
    patch: Count | None = None
    joint: bool = False

    def __post_init__(self) -> None:
        if self.patch is not None and self.grid is None:
            raise ValueError(
                f"{type(self).__name__}(patch={self.patch}) needs the grid that it is a patch of."
            )

    @abstractmethod
    def penalty(self, squared: Tensor) -> Tensor:
        """φ of squared slopes |∇f|², entry by entry."""
        ...

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        return self.penalty(self._squared(self._slopes(field, points))).mean()

    def _slopes(self, field: Field, points: Tensor) -> Tensor:
        if self.grid is None:
            return gradient(field, points)
        return self._differences(field, self.grid)

    def _squared(self, slope: Tensor) -> Tensor:
        if slope.is_complex():
            slope = slope.abs()
        if self.joint:
            return slope.square().sum((-2, -1))
        return slope.square().sum(-1)

    def residuals(self, field: Field, points: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Name the quadratic of slopes that touches the penalty here (`HasResiduals`).

        Args:
            field: The field.
            points: (n, d) points of the box.

        Returns:
            The slopes and their weights 2 φ'(|∇f|²) / n, as lagged diffusivity takes them. Slopes
            below a hundredth of the root mean square count as that.

        Source:
            Vogel & Oman 1996.
        """
        slope = self._slopes(field, points)
        with torch.enable_grad():
            squared = self._squared(slope.detach())
            rounded = squared.clamp(min=1e-4 * float(squared.mean()) + 1e-30).requires_grad_()
            weight = 2 * torch.autograd.grad(self.penalty(rounded).mean(), rounded)[0]
        for _ in range(slope.ndim - weight.ndim):
            weight = weight[..., None]
        return [(slope, weight.expand(slope.shape))]

    def _differences(self, field: Field, grid: Grid) -> Tensor:
        """On the grid, or on a random patch whose last layer, without a next one, is dropped."""
        if self.patch is None:
            return grid_gradient(sample(field, grid), grid.spacing)
        patch = random_patch(grid, self.patch + 1)
        slope = grid_gradient(sample(field, patch), grid.spacing)
        for axis in range(grid.ndim):
            slope = slope.narrow(axis, 0, max(1, patch.shape[axis] - 1))
        return slope


@checked
def random_patch(grid: Grid, size: Count) -> Grid:
    """Crop a grid at random; torch's default generator, which the solver seeds, places the crop.

    Args:
        grid: The grid to crop.
        size: The most pixels along each axis.
    """
    shape = [min(size, n) for n in grid.shape]
    start = [int(torch.randint(n - m + 1, ())) for n, m in zip(grid.shape, shape, strict=True)]
    return grid.crop(start, shape)


@checked
@dataclass(frozen=True)
class TotalVariation(_GradientPenalty):
    """Isotropic total variation, mean |∇f|, in field units per length unit.

    Args:
        grid: Take differences on this grid; None for the field's own derivatives at random points.
        patch: Take another random patch of `grid` with this many pixels along each axis in each
            step.
        joint: Take |∇f| over all channels together: edges cost less where they coincide.
        epsilon: Rounds the corner at zero: sqrt(|∇f|² + epsilon²) - epsilon.

    Source:
        Rudin, Osher & Fatemi 1992; `joint` is Bresson & Chan 2008.
    """

    epsilon: NonNegative = 1e-6

    def penalty(self, squared: Tensor) -> Tensor:
        return (squared + self.epsilon**2).sqrt() - self.epsilon


@checked
@dataclass(frozen=True)
class EdgePreserving(_GradientPenalty):
    """mean delta (sqrt(1 + |∇f|² / delta²) - 1): quadratic below a slope, linear above it.

    Args:
        grid: Take differences on this grid; None for the field's own derivatives at random points.
        patch: Take another random patch of `grid` with this many pixels along each axis in each
            step.
        joint: Take |∇f| over all channels together: edges cost less where they coincide.
        delta: The slope, in field units per length unit.

    Source:
        Charbonnier 1997.
    """

    delta: Slope = 1.0

    def penalty(self, squared: Tensor) -> Tensor:
        # delta (sqrt(1 + s²/delta²) - 1) without the difference of nearly equal numbers
        return squared / ((squared + self.delta**2).sqrt() + self.delta)


@checked
@dataclass(frozen=True)
class Sobolev(_GradientPenalty):
    """mean |∇f|² (order 1) or mean |Δf|² (order 2).

    Args:
        grid: Take differences on this grid; None for the field's own derivatives at random points.
        patch: Take another random patch of `grid` with this many pixels along each axis in each
            step.
        joint: Take |∇f| over all channels together: edges cost less where they coincide.
        order: 1, or 2 without a patch.

    Raises:
        ValueError: The order is another, or a patch is given without its grid.
    """

    order: Literal[1, 2] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.order == 2 and self.patch is not None:
            raise ValueError(
                f"Sobolev(order=2, patch={self.patch}): order is 1, or 2 without a patch."
            )

    def penalty(self, squared: Tensor) -> Tensor:
        return squared

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        if self.order == 2 and self.grid is not None:
            return grid_laplacian(sample(field, self.grid), self.grid.spacing).abs().square().mean()
        if self.order == 2:
            return laplacian(field, points).abs().square().mean()
        return super().__call__(field, points)

    def residuals(self, field: Field, points: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Name the squares that the mean is of, exactly (`HasResiduals`).

        Args:
            field: The field.
            points: (n, d) points of the box.

        Returns:
            The slopes, or the Laplacian for order 2, and their weight 2 / n.
        """
        if self.order == 1:
            return super().residuals(field, points)
        if self.grid is not None:
            bent = grid_laplacian(sample(field, self.grid), self.grid.spacing)
        else:
            bent = laplacian(field, points)
        weight = torch.full_like(bent, 2 / bent.numel(), dtype=bent.dtype.to_real())
        return [(bent, weight)]


@checked
@dataclass(frozen=True)
class PairDifference(Regularizer):
    """mean φ(|f(x) - f(x')| / |x - x'|) over pairs of points where the operators have just looked.

    It costs no further evaluation of the field. Pairs are the k-th and the k-th last of the points
    of one measurement (nodes of a PSF, samples of a ray). Evaluating it raises TypeError where no
    operator looks at several points per measurement.

    Args:
        delta: None for φ(s) = s, total variation; or a slope, for the edge-preserving
            φ(s) = delta (sqrt(1 + s²/delta²) - 1).

    Source:
        The edge-preserving form is of NeSVoR, Xu et al. 2023.
    """

    delta: Slope | None = None

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        looks: list[tuple[Tensor, Tensor]] = []
        if isinstance(field, Memo):
            looks = field.looks
        parts = [self._penalty(x, v) for x, v in looks if x.ndim > 2 and x.shape[-2] > 1]
        if not parts:
            raise TypeError(
                "PairDifference: no operator has looked at several points a measurement "
                "in this step."
            )
        return torch.stack(parts).mean()

    def _penalty(self, x: Tensor, values: Tensor) -> Tensor:
        half = x.shape[-2] // 2
        distance, difference = (v[..., :half, :] - v.flip(-2)[..., :half, :] for v in (x, values))
        squared = difference.abs().square().sum(-1) / (
            distance.square().sum(-1) + 1e-6 * self._spread(x)
        )
        if self.delta is None:
            return (squared + 1e-12).sqrt().mean()
        return (squared / ((squared + self.delta**2).sqrt() + self.delta)).mean()

    @staticmethod
    def _spread(x: Tensor) -> Tensor:
        """Mean squared distance from the first point: much closer pairs say nothing of a slope."""
        return (x - x[..., :1, :]).detach().square().sum(-1).mean()
