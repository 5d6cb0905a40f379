"""Finite differences: the classical way to solve boundary-value and gradient-domain problems."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inverse_inr import Box, Field, Grid, Problem, SampledField, Solution
from inverse_inr.operators import Jet
from inverse_inr.ranges import Count, checked
from inverse_inr.solver import Ended

CELLS = 128
"""Cells along each axis of a box."""


@dataclass(frozen=True)
class Equation:
    """A linear equation of second order in a box, with its boundary values.

        a[0] ∂₀²u + a[1] ∂₁²u + a[2] ∂₁u + a[3] u = s in the box,   u = `known` on `faces`

    Args:
        coefficients: The four numbers a.
        known: A field that has the boundary values; a solution of the equation if `given` is None.
        faces: Pairs (axis, 0 for the lower or 1 for the upper face); None for all around.
        marches: 0: elliptic; 1 or 2: axis 1 is time, of first or second order, and the state at its
            lower face is given.
        given: The source s at points (n, d), where `known` holds on the boundary only; None: s
            follows from `known` by the equation.
    """

    coefficients: tuple[float, float, float, float]
    known: Field
    faces: list[tuple[int, int]] | None = None
    marches: int = 0
    given: Callable[[Tensor], Tensor] | None = None

    def pde(self, u: Jet) -> Tensor:
        """The left-hand side of the equation.

        Args:
            u: A field with its derivatives at n points.

        Returns:
            (n, channels).
        """
        a = self.coefficients
        parts = [a[0] * u.d(0, 0)]
        if a[1]:
            parts.append(a[1] * u.d(1, 1))
        if a[2]:
            parts.append(a[2] * u.d(1))
        if a[3]:
            parts.append(a[3] * u.value)
        return torch.stack(parts).sum(0)

    def source(self, points: Tensor) -> Tensor:
        """The right-hand side s of the equation.

        Args:
            points: (*s, d) coordinates.

        Returns:
            (*s,) in float64.
        """
        flat = points.double().reshape(-1, points.shape[-1])
        if self.given is None:
            values = self.pde(Jet(self.known, flat)).detach()[:, 0]
        else:
            values = self.given(flat)
        return values.reshape(points.shape[:-1])

    @property
    def stiffness(self) -> float:
        """The rough size of the left-hand side for a field of size one: the largest coefficient."""
        return max(abs(c) for c in self.coefficients)


@checked
def finite_differences(case: Equation, problem: Problem, cells: Count = CELLS) -> Solution:
    """Solve an equation by second-order differences on (cells + 1)² nodes.

    An elliptic equation takes the five-point stencil, one of first order in time Crank-Nicolson,
    one of second order leapfrog.

    Args:
        case: The equation.
        problem: The boundary-value problem, for its box.
        cells: Cells along each axis.

    Returns:
        The solution, bilinear between the nodes.
    """
    began = time.perf_counter()
    box = problem.box
    h = [length / cells for length in box.lengths]
    around = Box(
        tuple(a - s / 2 for a, s in zip(box.lower, h, strict=True)),
        tuple(b + s / 2 for b, s in zip(box.upper, h, strict=True)),
        box.units,
    )
    # pixel centres of this grid are the mesh's nodes, faces included
    nodes = Grid(around, (cells + 1, cells + 1))
    points = nodes.points(torch.float64)
    u = case.known(points)[..., 0].detach().numpy().copy()
    s = case.source(points).numpy()
    march = (_elliptic, _crank_nicolson, _leapfrog)[case.marches]
    march(case, u, s, h)
    values = torch.from_numpy(u)[..., None]
    # as a plain callable it is shown and judged on the problem's grid
    look = SampledField(values, nodes).__call__
    return Solution(
        look,
        problem,
        "finite differences",
        seconds=time.perf_counter() - began,
        stopped=Ended("direct", f"{cells + 1} nodes an axis"),
    )


def _second(n: int, h: float) -> Any:
    """The matrix of second differences of n inner nodes with spacing h."""
    from scipy import sparse

    bands: Any = [np.ones(n - 1), -2 * np.ones(n), np.ones(n - 1)]
    offsets: Any = [-1, 0, 1]
    return sparse.diags(bands, offsets) / h**2


def _elliptic(case: Equation, u: np.ndarray, s: np.ndarray, h: list[float]) -> None:
    """Fills the inside of u, whose rim holds the boundary values."""
    from scipy import sparse
    from scipy.sparse.linalg import spsolve

    a = case.coefficients
    n = u.shape[0] - 2
    eye = sparse.eye(n)
    matrix = a[0] * sparse.kron(_second(n, h[0]), eye) + a[1] * sparse.kron(eye, _second(n, h[1]))
    right = s[1:-1, 1:-1].copy()
    right[0] -= a[0] * u[0, 1:-1] / h[0] ** 2
    right[-1] -= a[0] * u[-1, 1:-1] / h[0] ** 2
    right[:, 0] -= a[1] * u[1:-1, 0] / h[1] ** 2
    right[:, -1] -= a[1] * u[1:-1, -1] / h[1] ** 2
    u[1:-1, 1:-1] = spsolve((matrix + a[3] * sparse.eye(n * n)).tocsc(), right.ravel()).reshape(
        n, n
    )


def _crank_nicolson(case: Equation, u: np.ndarray, s: np.ndarray, h: list[float]) -> None:
    """Fills u from its first column, time step by time step."""
    from scipy import sparse
    from scipy.sparse.linalg import splu

    a = case.coefficients
    n = u.shape[0] - 2
    space = 0.5 * a[0] * _second(n, h[0])
    step = splu((a[2] / h[1] * sparse.eye(n) + space).tocsc())
    for j in range(1, u.shape[1]):
        right = (
            a[2] / h[1] * u[1:-1, j - 1]
            - space @ u[1:-1, j - 1]
            + 0.5 * (s[1:-1, j] + s[1:-1, j - 1])
        )
        for end, k in ((0, 0), (-1, -1)):
            right[k] -= 0.5 * a[0] * (u[end, j] + u[end, j - 1]) / h[0] ** 2
        u[1:-1, j] = step.solve(right)


def _leapfrog(case: Equation, u: np.ndarray, s: np.ndarray, h: list[float]) -> None:
    """Fills u from its first column and the velocity there, time step by time step."""
    a = case.coefficients

    def bend(j: int) -> np.ndarray:
        """∂₁²u at time j by the equation."""
        return (s[1:-1, j] - a[0] * (u[2:, j] - 2 * u[1:-1, j] + u[:-2, j]) / h[0] ** 2) / a[1]

    x = torch.linspace(0, 1, u.shape[0], dtype=torch.float64)
    start = torch.stack([x, torch.zeros_like(x)], -1)
    velocity = Jet(case.known, start).d(1).detach()[1:-1, 0].numpy()
    u[1:-1, 1] = u[1:-1, 0] + h[1] * velocity + 0.5 * h[1] ** 2 * bend(0)
    for j in range(1, u.shape[1] - 1):
        u[1:-1, j + 1] = 2 * u[1:-1, j] - u[1:-1, j - 1] + h[1] ** 2 * bend(j)
