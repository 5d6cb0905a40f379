"""Which places lie inside a closed mesh, by the faces straight above each of them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from inverse_inr.memory import require
from inverse_inr.surfaces.meshes import Mesh

PAIRS = 2**21
"""Places times faces of their columns that are looked at together."""
MOST_COLUMNS = 256
"""Columns along x and along y."""
ANGLES = (0.6180339887, 0.4142135624, 0.7320508076)
"""The mesh is turned by these about z, y and x, so that no ray runs within a face or an edge."""


def faces_above(mesh: Mesh, points: Tensor) -> Tensor:
    """Count the faces above places, those that turn downwards as -1: 1 inside a closed mesh.

    For a closed mesh this is the winding number. Faces are sorted into columns, so that a place
    meets the few of its own column instead of all.

    Args:
        mesh: A closed mesh.
        points: (n, 3).

    Returns:
        (n,) in int64.
    """
    turn = _rotation()
    corners = (mesh.vertices @ turn)[mesh.faces]  # (m, 3, 3)
    places = points.double().cpu() @ turn
    low, high = corners[..., :2].amin(1), corners[..., :2].amax(1)
    columns = min(MOST_COLUMNS, max(1, math.isqrt(len(corners))))
    origin, side = low.amin(0), (high.amax(0) - low.amin(0)).clamp(min=1e-300) / columns

    def column(xy: Tensor) -> Tensor:
        return ((xy - origin) / side).floor().clamp(0, columns - 1).long()

    first, extent = column(low), column(high) - column(low) + 1
    entries = extent.prod(1)
    require("inside: faces by column", 100.0 * int(entries.sum()), "A coarser mesh.")
    faces, within = _repeated(entries)
    across = extent[faces, 1]
    at = first[faces] + torch.stack([within // across, within % across], 1)
    order = (columns * at[:, 0] + at[:, 1]).argsort()
    held = torch.bincount(columns * at[:, 0] + at[:, 1], minlength=columns**2)
    begins = held.cumsum(0) - held
    own = column(places[:, :2])
    own = columns * own[:, 0] + own[:, 1]
    total = torch.zeros(len(places), dtype=torch.int64)
    for rows in torch.arange(len(places)).split(max(1, PAIRS // max(1, int(held.max())))):
        which, within = _repeated(held[own[rows]])
        which = rows[which]
        face = faces[order[begins[own[which]] + within]]
        total.index_add_(0, which, _crossed(corners[face] - places[which][:, None]))
    return total


def _rotation() -> Tensor:
    """A rotation, (3, 3), that no mesh is likely to be built along."""
    turn = torch.eye(3, dtype=torch.float64)
    for axis, angle in zip((2, 1, 0), ANGLES, strict=True):
        i, j = (k for k in range(3) if k != axis)
        one = torch.eye(3, dtype=torch.float64)
        one[i, i] = one[j, j] = math.cos(angle)
        one[i, j], one[j, i] = -math.sin(angle), math.sin(angle)
        turn = turn @ one
    return turn


def _repeated(counts: Tensor) -> tuple[Tensor, Tensor]:
    """The number of each element, as often as its count says, and which time that is."""
    number = torch.repeat_interleave(torch.arange(len(counts)), counts)
    begins = counts.cumsum(0) - counts
    return number, torch.arange(len(number)) - begins[number]


def _crossed(corners: Tensor) -> Tensor:
    """Whether the ray from 0 upwards leaves (1) or enters (-1) through triangles (k, 3, 3)."""
    after, last = corners.roll(-1, 1), corners.roll(-2, 1)
    # twice the areas seen from above of the triangles of 0 with each side
    areas = corners[..., 0] * after[..., 1] - corners[..., 1] * after[..., 0]
    turned = areas.sign()
    hit = (turned[:, 0] != 0) & (turned == turned[:, :1]).all(1)
    # their signs are one, and the height is the mean of the opposite corners' by these areas
    above = (areas * last[..., 2]).sum(1) * turned[:, 0] > 0
    return torch.where(hit & above, turned[:, 0], 0.0).long()
