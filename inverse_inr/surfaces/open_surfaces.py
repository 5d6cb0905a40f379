"""The surface on which an unsigned distance is zero: it may have a boundary, and keeps it."""

from __future__ import annotations

import itertools
from typing import Annotated

import torch
from torch import Tensor

from inverse_inr.domain import Grid
from inverse_inr.evaluation import Field
from inverse_inr.memory import require
from inverse_inr.precision import placement
from inverse_inr.ranges import Range, checked
from inverse_inr.surfaces.clouds import value_and_slope
from inverse_inr.surfaces.meshes import Mesh

AT_ONCE = 2**15
"""Nodes at which a field and its slope are asked together."""
Slack = Annotated[float, Range(least=1, most=2)]
"""How far distances may exceed what they should be, as a factor."""
OFF = torch.tensor([0.37e-3, 0.61e-3, 0.83e-3], dtype=torch.float64)
"""How far nodes are moved, in voxels."""
PATHS = [(0, 1 << a, (1 << a) | (1 << b), 7) for a, b, _ in itertools.permutations(range(3))]
"""Tetrahedra of a cube, whose corners are numbered by their bits: three edges from 0 to 7."""
PAIRS = list(itertools.combinations(range(4), 2))
"""The six edges of a tetrahedron."""


@checked
def open_surface(field: Field, grid: Grid, *, slack: Slack = 1.1) -> Mesh:
    """Mesh the zero set of an unsigned distance, which has no sign that marching cubes could use.

    An edge of the grid crosses the surface where the slopes at its ends point away from each other
    and the two distances together are no longer than the edge. Both hold on either side of a
    surface; beyond its boundary slopes agree, and between two distant sheets distances are too
    long. The crossing divides the edge as the distances do. Cubes are cut into six tetrahedra, in
    each of which crossings make a triangle or two. A tetrahedron whose crossings contradict each
    other, as some do at a boundary, stays empty, so that the boundary is kept to about a voxel.

    Args:
        field: The unsigned distance u, (*s, 3) -> (*s, 1), with derivatives.
        grid: 3-D; its voxels' centres are the nodes.
        slack: Two distances may be so many times longer than their edge, for learnt distances.

    Returns:
        The mesh. Its faces are turned either way, for there is no outside.

    Raises:
        ValueError: The grid is not 3-D or too small, or no edge crosses the surface.

    Source:
        The pseudo-sign of slopes is that of Guillard et al. 2022, MeshUDF, arXiv:2111.14549, here
        on edges of tetrahedra, so that neighbours agree.
    """
    if grid.ndim != 3 or min(grid.shape) < 2:
        raise ValueError(
            f"open_surface: it needs a 3-D grid of 2 voxels an axis, not {grid.shape}."
        )
    require("open_surface: distances and slopes", 200.0 * grid.numel, "A coarser grid.")
    # off by a little, so that no node lies on a surface, where there is no slope
    nodes = grid.points(torch.float64).reshape(-1, 3) + OFF * torch.tensor(grid.spacing).double()
    dtype, device = placement(field)
    value, slope = torch.empty(len(nodes)), torch.empty(len(nodes), 3)
    for rows in torch.arange(len(nodes)).split(AT_ONCE):
        v, s = value_and_slope(field, nodes[rows].to(dtype).to(device))
        value[rows], slope[rows] = v[:, 0].float().cpu(), s.float().cpu()
    tetrahedra = _near(value, grid)
    crossed = _crossed(tetrahedra, nodes, value.double(), slope.double(), slack)  # (m, 6)
    corners, edges = _triangles(tetrahedra, crossed)
    if not len(corners):
        raise ValueError(
            f"open_surface: no surface on a grid of {grid.shape}; the least distance is "
            f"{float(value.min()):.4g}, a voxel {max(grid.spacing):.4g}. A finer grid?"
        )
    low, high = edges.unbind(1)
    share = value[low].double() / (value[low] + value[high]).double().clamp(min=1e-30)
    return Mesh(nodes[low] + share[:, None] * (nodes[high] - nodes[low]), corners)


def _near(value: Tensor, grid: Grid) -> Tensor:
    """The tetrahedra (m, 4) of cubes that the surface may cross, by the numbers of their nodes."""
    shape = grid.shape
    number = torch.arange(grid.numel).reshape(shape)
    corners = [
        number[i : shape[0] - 1 + i, j : shape[1] - 1 + j, k : shape[2] - 1 + k].reshape(-1)
        for k, j, i in itertools.product((0, 1), repeat=3)
    ]
    cubes = torch.stack(corners, 1)
    diagonal = sum(h * h for h in grid.spacing) ** 0.5
    cubes = cubes[value[cubes].amax(1) < 2 * diagonal]
    return torch.cat([cubes[:, path] for path in PATHS])


def _crossed(
    tetrahedra: Tensor, nodes: Tensor, value: Tensor, slope: Tensor, slack: float
) -> Tensor:
    """Whether each edge of each tetrahedron crosses the surface, (m, 6); an edge decides alone."""
    found = []
    for i, j in PAIRS:
        a, b = tetrahedra[:, i], tetrahedra[:, j]
        length = torch.linalg.vector_norm(nodes[a] - nodes[b], dim=1)
        apart = (slope[a] * slope[b]).sum(1) < 0
        found.append(apart & (value[a] + value[b] <= slack * length))
    return torch.stack(found, 1)


def _triangles(tetrahedra: Tensor, crossed: Tensor) -> tuple[Tensor, Tensor]:
    """Faces (f, 3) and the edges (n, 2) of the grid on which their corners lie."""
    where = {pair: k for k, pair in enumerate(PAIRS)}

    def edge(i: int, j: int) -> int:
        return where[(min(i, j), max(i, j))]

    faces = []
    for sides in itertools.product((0, 1), repeat=3):
        side = (0, *sides)
        if not any(sides):
            continue
        expected = torch.tensor([side[i] != side[j] for i, j in PAIRS])
        mine = tetrahedra[(crossed == expected).all(1)]
        one = [k for k in range(4) if side[k] == 1]
        other = [k for k in range(4) if side[k] == 0]
        if len(one) == 2:
            (a, b), (c, d) = one, other
            loops = [((a, c), (a, d), (b, d)), ((a, c), (b, d), (b, c))]
        else:
            alone, rest = (one[0], other) if len(one) == 1 else (other[0], one)
            loops = [tuple((alone, r) for r in rest)]
        for loop in loops:
            ends = torch.stack([mine[:, list(pair)].sort(1).values for pair in loop], 1)
            faces.append(ends)  # (f, 3, 2)
    every = torch.cat(faces)
    edges, corners = every.reshape(-1, 2).unique(dim=0, return_inverse=True)
    return corners.reshape(-1, 3), edges
