"""Finite differences: what boundary-value problems and gradient-domain images were solved by before."""

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
from inverse_inr.solver import Ended


@dataclass(frozen=True)
class Equation:
    """a[0] ∂₀²u + a[1] ∂₁²u + a[2] ∂₁u + a[3] u = s in the box, u = `known` on `faces` (all around where None).

    marches  0: elliptic; 1 or 2: axis 1 is time, of first or second order, with the state at its lower face given
    given    s, where `known` holds on the boundary only; else s is what the equation makes of `known`
    """

    coefficients: tuple[float, float, float, float]
    known: Field
    faces: list[tuple[int, int]] | None = None
    marches: int = 0
    given: Callable[[Tensor], Tensor] | None = None

    def pde(self, u: Jet) -> Tensor:
        a = self.coefficients
        parts = [a[0] * u.d(0, 0)]
        parts += [a[1] * u.d(1, 1)] if a[1] else []
        parts += [a[2] * u.d(1)] if a[2] else []
        parts += [a[3] * u.value] if a[3] else []
        return torch.stack(parts).sum(0)

    def source(self, points: Tensor) -> Tensor:
        """s at (*s, d) points, (*s,) in float64."""
        flat = points.double().reshape(-1, points.shape[-1])
        values = (
            self.pde(Jet(self.known, flat)).detach()[:, 0]
            if self.given is None
            else self.given(flat)
        )
        return values.reshape(points.shape[:-1])

    @property
    def stiffness(self) -> float:
        """What the equation makes of a field of size one, roughly: its largest coefficient."""
        return max(abs(c) for c in self.coefficients)


def finite_differences(case: Equation, problem: Problem, cells: int = 128) -> Solution:
    """Second-order differences on (cells + 1)² nodes: five points; Crank-Nicolson; leapfrog."""
    began = time.perf_counter()
    box = problem.box
    h = [length / cells for length in box.lengths]
    around = Box(
        tuple(a - s / 2 for a, s in zip(box.lower, h, strict=True)),
        tuple(b + s / 2 for b, s in zip(box.upper, h, strict=True)),
        box.units,
    )
    nodes = Grid(
        around, (cells + 1, cells + 1)
    )  # pixel centres of this grid are the mesh's nodes, faces included
    points = nodes.points(torch.float64)
    u, s = case.known(points)[..., 0].detach().numpy().copy(), case.source(points).numpy()
    march = (_elliptic, _crank_nicolson, _leapfrog)[case.marches]
    march(case, u, s, h)
    values = torch.from_numpy(u)[..., None].float()
    look = SampledField(
        values, nodes
    ).__call__  # a plain callable: shown and judged on the problem's grid
    return Solution(
        look,
        problem,
        "finite differences",
        seconds=time.perf_counter() - began,
        stopped=Ended("direct", f"{cells + 1} nodes an axis"),
    )


def _second(n: int, h: float) -> Any:
    from scipy import sparse

    return sparse.diags([np.ones(n - 1), -2 * np.ones(n), np.ones(n - 1)], [-1, 0, 1]) / h**2  # type: ignore[arg-type]


def _elliptic(case: Equation, u: np.ndarray, s: np.ndarray, h: list[float]) -> None:
    """Fills the inside of u, whose rim holds the boundary values."""
    from scipy import sparse
    from scipy.sparse.linalg import spsolve

    a, n = case.coefficients, u.shape[0] - 2
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
    from scipy import sparse
    from scipy.sparse.linalg import splu

    a, n = case.coefficients, u.shape[0] - 2
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


# --- images ---------------------------------------------------------------------------------------------------------


def spline_gradient(values: Tensor, grid: Grid) -> Tensor:
    """∇ of the cubic spline through the pixels of (n, m, c) values, at their centres: (n, m, c, 2), per unit length."""
    from scipy.ndimage import correlate1d, spline_filter

    slope, mean = [-0.5, 0.0, 0.5], [1 / 6, 4 / 6, 1 / 6]
    channels = []
    for channel in values.double().numpy().transpose(2, 0, 1):
        spline = spline_filter(channel, order=3, mode="reflect")
        along = [
            correlate1d(
                correlate1d(spline, slope, axis=k, mode="reflect"), mean, axis=1 - k, mode="reflect"
            )
            / h
            for k, h in enumerate(grid.spacing)
        ]
        channels.append(np.stack(along, -1))
    return torch.from_numpy(np.stack(channels, 2)).to(values.dtype)


def poisson_solve(problem: Problem, region: Tensor, wanted: Tensor, values: Tensor) -> Solution:
    """Least squares of forward differences against mean gradients of neighbours, `values` fixed outside `region`.

    The normal equations are Pérez's discrete Poisson equation; without fixed pixels the mean is that of `values`.
    """
    from scipy import sparse
    from scipy.sparse.linalg import splu

    began = time.perf_counter()
    n = region.numel()
    index = np.arange(n).reshape(region.shape)
    rows, targets = [], []
    for k, h in enumerate(problem.grid.spacing):
        a, b = (np.take(index, range(i, region.shape[k] - 1 + i), axis=k).ravel() for i in (0, 1))
        flow = wanted[..., k].reshape(n, -1).double().numpy()
        used = (region.numpy().ravel()[a] | region.numpy().ravel()[b]).nonzero()[0]
        a, b, count = a[used], b[used], np.arange(len(used))
        ones = np.ones(len(used)) / h
        rows.append(
            sparse.csr_matrix(
                (np.r_[ones, -ones], (np.r_[count, count], np.r_[b, a])), shape=(len(used), n)
            )
        )
        targets.append(0.5 * (flow[a] + flow[b]))
    difference, target = sparse.vstack(rows).tocsc(), np.concatenate(targets)
    free = region.numpy().ravel().copy()
    if free.all():
        free[0] = False  # the constant is put right below
    image = values.reshape(n, -1).double().numpy().copy()
    inside, fixed = difference[:, free], difference[:, ~free]
    solver = splu((inside.T @ inside).tocsc())
    image[free] = solver.solve(inside.T @ (target - fixed @ image[~free]))
    if region.all():
        image += values.reshape(n, -1).double().numpy().mean(0) - image.mean(0)
    out = torch.from_numpy(image).to(values).reshape(values.shape)
    return Solution(
        SampledField(out, problem.grid),
        problem,
        "sparse Poisson solver",
        seconds=time.perf_counter() - began,
        stopped=Ended("direct", "solved exactly"),
    )
