"""Regularizers of signed distances.

Each takes a signed distance or a `Surface` as its field.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr.derivatives import gradient
from inverse_inr.domain import Grid
from inverse_inr.evaluation import Field, sample
from inverse_inr.memory import require
from inverse_inr.ranges import Count, FiniteTensor, Positive, checked
from inverse_inr.regularizers import Regularizer
from inverse_inr.surfaces.clouds import Steps, check_cloud, project, spread, value_and_slope
from inverse_inr.surfaces.distance import distance_of


@dataclass(frozen=True)
class Eikonal(Regularizer):
    """mean (|∇f| - 1)², which makes f a signed distance.

    Source:
        Gropp et al. 2020.
    """

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        slope = gradient(distance_of(field), points)[:, 0]
        return (torch.linalg.vector_norm(slope, dim=-1) - 1).square().mean()


@checked
@dataclass(frozen=True)
class NearSurface(Regularizer):
    """mean |sigma| + |sigma|² / max |sigma| (1 - exp(-|f| / length)) over the voxels of a grid.

    For sigma it is an L1 norm that weighs more away from the surface. For f it is the distance of
    the surface from what scatters. That distance term is bounded, because an unbounded |f| would be
    pulled outwards, from however far, by a weak haze all over the box, most of which lies outside a
    body. The field must be a `Surface`.

    Args:
        grid: The voxels.
        length: In the box's unit.
    """

    grid: Grid
    length: Positive

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        distance = distance_of(field)
        size = sample(field, self.grid).abs()
        far = -torch.expm1(-distance(self.grid.points(size.dtype, size.device)).abs() / self.length)
        return (size + size.square() / size.detach().max().clamp(min=1e-30) * far).mean()


@checked
@dataclass(frozen=True, eq=False)
class OnSurface(Regularizer):
    """mean |f| / scale + mean (1 - |cos(∇f, n)|) over given points and their normals.

    The sign of a normal is not used, unless `oriented`: then the second part is 1 - cos(∇f, n),
    and the inside is where the normals do not point.

    Args:
        points: (n, 3) in the box's unit.
        normals: (n, 3) unit vectors; None leaves the second term out.
        scale: The unit of |f|, in the box's unit.
        count: Points that are drawn per step.
        oriented: Whether normals point outwards.

    Source:
        Sugavanam & Ertin 2026 (their Eqs 19-25, as reported); oriented: Sitzmann et al. 2020.
    """

    points: FiniteTensor
    normals: FiniteTensor | None = None
    scale: Positive = 1.0
    count: Count = 512
    oriented: bool = False

    def __post_init__(self) -> None:
        check_cloud("OnSurface", self.points, self.normals)

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        chosen = torch.randint(len(self.points), (min(self.count, len(self.points)),))
        where = self.points.to(points)[chosen]
        distance = distance_of(field)
        total = distance(where).abs().mean() / self.scale
        if self.normals is None:
            return total
        return total + misaligned(
            distance, where, self.normals.to(points)[chosen], oriented=self.oriented
        )


@checked
@dataclass(frozen=True)
class OffSurface(Regularizer):
    """mean exp(-|f| / length): away from the points there is no other surface.

    Args:
        length: In the box's unit. Sugavanam & Ertin take 100 for 1 / length in normalised units.

    Source:
        Sitzmann et al. 2020.
    """

    length: Positive

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        return torch.exp(-distance_of(field)(points).abs() / self.length).mean()


@checked
@dataclass(frozen=True, eq=False)
class IsoPoints(Regularizer):
    """mean |f| / scale + mean (1 - |cos(∇f, n)|) at points spread on the field's own zero set.

    Each step moves `count` of the given points onto the zero set by Newton steps, spreads them
    evenly by one repulsion in the tangent plane, and moves them back onto it; n is the normal of
    the nearest given point. They fill gaps of the cloud with the surface's own samples. The
    edge-aware insertion of the published iso-points is left out.

    Args:
        points: (n, 3) in the box's unit.
        normals: (n, 3) unit vectors, whose sign is not used.
        scale: The unit of |f|, in the box's unit; a Newton step is at most four times as long.
        count: Points that are drawn per step, with repetition.
        steps: Newton steps onto the zero set.

    Source:
        Yifan et al. 2021.
    """

    points: FiniteTensor
    normals: FiniteTensor
    scale: Positive = 1.0
    count: Count = 256
    steps: Steps = 3

    def __post_init__(self) -> None:
        check_cloud("IsoPoints", self.points, self.normals)
        require(
            f"IsoPoints: count={self.count} points at a distance from each other",
            # their differences, and those from the cloud
            16.0 * self.count * (3.0 * self.count + len(self.points)),
            "Draw fewer.",
        )

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        distance = distance_of(field)
        cloud = self.points.to(points)
        normals = self.normals.to(points)
        start = cloud[torch.randint(len(cloud), (self.count,))]
        iso = project(distance, start, self.steps, reach=4 * self.scale)
        slope = torch.nn.functional.normalize(value_and_slope(distance, iso)[1], dim=-1)
        iso = project(distance, spread(iso, slope), 1, reach=4 * self.scale)
        near = torch.cdist(iso, cloud).argmin(1)
        return distance(iso).abs().mean() / self.scale + misaligned(distance, iso, normals[near])


def misaligned(
    distance: Field, points: Tensor, normals: Tensor, *, oriented: bool = False
) -> Tensor:
    """The mean of 1 - |cos(∇f, n)|: how far slopes are from given normals, a scalar.

    Args:
        distance: The signed distance f.
        points: (n, 3).
        normals: (n, 3) vectors n.
        oriented: Whether their sign counts; then it is 1 - cos(∇f, n).
    """
    slope = gradient(distance, points)[:, 0]
    cosine = torch.nn.functional.cosine_similarity(slope, normals, dim=-1)
    if not oriented:
        cosine = cosine.abs()
    return (1 - cosine).mean()
