"""Point clouds on surfaces: moved onto a zero set, spread evenly over it, given normals."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from torch import Tensor

from inverse_inr.domain import Box
from inverse_inr.evaluation import Field
from inverse_inr.memory import require
from inverse_inr.ranges import Count, FiniteTensor, Fraction, Positive, Range, checked

MOST_STEPS = 1000
"""Newton steps onto a zero set; a handful are exact."""
NEIGHBOURS = 12
"""Points, with itself, by which a point of a cloud finds its plane."""
Steps = Annotated[int, Range(least=1, most=MOST_STEPS)]
"""Newton steps onto a zero set."""
Reach = Annotated[float, Range(above=0, finite=False)]
"""The greatest length of a step, which may be infinite."""


def check_cloud(name: str, points: Tensor, normals: Tensor | None = None) -> None:
    """Check points in space, and their normals.

    Args:
        name: Who asks, for the message.
        points: (n, 3).
        normals: (n, 3), or None.

    Raises:
        ValueError: The points are no (n, 3), there are none, or the normals are shaped otherwise.
    """
    if points.ndim != 2 or points.shape[1] != 3 or not len(points):
        raise ValueError(
            f"{name}: points must be (n, 3), one at least, got {tuple(points.shape)}. Transposed?"
        )
    if normals is not None and normals.shape != points.shape:
        raise ValueError(
            f"{name}: normals {tuple(normals.shape)} must be shaped as the points, "
            f"{tuple(points.shape)}."
        )


@checked
def project(
    distance: Field, points: FiniteTensor, steps: Steps = 5, reach: Reach = math.inf
) -> Tensor:
    """Move points onto the zero set by Newton steps x - f ∇f / |∇f|².

    Args:
        distance: The signed distance f.
        points: (n, 3).
        steps: The number of Newton steps.
        reach: The greatest length of a step, in the unit of the points.

    Returns:
        (n, 3), without gradient history.

    Raises:
        ValueError: The points are no finite (n, 3).
    """
    check_cloud("project", points)
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
def spread(points: FiniteTensor, normals: FiniteTensor) -> Tensor:
    """Move points apart by one step of repulsion in the tangent plane.

    Args:
        points: (n, 3).
        normals: (n, 3) unit vectors.

    Returns:
        (n, 3), each moved by at most half the mean spacing.

    Raises:
        ValueError: Points or normals are no finite (n, 3).
    """
    check_cloud("spread", points, normals)
    apart = points[:, None] - points[None]
    length = torch.linalg.vector_norm(apart, dim=-1)
    near = length.topk(min(9, len(points)), largest=False).values[:, 1:]
    # points drawn several times from a small cloud have no distance from each other
    spacing = near.mean().clamp(min=torch.finfo(points.dtype).tiny ** 0.5)
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

    Raises:
        ValueError: The points are no finite (n, 3).
    """
    check_cloud("cloud_normals", points)
    from scipy.spatial import KDTree

    cloud = points.detach().cpu().double().numpy()
    normals = torch.zeros(len(cloud), 3, dtype=torch.float64)
    for k, near in enumerate(KDTree(cloud).query_ball_point(cloud, reach)):
        if len(near) >= 4:
            local = torch.from_numpy(cloud[near])
            normals[k] = torch.linalg.eigh((local - local.mean(0)).T.cov())[1][:, 0]
    return normals.to(points)


@checked
def start_radius(points: FiniteTensor, box: Box) -> float:
    """Find the radius of a sphere about the box's centre through the middle of some points.

    Args:
        points: (n, 3) in the box's unit.
        box: The box.

    Returns:
        The median distance of the points from the centre, but a hundredth of the box at least.
    """
    check_cloud("start_radius", points)
    away = torch.linalg.vector_norm(points - points.new_tensor(box.center), dim=1)
    return max(float(away.median()), 0.01 * min(box.lengths))


@checked
def distance_to_cloud(cloud: FiniteTensor, points: FiniteTensor) -> Tensor:
    """Measure the distance of places from the nearest point of a cloud.

    Args:
        cloud: (n, 3).
        points: (m, 3).

    Returns:
        (m,) in float64.

    Raises:
        ValueError: The points are no (n, 3), or there are none.
    """
    check_cloud("distance_to_cloud: cloud", cloud)
    check_cloud("distance_to_cloud", points)
    from scipy.spatial import KDTree

    tree = KDTree(cloud.detach().cpu().double().numpy())
    return torch.from_numpy(tree.query(points.detach().cpu().double().numpy())[0])


@checked
def distance_to_sheet(cloud: FiniteTensor, points: FiniteTensor) -> Tensor:
    """Measure the distance of places from the sheet that a cloud lies on, which may be open.

    On a surface the nearest point of a cloud is half a spacing away, so that the distance from the
    cloud itself is nowhere zero. Here each point stands for a disc: in the plane of least squares
    of its neighbours, as wide as its fourth nearest is far. The sheet is too large by that at its
    boundary.

    Args:
        cloud: (n, 3), without normals.
        points: (m, 3).

    Returns:
        (m,) in float64; from the cloud itself, where it has fewer than four points.

    Raises:
        ValueError: The points are no (n, 3), or there are none.
    """
    check_cloud("distance_to_sheet: cloud", cloud)
    check_cloud("distance_to_sheet", points)
    if len(cloud) < 4:
        return distance_to_cloud(cloud, points)
    from scipy.spatial import KDTree

    known = cloud.detach().cpu().double()
    tree = KDTree(known.numpy())
    away, near = tree.query(known.numpy(), k=min(NEIGHBOURS, len(known)))
    local = known[torch.from_numpy(near)]
    middle = local.mean(1, keepdim=True)
    normals = torch.linalg.eigh((local - middle).mT @ (local - middle))[1][..., 0]
    width = torch.from_numpy(away[:, min(4, len(known) - 1)])
    places = points.detach().cpu().double()
    own = torch.from_numpy(tree.query(places.numpy())[1])
    height = ((places - middle[own, 0]) * normals[own]).sum(1)
    over = places - known[own]
    over = over - (over * normals[own]).sum(1, keepdim=True) * normals[own]
    beyond = (torch.linalg.vector_norm(over, dim=1) - width[own]).clamp(min=0)
    return torch.hypot(height, beyond)


@checked
def near_and_far(
    cloud: FiniteTensor,
    box: Box,
    count: Count,
    generator: torch.Generator,
    *,
    reaches: tuple[Positive, ...] = (0.01, 0.05),
    far: Fraction = 0.2,
) -> Tensor:
    """Draw places to learn a distance or an inside at: near a surface, and all over its box.

    Args:
        cloud: (n, 3) points on the surface.
        box: The box.
        count: Number of places.
        generator: Source of the random places.
        reaches: Standard deviations of the distance from the points, as parts of the box's longest
            side; equally many places for each.
        far: The part of the places that are anywhere in the box.

    Returns:
        (count, 3) in float64, inside the box.

    Raises:
        ValueError: The points are no (n, 3), there are none, or no reach is given.
    """
    check_cloud("near_and_far", cloud)
    if not reaches:
        raise ValueError("near_and_far: reaches=() says nothing of how near. far=1 for none near?")
    require(f"near_and_far: count={count} places", 200.0 * count, "Fewer.")
    anywhere = int(far * count)
    near = count - anywhere
    chosen = cloud.double()[torch.randint(len(cloud), (near,), generator=generator)]
    shell = torch.arange(near) * len(reaches) // max(1, near)
    reach = max(box.lengths) * torch.tensor(reaches, dtype=torch.float64)[shell, None]
    moved = chosen + reach * torch.randn(near, 3, dtype=torch.float64, generator=generator)
    lower, upper = (moved.new_tensor(v) for v in (box.lower, box.upper))
    elsewhere = box.random_points(anywhere, dtype=torch.float64, generator=generator)
    return torch.cat([moved.clamp(lower, upper), elsewhere])
