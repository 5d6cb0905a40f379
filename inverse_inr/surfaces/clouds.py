"""Point clouds on surfaces: moved onto a zero set, spread evenly over it, given normals."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from inverse_inr.evaluation import Field
from inverse_inr.ranges import FiniteTensor, Positive, checked


def project(distance: Field, points: Tensor, steps: int = 5, reach: float = math.inf) -> Tensor:
    """Move points onto the zero set by Newton steps x - f ∇f / |∇f|².

    Args:
        distance: The signed distance f.
        points: (n, 3).
        steps: The number of Newton steps.
        reach: The greatest length of a step, in the unit of the points.

    Returns:
        (n, 3), without gradient history.
    """
    for _ in range(steps):
        value, slope = value_and_slope(distance, points)
        step = value * slope / slope.square().sum(-1, keepdim=True).clamp(min=1e-6)
        length = torch.linalg.vector_norm(step, dim=-1, keepdim=True)
        points = points - step * (reach / length.clamp(min=1e-30)).clamp(max=1)
    return points.detach()


def value_and_slope(distance: Field, points: Tensor) -> tuple[Tensor, Tensor]:
    """Evaluate f, (n, 1), and ∇f, (n, 3), once and without gradient history, at points (n, 3)."""
    with torch.enable_grad():
        points = points.detach().requires_grad_()
        value = distance(points)
        return value.detach(), torch.autograd.grad(value.sum(), points)[0]


@checked
def spread(points: Tensor, normals: Tensor) -> Tensor:
    """Move points apart by one step of repulsion in the tangent plane.

    Args:
        points: (n, 3).
        normals: (n, 3) unit vectors.

    Returns:
        (n, 3), each moved by at most half the mean spacing.
    """
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


@checked
def cloud_normals(points: FiniteTensor, reach: Positive) -> Tensor:
    """Estimate normals: the direction of least spread of all points nearby (PCA).

    Args:
        points: (n, 3).
        reach: Points within this distance count as nearby, in the unit of the points.

    Returns:
        (n, 3) unit vectors of either sign; zero vectors where fewer than four points are near: give
        another direction there.
    """
    from scipy.spatial import KDTree

    cloud = points.detach().cpu().double().numpy()
    normals = torch.zeros(len(cloud), 3, dtype=torch.float64)
    for k, near in enumerate(KDTree(cloud).query_ball_point(cloud, reach)):
        if len(near) >= 4:
            local = torch.from_numpy(cloud[near])
            normals[k] = torch.linalg.eigh((local - local.mean(0)).T.cov())[1][:, 0]
    return normals.to(points)
