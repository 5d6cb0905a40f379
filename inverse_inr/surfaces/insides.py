"""Exact distances to a triangle mesh, and whether places lie inside a closed one."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from inverse_inr.memory import require
from inverse_inr.ranges import Count, FiniteTensor, checked
from inverse_inr.surfaces.clouds import check_cloud
from inverse_inr.surfaces.columns import faces_above
from inverse_inr.surfaces.meshes import Mesh

PAIRS = 2**21
"""Points times triangles that are looked at together."""


@checked
def winding_number(mesh: Mesh, points: FiniteTensor) -> Tensor:
    """Compute how often a closed mesh winds around places: 1 inside, 0 outside.

    Args:
        mesh: A closed mesh, whose faces turn outwards.
        points: (n, 3).

    Returns:
        (n,) in float64; between 0 and 1 within rounding of the surface, or where the mesh is open.

    Raises:
        ValueError: The points are no (n, 3).

    Source:
        van Oosterom and Strackee 1983 (solid angle of a triangle); Jacobson et al. 2013.
    """
    check_cloud("winding_number", points)
    corners = mesh.vertices[mesh.faces]  # (m, 3, 3)
    total = torch.zeros(len(points), dtype=torch.float64)
    step = max(1, PAIRS // max(1, len(corners)))
    for rows in torch.arange(len(points)).split(step):
        a, b, c = (corners[None] - points[rows].double().cpu()[:, None, None]).unbind(2)
        na, nb, nc = (torch.linalg.vector_norm(v, dim=-1) for v in (a, b, c))
        triple = (a * torch.linalg.cross(b, c)).sum(-1)
        dots = (a * b).sum(-1) * nc + (b * c).sum(-1) * na + (c * a).sum(-1) * nb
        total[rows] = torch.atan2(triple, na * nb * nc + dots).sum(1) / (2 * math.pi)
    return total


@checked
def inside(mesh: Mesh, points: FiniteTensor) -> Tensor:
    """Tell which places a closed mesh encloses.

    Args:
        mesh: The mesh.
        points: (n, 3).

    Returns:
        (n,) of bool.

    Raises:
        ValueError: The mesh is not closed, so that nothing is inside, or its faces turn inwards.
    """
    check_cloud("inside", points)
    require_closed("inside", mesh)
    return faces_above(mesh, points) > 0


def require_closed(name: str, mesh: Mesh) -> None:
    """Refuse a mesh that encloses nothing.

    Args:
        name: Who asks, for the message.
        mesh: The mesh.

    Raises:
        ValueError: The mesh is open, or its faces turn inwards.
    """
    if not mesh.is_closed:
        raise ValueError(
            f"{name}: the mesh of {len(mesh.faces)} faces is not closed, so that it has no inside. "
            "Holes, faces that turn both ways, or vertices that are not merged? Take the unsigned "
            "distance of an open surface."
        )
    if mesh.volume <= 0:
        raise ValueError(
            f"{name}: the faces turn inwards (the volume is {mesh.volume:.4g}). Flip them: "
            "Mesh(vertices, faces.flip(1))."
        )


@checked
def distance_to(mesh: Mesh, points: FiniteTensor, candidates: Count = 24) -> Tensor:
    """Measure the distance of places from a mesh, without sign.

    For each place the faces of the nearest of many points on the mesh are looked at exactly.

    Args:
        mesh: The mesh.
        points: (n, 3).
        candidates: Number of such points for each place.

    Returns:
        (n,) in float64, in the unit of the mesh; never too small, and exact unless the nearest
        face has none of the candidates.

    Raises:
        ValueError: The points are no (n, 3), or the mesh has no area.
    """
    check_cloud("distance_to", points)
    from scipy.spatial import KDTree

    areas = torch.linalg.vector_norm(mesh._crosses(), dim=1)
    if not len(areas) or float(areas.sum()) == 0:
        raise ValueError("distance_to: the mesh has no area.")
    # every face has its corners and middle; large ones get further points by their share
    count = 10 * len(areas) + 20_000
    generator = torch.Generator().manual_seed(0)
    face = torch.multinomial(areas, count, replacement=True, generator=generator)
    weights = -torch.rand(count, 3, dtype=torch.float64, generator=generator).clamp(1e-12).log()
    corners = mesh.vertices[mesh.faces]
    spots = (weights[..., None] * corners[face]).sum(1) / weights.sum(1, keepdim=True)
    every = torch.arange(len(corners))
    spots = torch.cat([spots, corners.mean(1), *corners.unbind(1)])
    face = torch.cat([face, every, every, every, every])
    places = points.double().cpu()
    require(
        f"distance_to: candidates={candidates} for {len(points)} points",
        400.0 * candidates * len(points),
        "Fewer of either.",
    )
    _, near = KDTree(spots.numpy()).query(places.numpy(), k=min(candidates, len(spots)))
    chosen = face[torch.from_numpy(near).reshape(len(places), -1)]  # (n, k)
    found = [
        _to_triangles(p[:, None], corners[f]).amin(1)
        for p, f in zip(places.split(2**14), chosen.split(2**14), strict=True)
    ]
    return torch.cat(found)


def _to_triangles(p: Tensor, corners: Tensor) -> Tensor:
    """Distances of points (n, 1, 3) from triangles (n, k, 3, 3): (n, k)."""
    a, b, c = corners.unbind(2)
    normal = torch.linalg.cross(b - a, c - a)
    square = normal.square().sum(-1).clamp(min=1e-300)
    height = ((p - a) * normal).sum(-1) / square.sqrt()
    over = torch.ones_like(height, dtype=torch.bool)
    nearest = torch.full_like(height, math.inf)
    for start, end in ((a, b), (b, c), (c, a)):
        edge = end - start
        over &= (torch.linalg.cross(edge, p - start) * normal).sum(-1) >= 0
        length = edge.square().sum(-1).clamp(min=1e-300)
        part = (((p - start) * edge).sum(-1) / length).clamp(0, 1)
        away = p - start - part[..., None] * edge
        nearest = torch.minimum(nearest, torch.linalg.vector_norm(away, dim=-1))
    return torch.where(over & (square > 1e-290), height.abs(), nearest)
