"""Surfaces as fields: a signed distance by a network, the scatterers that lie on it, and what its fit is asked for.

f_θ(x): signed distance in the box's unit, negative inside; |∇f| = 1 (eikonal)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from inverse_inr import priors
from inverse_inr.derivatives import gradient, require_smooth
from inverse_inr.domain import Box, Grid
from inverse_inr.evaluation import Field, Memo, sample
from inverse_inr.problem import Problem
from inverse_inr.regularizers import Regularizer


class SignedDistance(nn.Module):
    """The distance to a sphere plus a learnt correction, so that a fit starts from a closed surface.

    correction  a prior of one channel on the box; a name of the catalogue is made with `options`
    radius      of the sphere about the box's centre, in the box's unit; default: a third of the shortest side
    strength    what the correction is multiplied by, in the box's unit; default: a tenth of the radius

    Raises ValueError for a box that is not 3-D or mixes units, TypeError for a prior without derivatives (they are
    what normals and eikonal terms are made of).
    """

    def __init__(
        self,
        box: Box,
        correction: str | priors.Prior = "siren",
        *,
        radius: float | None = None,
        strength: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        if box.ndim != 3 or len(set(box.units)) != 1:
            raise ValueError(
                f"SignedDistance: the box must be 3-D in one unit, got units {box.units}."
            )
        if isinstance(correction, str):
            small = (
                {"width": 64, "depth": 2, "bandwidth": 2.5 * box.scale[0]}
                if correction == "siren"
                else {}
            )
            correction = priors.create(correction, box, **(small | options))
        elif options:
            raise TypeError(
                f"SignedDistance: {sorted(options)} belong to a prior given by name, not to a made one."
            )
        require_smooth(correction)
        self.box, self.correction = box, correction
        radius = min(box.lengths) / 3 if radius is None else radius
        self.radius = nn.Buffer(torch.tensor(float(radius)))
        self.strength = nn.Buffer(
            torch.tensor(0.1 * radius if strength is None else float(strength))
        )
        self.center = nn.Buffer(torch.tensor(box.center), persistent=False)

    def forward(self, points: Tensor) -> Tensor:
        """(*s, 3) -> (*s, 1) in the box's unit."""
        away = (points - self.center).square().sum(-1, keepdim=True)
        sphere = (
            away + (0.1 * self.radius) ** 2
        ).sqrt() - 1.005 * self.radius  # smooth at the centre
        return sphere + self.strength * self.correction(points)

    def param_groups(self) -> list[dict[str, Any]]:
        return self.correction.param_groups()


class Surface(nn.Module):
    """A reflectivity with a signed distance: as a field the `amplitude`, coupled to `distance` by `NearSurface`.

    The two share nothing but that penalty: echoes place the amplitude, the amplitude places the surface, and the
    surface says where amplitude is cheap.
    """

    def __init__(self, distance: SignedDistance, amplitude: priors.Prior) -> None:
        super().__init__()
        self.distance, self.amplitude = distance, amplitude

    def forward(self, points: Tensor) -> Tensor:
        return self.amplitude(points)

    def sample(self, grid: Grid) -> Tensor:
        return sample(self.amplitude, grid)

    def begin(self, problem: Problem, rows: Sequence[Tensor]) -> None:
        self.amplitude.begin(problem, rows)

    def before_step(self, step: int, progress: float) -> None:
        self.amplitude.before_step(step, progress)

    def param_groups(self) -> list[dict[str, Any]]:
        return [*self.distance.param_groups(), *self.amplitude.param_groups()]


def distance_of(field: Field) -> Field:
    """The signed distance that a `Surface` carries; any other field is one itself."""
    module = field.field if isinstance(field, Memo) else field
    return module.distance if isinstance(module, Surface) else module


@dataclass(frozen=True)
class Eikonal(Regularizer):
    """mean (|∇f| - 1)²: a signed distance (Gropp et al. 2020)."""

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        slope = gradient(distance_of(field), points)[:, 0]
        return (torch.linalg.vector_norm(slope, dim=-1) - 1).square().mean()


@dataclass(frozen=True)
class NearSurface(Regularizer):
    """mean |sigma| + |sigma|² / max |sigma| (1 - exp(-|f| / length)) over the voxels of `grid`.

    In sigma an L1 norm that is dearer off the surface; in f the distance of the surface to what scatters, bounded: a
    haze all over the box, of which most lies outside a body, would pull an unbounded |f| outwards, from however far.
    The field must be a `Surface`. `length` in the box's unit.
    """

    grid: Grid
    length: float

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        distance = distance_of(field)
        size = sample(field, self.grid).abs()
        far = -torch.expm1(-distance(self.grid.points(size.dtype, size.device)).abs() / self.length)
        return (size + size.square() / size.detach().max().clamp(min=1e-30) * far).mean()


@dataclass(frozen=True, eq=False)
class OnSurface(Regularizer):
    """mean |f| + mean (1 - |cos(∇f, n)|) over `count` of the given points and unit normals, (n, 3) each.

    Sugavanam & Ertin 2026 (their Eqs 19-25, as reported); |f| in units of `scale`. The sign of a normal is not used.
    """

    points: Tensor
    normals: Tensor | None = None
    scale: float = 1.0
    count: int = 512

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        chosen = torch.randint(len(self.points), (min(self.count, len(self.points)),))
        where = self.points.to(points)[chosen]
        distance = distance_of(field)
        total = distance(where).abs().mean() / self.scale
        if self.normals is None:
            return total
        return total + misaligned(distance, where, self.normals.to(points)[chosen])


@dataclass(frozen=True)
class OffSurface(Regularizer):
    """mean exp(-|f| / length): away from the points there is no other surface (Sitzmann et al. 2020).

    Sugavanam & Ertin take 100 for 1 / length in normalised units.
    """

    length: float

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        return torch.exp(-distance_of(field)(points).abs() / self.length).mean()


@dataclass(frozen=True, eq=False)
class IsoPoints(Regularizer):
    """mean |f| + mean (1 - |cos(∇f, n)|) at points spread evenly on the field's own zero set (Yifan et al. 2021).

    Each step moves `count` of the given points onto the zero set by Newton steps, apart from each other by one
    repulsion in the tangent plane, and back onto it; n is the normal of the nearest given point. They fill gaps of the
    cloud with the surface's own samples. Of the published iso-points we leave out edge-aware insertion.
    """

    points: Tensor
    normals: Tensor
    scale: float = 1.0
    count: int = 256
    steps: int = 3

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        distance = distance_of(field)
        cloud, normals = self.points.to(points), self.normals.to(points)
        start = cloud[torch.randint(len(cloud), (self.count,))]
        iso = project(distance, start, self.steps, reach=4 * self.scale)
        slope = torch.nn.functional.normalize(_value_and_slope(distance, iso)[1], dim=-1)
        iso = project(distance, spread(iso, slope), 1, reach=4 * self.scale)
        near = torch.cdist(iso, cloud).argmin(1)
        return distance(iso).abs().mean() / self.scale + misaligned(distance, iso, normals[near])


def misaligned(distance: Field, points: Tensor, normals: Tensor) -> Tensor:
    """mean (1 - |cos(∇f, n)|)."""
    slope = gradient(distance, points)[:, 0]
    return (1 - torch.nn.functional.cosine_similarity(slope, normals, dim=-1).abs()).mean()


def project(distance: Field, points: Tensor, steps: int = 5, reach: float = math.inf) -> Tensor:
    """Newton steps x - f ∇f / |∇f|² onto the zero set, each at most `reach` long; without gradient history."""
    for _ in range(steps):
        value, slope = _value_and_slope(distance, points)
        step = value * slope / slope.square().sum(-1, keepdim=True).clamp(min=1e-6)
        length = torch.linalg.vector_norm(step, dim=-1, keepdim=True)
        points = points - step * (reach / length.clamp(min=1e-30)).clamp(max=1)
    return points.detach()


def _value_and_slope(distance: Field, points: Tensor) -> tuple[Tensor, Tensor]:
    """f and ∇f without history, from one evaluation."""
    with torch.enable_grad():
        points = points.detach().requires_grad_()
        value = distance(points)
        return value.detach(), torch.autograd.grad(value.sum(), points)[0]


def spread(points: Tensor, normals: Tensor) -> Tensor:
    """One step of repulsion in the tangent plane, at most half the mean spacing: (n, 3) -> (n, 3)."""
    apart = points[:, None] - points[None]
    length = torch.linalg.vector_norm(apart, dim=-1)
    near = length.topk(min(9, len(points)), largest=False).values[:, 1:]
    spacing = near.mean()
    push = (
        apart
        * torch.exp(-((length / spacing) ** 2))[..., None]
        / length.clamp(min=1e-12)[..., None]
    ).sum(1)
    push = push - (push * normals).sum(-1, keepdim=True) * normals
    size = torch.linalg.vector_norm(push, dim=-1, keepdim=True)
    return points + 0.5 * spacing * push / size.clamp(min=1)


def cloud_normals(points: Tensor, reach: float) -> Tensor:
    """Unit normals of (n, 3) points: the direction of least spread of all points within `reach` (PCA).

    Zero vectors where fewer than four points are near: give another direction there.
    """
    from scipy.spatial import KDTree

    cloud = points.detach().cpu().double().numpy()
    normals = torch.zeros(len(cloud), 3, dtype=torch.float64)
    for k, near in enumerate(KDTree(cloud).query_ball_point(cloud, reach)):
        if len(near) >= 4:
            local = torch.from_numpy(cloud[near])
            normals[k] = torch.linalg.eigh((local - local.mean(0)).T.cov())[1][:, 0]
    return normals.to(points)
