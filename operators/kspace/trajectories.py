"""Trajectories through k-space: radial and spiral.

Trajectories are (interleaves, samples, 2) in cycles per unit of the box, out to the grid's Nyquist
circle.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from inverse_inr import Grid
from inverse_inr.memory import require
from inverse_inr.ranges import Count, Positive, checked

GOLDEN_ANGLE = math.pi * (math.sqrt(5) - 1) / 2
"""Angle between successive spokes in radians, 111.246 degrees.

Any number of successive spokes is then nearly evenly spread.

Source:
    Winkelmann et al., IEEE TMI 26, 2007.
"""


@checked
def radial_trajectory(
    grid: Grid, spokes: Count, samples: Count | None = None, *, golden: bool = True, first: int = 0
) -> Tensor:
    """Straight lines through the centre, called spokes.

    Samples run from -k_max up to, not including, k_max, so that index samples // 2 is the centre.
    On the spoke at angle θ, axis 0 is ν cos θ and axis 1 is ν sin θ.

    Args:
        grid: A 2-D grid, whose Nyquist frequency is k_max.
        spokes: Number of spokes.
        samples: Samples per spoke; default twice the grid's longest side.
        golden: Spokes at golden angles from spoke `first` on, or evenly over half a turn.
        first: Number of the first spoke.

    Returns:
        (spokes, samples, 2) in cycles per unit, float64.

    Raises:
        ValueError: For a grid that is not 2-D, no spokes, or fewer than two samples.
    """
    if grid.ndim != 2 or spokes < 1:
        raise ValueError(
            f"radial_trajectory: spokes={spokes} must be at least 1 on a 2-D grid ({grid.ndim}-D)."
        )
    directions = radial_directions(spokes, golden=golden, first=first)
    return radial_frequency(grid, samples)[:, None] * directions[:, None]


@checked
def radial_directions(spokes: Count, *, golden: bool = True, first: int = 0) -> Tensor:
    """Unit vectors of the spokes.

    Args:
        spokes: Number of spokes.
        golden: As in `radial_trajectory`.
        first: Number of the first spoke.

    Returns:
        (spokes, 2), float64.
    """
    angles = radial_angles(spokes, golden=golden, first=first)
    return torch.stack([angles.cos(), angles.sin()], -1)


@checked
def radial_angles(spokes: Count, *, golden: bool = True, first: int = 0) -> Tensor:
    """Angles of the spokes.

    Args:
        spokes: Number of spokes.
        golden: As in `radial_trajectory`.
        first: Number of the first spoke.

    Returns:
        (spokes,) in radians, float64.
    """
    require(f"radial_angles: spokes={spokes}", 16.0 * spokes, "Fewer spokes.")
    index = torch.arange(first, first + spokes, dtype=torch.float64)
    if golden:
        return index * GOLDEN_ANGLE
    return index * math.pi / spokes


@checked
def radial_frequency(grid: Grid, samples: Count | None = None) -> Tensor:
    """Signed distances from the centre along a spoke.

    Args:
        grid: The grid whose Nyquist frequency the spoke reaches.
        samples: Samples per spoke; default twice the grid's longest side.

    Returns:
        (samples,) in cycles per unit, float64.

    Raises:
        ValueError: For fewer than two samples.
    """
    count = 2 * max(grid.shape) if samples is None else samples
    if count < 2:
        raise ValueError(f"radial: samples must be at least 2, got {count}.")
    require(f"radial_frequency: samples={count}", 32.0 * count, "Fewer samples.")
    return (torch.arange(count, dtype=torch.float64) - count // 2) / (count / 2) * min(grid.nyquist)


@checked
def spiral_trajectory(
    grid: Grid,
    interleaves: Count,
    samples: Count = 2048,
    *,
    density: Positive = 1.0,
    golden: bool = False,
) -> Tensor:
    """Archimedean spirals from the centre.

    Each makes so many turns that evenly turned ones together sample the box at Nyquist's rate.
    Samples are evenly spaced along the path.

    Args:
        grid: A 2-D grid.
        interleaves: Number of spirals.
        samples: Samples per spiral.
        density: Above 1 it makes the turns narrower at the centre (radius ~ angle^density).
        golden: Turn each spiral by the golden angle against the last, or evenly over the full turn.

    Returns:
        (interleaves, samples, 2) in cycles per unit, float64.

    Raises:
        ValueError: For a grid that is not 2-D, no spirals, fewer than two samples, or a density
            below 1.
    """
    if grid.ndim != 2 or interleaves < 1 or samples < 2 or density < 1:
        raise ValueError(
            "spiral_trajectory: needs a 2-D grid, interleaves >= 1, samples >= 2, density >= 1."
        )
    reach = min(grid.nyquist)
    turns = max(1.0, density * reach * max(grid.box.lengths) / interleaves)
    require(
        f"spiral_trajectory: interleaves={interleaves} of samples={samples} and {turns:.4g} turns "
        f"each (density={density:g})",
        64.0 * (64 * turns + samples + interleaves * samples),
        "Fewer interleaves or samples, or a smaller density.",
    )
    t = torch.linspace(0, 1, 64 * math.ceil(turns) + samples, dtype=torch.float64)
    radius = reach * t**density
    angle = 2 * math.pi * turns * t
    path = _evenly_spaced(torch.stack([radius * angle.cos(), radius * angle.sin()], -1), samples)
    step = GOLDEN_ANGLE if golden else 2 * math.pi / interleaves
    turn = torch.arange(interleaves, dtype=torch.float64) * step
    cos = turn.cos()[:, None]
    sin = turn.sin()[:, None]
    return torch.stack(
        [path[:, 0] * cos - path[:, 1] * sin, path[:, 0] * sin + path[:, 1] * cos], -1
    )


def _evenly_spaced(path: Tensor, samples: int) -> Tensor:
    """Points at equal distances along a polygon: (n, d) -> (samples, d)."""
    length = torch.cat([path.new_zeros(1), path.diff(dim=0).norm(dim=-1).cumsum(0)])
    wanted = torch.linspace(0, float(length[-1]), samples, dtype=torch.float64)
    right = torch.searchsorted(length, wanted).clamp(1, len(length) - 1)
    share = (wanted - length[right - 1]) / (length[right] - length[right - 1]).clamp(min=1e-300)
    return torch.lerp(path[right - 1], path[right], share[:, None])


@checked
def is_radial(trajectory: Tensor) -> bool:
    """Whether each interleave is a straight line through the centre, evenly sampled.

    Args:
        trajectory: (interleaves, samples, 2) in any unit.

    Returns:
        False also for another shape, and for fewer than three samples per interleave.
    """
    if trajectory.ndim != 3 or trajectory.shape[1] < 3 or trajectory.shape[2] != 2:
        return False
    k = trajectory.double()
    ends = k[:, -1:] - k[:, :1]
    small = 1e-4 * k.abs().max()
    across = (k[..., 0] * ends[..., 1] - k[..., 1] * ends[..., 0]) / ends.norm(dim=-1)
    return bool(across.abs().max() < small and k.diff(2, dim=1).abs().max() < small)
