"""Finite differences on a region with curved rims: the stencils of Shortley and Weller.

    u_xx ≈ 2 / (a + b) ((u_E - u) / a + (u_W - u) / b)

a and b are the distances to the next node or, where the rim is nearer, to the rim. Where the rim's
slope is given in the place of its value, the value there is one more unknown, and its equation is
that of a parabola through it, fitted to the nodes around.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inverse_inr import Problem, Solution
from inverse_inr.operators import Jet
from inverse_inr.problems.fields.differences import Equation
from inverse_inr.problems.fields.local_polynomials import slope_weights, value_weights
from inverse_inr.problems.fields.regions import Curve, Region
from inverse_inr.ranges import Count, checked
from inverse_inr.solver import Ended

HALVINGS = 45
"""Halvings of a mesh's width that find the rim on it."""

CELLS = 128
"""Cells along the longest side of a region's box."""


@dataclass(frozen=True)
class _Arm:
    """Each node's next neighbour in one direction: another node, or a place on a rim."""

    length: np.ndarray
    """(n,) distance to it."""
    node: np.ndarray
    """(n,) number of the neighbour among the nodes; -1 where it is a place on a rim."""
    curve: np.ndarray
    """(n,) number of the rim; -1 where it is a node."""


@checked
def shortley_weller(
    case: Equation,
    region: Region,
    neumann: Sequence[int],
    problem: Problem,
    cells: Count = CELLS,
) -> Solution:
    """Solve an elliptic equation on a region by finite differences and a sparse solver.

    Args:
        case: The equation, with the field that has the boundary values.
        region: The region.
        neumann: The rims on which the slope along the normal is given instead of the value.
        problem: The problem.
        cells: Cells along the longest side of the region's box.

    Returns:
        The solution; between nodes it is read off local cubics.

    Source:
        Shortley & Weller 1938.
    """
    began = time.perf_counter()
    spacing = max(region.box.lengths) / cells
    inside, index = _nodes(region, spacing)
    nodes, values, rim = _solved(case, region, set(neumann), inside, index, spacing)
    known = np.concatenate([nodes, rim[0]])
    heights = np.concatenate([values, rim[1]])

    def look(points: Tensor) -> Tensor:
        places = points.detach().cpu().double().reshape(-1, 2).numpy()
        near, weights = value_weights(known, places, 3)
        seen = torch.from_numpy((heights[near] * weights).sum(-1))
        seen = seen.reshape(*points.shape[:-1], 1).to(points)
        # on a rim is inside: a reference may be asked there
        return torch.where(region.contains(points, slack=1e-6)[..., None], seen, torch.nan)

    return Solution(
        look,
        problem,
        "finite differences",
        seconds=time.perf_counter() - began,
        stopped=Ended("direct", f"{len(nodes)} nodes"),
    )


def _nodes(region: Region, spacing: float) -> tuple[Tensor, np.ndarray]:
    """The nodes of a square mesh that lie inside (n, 2), and their numbers on the mesh or -1."""
    box = region.box
    shape = [int(length / spacing) + 1 for length in box.lengths]
    axes = [
        lower + spacing * (torch.arange(n, dtype=torch.float64) + 0.5)
        for lower, n in zip(box.lower, shape, strict=True)
    ]
    mesh = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)
    mask = region.contains(mesh)
    index = np.full(mask.shape, -1)
    index[mask.numpy()] = np.arange(int(mask.sum()))
    # a frame of nodes outside, so that every node has neighbours
    return mesh[mask], np.pad(index, 1, constant_values=-1)


def _solved(
    case: Equation,
    region: Region,
    neumann: set[int],
    inside: Tensor,
    index: np.ndarray,
    spacing: float,
) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """The nodes, their values, and (places, values) on the rims where mesh lines meet them."""
    from scipy import sparse
    from scipy.sparse.linalg import spsolve

    nodes = inside.numpy()
    n = len(nodes)
    right = case.source(inside).numpy().copy()
    entries: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    own = np.full(n, case.coefficients[3])
    places: list[np.ndarray] = []
    curves: list[np.ndarray] = []
    met = 0
    numbers = np.arange(n)
    for axis in (0, 1):
        arms = [_arm(region, inside, index, axis, sign, spacing) for sign in (1, -1)]
        total = arms[0].length + arms[1].length
        for arm, sign in zip(arms, (1, -1), strict=True):
            weight = 2 * case.coefficients[axis] / (total * arm.length)
            own -= weight
            on_node = arm.node >= 0
            entries.append((numbers[on_node], arm.node[on_node], weight[on_node]))
            on_rim = ~on_node
            place = nodes[on_rim].copy()
            place[:, axis] += sign * arm.length[on_rim]
            places.append(place)
            curves.append(arm.curve[on_rim])
            count = int(on_rim.sum())
            entries.append((numbers[on_rim], n + met + np.arange(count), weight[on_rim]))
            met += count
    entries.append((numbers, numbers, own))
    place, curve = np.concatenate(places), np.concatenate(curves)
    slopes = np.isin(curve, list(neumann))
    rows, goals = _rim_equations(case, region, nodes, place, curve, slopes)
    entries += [(r + n, c, v) for r, c, v in rows]
    row, column, value = (np.concatenate(part) for part in zip(*entries, strict=True))
    matrix = sparse.csc_matrix((value, (row, column)), shape=(n + met, n + met))
    answer: Any = spsolve(matrix, np.concatenate([right, goals]))
    return nodes, answer[:n], (place, answer[n:])


def _arm(
    region: Region, inside: Tensor, index: np.ndarray, axis: int, sign: int, spacing: float
) -> _Arm:
    """The neighbours of all nodes in one direction."""
    beside = np.roll(index, -sign, axis)[index >= 0]
    length = np.full(len(inside), spacing)
    curve = np.full(len(inside), -1)
    step = torch.zeros(2, dtype=torch.float64)
    step[axis] = sign * spacing
    nearest = np.ones(len(inside))
    out = torch.from_numpy(beside < 0)
    for k, each in enumerate(region.curves):
        fraction = _crossing(each, inside[out], step, inner=bool(k))
        better = fraction < nearest[out.numpy()]
        chosen = np.flatnonzero(out.numpy())[better]
        nearest[chosen] = fraction[better]
        curve[chosen] = k
    length[out.numpy()] = np.maximum(nearest[out.numpy()], 1e-9) * spacing
    return _Arm(length, beside, curve)


def _crossing(curve: Curve, start: Tensor, step: Tensor, *, inner: bool) -> np.ndarray:
    """The fraction of a step after which a curve is met, by bisection; infinite where it is not."""

    def passed(fraction: Tensor) -> Tensor:
        relative = curve.relative(start + fraction[:, None] * step)
        if inner:
            return relative <= 1
        return relative >= 1

    low = torch.zeros(len(start), dtype=torch.float64)
    high = torch.ones(len(start), dtype=torch.float64)
    meets = passed(high)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        beyond = passed(middle)
        high = torch.where(beyond, middle, high)
        low = torch.where(beyond, low, middle)
    return torch.where(meets, high, torch.inf).numpy()


def _rim_equations(
    case: Equation,
    region: Region,
    nodes: np.ndarray,
    place: np.ndarray,
    curve: np.ndarray,
    slopes: np.ndarray,
) -> tuple[list[tuple[np.ndarray, np.ndarray, np.ndarray]], np.ndarray]:
    """An equation for each place on a rim: its value is given, or its slope along the normal."""
    where = torch.from_numpy(place)
    goals = case.known(where)[:, 0].detach().numpy().copy()
    numbers = np.arange(len(place))
    given = ~slopes
    rows = [(numbers[given], len(nodes) + numbers[given], np.ones(int(given.sum())))]
    if not slopes.any():
        return rows, goals
    normals = np.zeros_like(place)
    for k, each in enumerate(region.curves):
        on = curve == k
        outward = each.normals(each._polar(where[torch.from_numpy(on)])[1]).numpy()
        if k:
            outward = -outward
        normals[on] = outward
    slope = Jet(case.known, where).gradient[:, 0].detach().numpy()
    goals[slopes] = (slope * normals).sum(-1)[slopes]
    # the place itself is a node of its own parabola
    own = place[slopes]
    near, weights = slope_weights(nodes, own, normals[slopes])
    who = numbers[slopes]
    rows.append((np.repeat(who, near.shape[1]), near.ravel(), weights.ravel()))
    rows.append((who, len(nodes) + who, -weights.sum(1)))
    return rows, goals
