"""Free space: what lies between an antenna and a point that it sees is empty.

The hull of a cloud fills concave places. Echoes say more: a point that shines towards a group of
antennas has a free line of sight to them (space carving, Kutulakos & Seitz 2000, with radar's
sub-apertures in place of cameras).
"""

from __future__ import annotations

import torch
from torch import Tensor

from inverse_inr import Problem
from inverse_inr.operators import PhaseHistory
from inverse_inr.operators.radar.matched_filter import backproject
from inverse_inr.problems.radar.aspects import sub_apertures
from inverse_inr.ranges import Count, FiniteTensor, Fraction, checked


@checked
def outside(problem: Problem, points: FiniteTensor) -> Tensor:
    """Find the voxels that are free: beyond the hull of the points, or carved by `free_space`.

    Args:
        problem: A problem of one `PhaseHistory` term, with a grid.
        points: (n, 3) on the surface, in metres.

    Returns:
        (m, 3) middles of free voxels, float32.
    """
    from scipy.spatial import ConvexHull, QhullError

    carved = free_space(problem, points)
    try:
        faces = torch.from_numpy(ConvexHull(points.double().numpy()).equations).float()
    except QhullError:  # fewer than four points, or all of them in a plane
        return carved
    places = problem.grid.points(torch.float32).reshape(-1, 3)
    over = (places @ faces[:, :3].T + faces[:, 3]).amax(1)
    return torch.cat([carved, places[over > 0.5 * min(problem.grid.spacing)]])


@checked
def free_space(
    problem: Problem,
    points: FiniteTensor,
    *,
    sectors: Count = 8,
    bright: Fraction = 0.7,
    votes: Count = 1,
) -> Tensor:
    """Find places that lines of sight cross.

    Args:
        problem: A problem of one `PhaseHistory` term, with a grid.
        points: (n, 3) on the surface, in metres.
        sectors: Sectors of azimuth; each has an upper and a lower half, whose antennas see alike.
        bright: A point is seen from where its matched filter is at least this fraction of its
            largest one.
        votes: Lines of sight that a voxel needs to be free.

    Returns:
        (m, 3) middles of free voxels, float32.
    """
    grid = problem.grid
    counts = torch.zeros(grid.shape, dtype=torch.long)
    groups = _groups(problem, sectors)
    power = torch.stack([_response(problem, points, rows) for rows in groups])
    seen = power >= bright * power.amax(0)
    operator = problem.terms[0].operator
    assert isinstance(operator, PhaseHistory)
    step = min(grid.spacing)
    lengths = step * torch.arange(1.5, 1.8 * max(grid.shape), 0.5)
    low = points.new_tensor(grid.box.lower)
    spacing = points.new_tensor(grid.spacing)
    for rows, mine in zip(groups, seen, strict=True):
        antenna = operator.geometry.transmitters[rows].mean(0).to(points)
        towards = torch.nn.functional.normalize(antenna - points[mine], dim=1)
        places = points[mine][:, None] + lengths.to(points)[:, None] * towards[:, None]
        cells = ((places - low) / spacing).floor().long()
        inside = ((cells >= 0) & (cells < torch.tensor(grid.shape))).all(-1)
        line = torch.arange(len(cells))[:, None].expand(inside.shape)[inside]
        # a line counts once in a voxel, however many of its steps lie there
        once = torch.cat([line[:, None], cells[inside]], 1).unique(dim=0)[:, 1:]
        counts.index_put_(tuple(once.T), torch.ones(len(once), dtype=torch.long), accumulate=True)
    return grid.points(torch.float32)[counts >= votes]


def _groups(problem: Problem, sectors: int) -> list[Tensor]:
    """Pulses of each sector from above, and from below the grid's middle."""
    operator = problem.terms[0].operator
    assert isinstance(operator, PhaseHistory)
    height = operator.geometry.transmitters[:, 2] - problem.grid.box.center[2]
    groups = sub_apertures(problem, sectors)
    halves = [g[height[g] > 0] for g in groups] + [g[height[g] <= 0] for g in groups]
    return [g for g in halves if len(g)]


def _response(problem: Problem, points: Tensor, rows: Tensor) -> Tensor:
    """Modulus of the matched filter of some pulses at points, (n,)."""
    term = problem.terms[0]
    assert isinstance(term.operator, PhaseHistory)
    few = term.operator.pulses(rows)
    return backproject(few, term.y[rows], points.double(), interpolate=False).abs()
