"""Regularizers R(field, points) -> scalar: means over random points of the box, or over a lattice.

`1e-3 * TotalVariation() + 1e-4 * Sobolev()` works; derivatives are the field's own, in physical units.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr.derivatives import gradient, grid_gradient, grid_laplacian, laplacian
from inverse_inr.domain import Grid
from inverse_inr.evaluation import Field, Memo, sample


class Regularizer(ABC):
    """A scalar that is small for plausible fields; `field` takes coordinates, `points` are (n, d) in the box."""

    @abstractmethod
    def __call__(self, field: Field, points: Tensor) -> Tensor: ...

    def __mul__(self, weight: float) -> Weighted:
        return Weighted(((float(weight), self),))

    __rmul__ = __mul__

    def __add__(self, other: Regularizer) -> Weighted:
        return Weighted((*as_weighted(self).parts, *as_weighted(other).parts))


class Weighted(Regularizer):
    """A weighted sum of regularizers."""

    def __init__(self, parts: tuple[tuple[float, Callable[[Field, Tensor], Tensor]], ...]) -> None:
        for weight, _ in parts:
            if not 0 <= weight < float("inf"):
                raise ValueError(
                    f"Regularizer weights must be finite and not negative, got {weight}."
                )
        self.parts = parts

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        return torch.stack([weight * part(field, points) for weight, part in self.parts]).sum()

    def __mul__(self, weight: float) -> Weighted:
        return Weighted(tuple((float(weight) * w, part) for w, part in self.parts))

    __rmul__ = __mul__


def as_weighted(regularizer: Callable[[Field, Tensor], Tensor]) -> Weighted:
    return regularizer if isinstance(regularizer, Weighted) else Weighted(((1.0, regularizer),))


# --- penalties of the gradient ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _GradientPenalty(Regularizer):
    """mean φ(|∇f|²) over random points, or over forward differences on `grid` (or a random `patch` of it a step).

    Of a complex field, |∇f|² is that of both parts together: no global phase changes it. `joint` takes |∇f| over all
    channels together: edges of a colour image cost less where they coincide (vectorial total variation, Bresson & Chan
    2008).
    """

    grid: Grid | None = None
    patch: int | None = None
    joint: bool = False

    def __post_init__(self) -> None:
        if self.patch is not None and self.grid is None:
            raise ValueError(
                f"{type(self).__name__}(patch={self.patch}) needs the grid that it is a patch of."
            )

    @abstractmethod
    def penalty(self, squared: Tensor) -> Tensor: ...

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        if self.grid is None:
            slope = gradient(field, points)
        else:
            slope = self._differences(field, self.grid)
        squared = slope.abs().square() if slope.is_complex() else slope.square()
        return self.penalty(squared.sum((-2, -1) if self.joint else -1)).mean()

    def _differences(self, field: Field, grid: Grid) -> Tensor:
        """On the grid, or on a random patch of it whose last layer, without a next one, is dropped."""
        if self.patch is None:
            return grid_gradient(sample(field, grid), grid.spacing)
        patch = random_patch(grid, self.patch + 1)
        slope = grid_gradient(sample(field, patch), grid.spacing)
        for axis in range(grid.ndim):
            slope = slope.narrow(axis, 0, max(1, patch.shape[axis] - 1))
        return slope


def random_patch(grid: Grid, size: int) -> Grid:
    """A crop of at most `size` pixels an axis, placed by torch's default generator (the solver seeds it)."""
    shape = [min(size, n) for n in grid.shape]
    start = [int(torch.randint(n - m + 1, ())) for n, m in zip(grid.shape, shape, strict=True)]
    return grid.crop(start, shape)


@dataclass(frozen=True)
class TotalVariation(_GradientPenalty):
    """Isotropic total variation, mean |∇f| (Rudin, Osher & Fatemi 1992), in field units per length unit.

    `epsilon` rounds the corner at zero: sqrt(|∇f|² + epsilon²) - epsilon.
    """

    epsilon: float = 1e-6

    def penalty(self, squared: Tensor) -> Tensor:
        return (squared + self.epsilon**2).sqrt() - self.epsilon


@dataclass(frozen=True)
class EdgePreserving(_GradientPenalty):
    """mean delta (sqrt(1 + |∇f|² / delta²) - 1): quadratic below slope delta, linear above (Charbonnier 1997)."""

    delta: float = 1.0

    def penalty(self, squared: Tensor) -> Tensor:
        return self.delta * ((1 + squared / self.delta**2).sqrt() - 1)


@dataclass(frozen=True)
class Sobolev(_GradientPenalty):
    """mean |∇f|² (order 1) or mean |Δf|² (order 2), at random points or by differences on `grid`."""

    order: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.order not in (1, 2) or (self.order == 2 and self.patch is not None):
            raise ValueError(
                f"Sobolev(order={self.order}, patch={self.patch}): order is 1, or 2 without a patch."
            )

    def penalty(self, squared: Tensor) -> Tensor:
        return squared

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        if self.order == 2 and self.grid is not None:
            return grid_laplacian(sample(field, self.grid), self.grid.spacing).abs().square().mean()
        if self.order == 2:
            return laplacian(field, points).abs().square().mean()
        return super().__call__(field, points)


@dataclass(frozen=True)
class PairDifference(Regularizer):
    """mean φ(|f(x) - f(x')| / |x - x'|) over pairs of points where the operators have just looked: no evaluation more.

    Pairs are the k-th and the k-th last of the points of one measurement (nodes of a PSF, samples of a ray). φ(s) = s,
    total variation; with `delta`, a slope, delta (sqrt(1 + s²/delta²) - 1), edge-preserving (NeSVoR, Xu et al. 2023).
    Raises TypeError where no operator looks at several points a measurement.
    """

    delta: float | None = None

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        looks = field.looks if isinstance(field, Memo) else []
        parts = [self._penalty(x, v) for x, v in looks if x.ndim > 2 and x.shape[-2] > 1]
        if not parts:
            raise TypeError(
                "PairDifference: no operator has looked at several points a measurement in this step."
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
        return self.delta * ((1 + squared / self.delta**2).sqrt() - 1).mean()

    @staticmethod
    def _spread(x: Tensor) -> Tensor:
        """Mean squared distance from the first point: pairs much closer than that say nothing of a slope."""
        return (x - x[..., :1, :]).detach().square().sum(-1).mean()


@dataclass(frozen=True)
class L1(Regularizer):
    """mean |f|: few non-zero places."""

    grid: Grid | None = None

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        return (field(points) if self.grid is None else sample(field, self.grid)).abs().mean()


@dataclass(frozen=True)
class Smoothness(Regularizer):
    """E |f(x) - f(x + distance d)|, d uniform on the sphere: the coherent-imaging smoothness of Reed et al. (2023).

    `distance` in the box's unit, e.g. a voxel. SpINRv2 names such a term without printing it: this form is ours.
    """

    distance: float

    def __post_init__(self) -> None:
        if not self.distance > 0:
            raise ValueError(f"Smoothness: distance must be positive, got {self.distance}.")

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        direction = torch.nn.functional.normalize(torch.randn_like(points), dim=-1)
        return (field(points) - field(points + self.distance * direction)).abs().mean()


@dataclass(frozen=True)
class WeightDecay(Regularizer):
    """Sum of squares of the prior's parameters."""

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        module = _module(self, field)
        return torch.stack([p.abs().square().sum() for p in module.parameters()]).sum()


@dataclass(frozen=True)
class PriorPenalty(Regularizer):
    """What the architecture itself asks of its parameters (`penalty()` of a prior's part), e.g. INCODE's."""

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        own = [m for m in _module(self, field).modules() if hasattr(m, "penalty")]
        if not own:
            raise TypeError("PriorPenalty: this prior has no penalty of its own; 'incode' has one.")
        return torch.stack([m.penalty() for m in own]).sum()  # pyright: ignore[reportCallIssue]


def _module(regularizer: Regularizer, field: Field) -> torch.nn.Module:
    module = field.module if isinstance(field, Memo) else field
    if not isinstance(module, torch.nn.Module):
        raise TypeError(
            f"{type(regularizer).__name__} needs a prior with parameters, not {type(module).__name__}."
        )
    return module
