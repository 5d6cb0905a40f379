"""Simple surfaces through oriented points: the nearest normal's plane, radial basis functions."""

from __future__ import annotations

import time

import numpy as np
import torch
from torch import Tensor, nn

from inverse_inr import Problem, Solution
from inverse_inr.operators import Values
from inverse_inr.solver import Ended

AROUND = 40
"""Points that a value of the radial basis looks at."""


class NearestNormal(nn.Module):
    """The signed distance from the tangent plane of the nearest point.

    Args:
        points: (n, 3).
        normals: (n, 3) outward unit vectors.

    Source:
        Hoppe et al. 1992.
    """

    def __init__(self, points: Tensor, normals: Tensor) -> None:
        super().__init__()
        from scipy.spatial import KDTree

        self.points = nn.Buffer(points.double())
        self.normals = nn.Buffer(normals.double())
        self.tree = KDTree(points.double().cpu().numpy())

    def forward(self, places: Tensor) -> Tensor:
        """The distance, (*s, 1), at places (*s, 3)."""
        flat = places.reshape(-1, 3).double()
        near = torch.from_numpy(self.tree.query(flat.cpu().numpy())[1])
        away = ((flat - self.points[near]) * self.normals[near]).sum(1)
        return away.reshape(*places.shape[:-1], 1).to(places)


class NearestPoint(nn.Module):
    """The distance from the nearest point of a cloud.

    Args:
        points: (n, 3).
    """

    def __init__(self, points: Tensor) -> None:
        super().__init__()
        from scipy.spatial import KDTree

        self.points = nn.Buffer(points.double())
        self.tree = KDTree(points.double().cpu().numpy())

    def forward(self, places: Tensor) -> Tensor:
        """The distance, (*s, 1), at places (*s, 3), with slopes."""
        flat = places.reshape(-1, 3).double()
        near = torch.from_numpy(self.tree.query(flat.detach().cpu().numpy())[1])
        away = torch.linalg.vector_norm(flat - self.points[near], dim=1)
        return away.reshape(*places.shape[:-1], 1).to(places)


class RadialBasis(nn.Module):
    """A smooth function that is zero at points, and ± a step where their normals lead.

    Args:
        points: (n, 3).
        normals: (n, 3) outward unit vectors.
        step: How far along the normals, in the unit of the points.

    Source:
        Carr et al. 2001 (with the nearest points only, as scipy's `neighbors`).
    """

    def __init__(self, points: Tensor, normals: Tensor, step: float) -> None:
        super().__init__()
        from scipy.interpolate import RBFInterpolator

        self.points = nn.Buffer(points.double())  # says where the values are to go
        p, n = points.double().cpu().numpy(), normals.double().cpu().numpy()
        places = np.concatenate([p, p + step * n, p - step * n])
        values = np.repeat([0.0, step, -step], len(p))
        self.function = RBFInterpolator(places, values, neighbors=AROUND, kernel="linear")

    def forward(self, places: Tensor) -> Tensor:
        """The function, (*s, 1), at places (*s, 3)."""
        flat = places.reshape(-1, 3).double().cpu().numpy()
        return torch.from_numpy(self.function(flat)).reshape(*places.shape[:-1], 1).to(places)


def nearest_normal(problem: Problem, normals: Tensor) -> Solution:
    """Take the tangent plane of the nearest point (Hoppe et al. 1992).

    Args:
        problem: A problem of `shape_cloud`.
        normals: (n, 3) outward unit vectors of its points.
    """
    began = time.perf_counter()
    field = NearestNormal(_points(problem), normals)
    return _solution(field, problem, "nearest normal", began)


def nearest_point(problem: Problem, cloud: Tensor) -> Solution:
    """Take the distance from the nearest point, without a fit.

    Args:
        problem: A problem of `shape_cloud(distance="unsigned")`.
        cloud: (n, 3) its points.
    """
    began = time.perf_counter()
    return _solution(NearestPoint(cloud), problem, "nearest point", began)


def radial_basis(problem: Problem, normals: Tensor) -> Solution:
    """Interpolate by radial basis functions (Carr et al. 2001).

    Args:
        problem: A problem of `shape_cloud`.
        normals: (n, 3) outward unit vectors of its points.
    """
    began = time.perf_counter()
    step = 0.01 * max(problem.box.lengths)
    field = RadialBasis(_points(problem), normals, step)
    return _solution(field, problem, "radial basis", began)


def _solution(field: nn.Module, problem: Problem, name: str, began: float) -> Solution:
    seconds = time.perf_counter() - began
    return Solution(field, problem, name, seconds=seconds, stopped=Ended("direct", "no fit"))


def _points(problem: Problem) -> Tensor:
    operator = problem.terms[0].operator
    assert isinstance(operator, Values)
    return operator.positions()
