"""How far a reconstructed shape is from a surface known as points: Chamfer distance, F1, Hausdorff.

All in the unit of the coordinates, none squared. A volume becomes points by a threshold, a fraction of its largest
modulus: fixed beforehand, or the best one for each measure, which only a known truth can choose; report both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from inverse_inr.domain import Grid

THRESHOLDS = tuple(0.02 * 1.25**k for k in range(17))
"""Fractions of the maximum, 0.02 to 0.71."""


class ShapeErrors(NamedTuple):
    chamfer: float
    """Mean of the two mean nearest distances."""
    f1: float
    """Harmonic mean of the fractions of points within `reach` of the other set."""
    hausdorff95: float
    """Larger of the two 95th percentiles of nearest distances."""


def shape_errors(points: Tensor, truth: Tensor, reach: float) -> ShapeErrors:
    """Of two (n, d) point sets. An empty set has infinite distances and F1 of 0."""
    from scipy.spatial import KDTree

    if not len(points) or not len(truth):
        return ShapeErrors(float("inf"), 0.0, float("inf"))
    a, b = points.double().cpu().numpy(), truth.double().cpu().numpy()
    there = torch.from_numpy(KDTree(b).query(a)[0])
    back = torch.from_numpy(KDTree(a).query(b)[0])
    precision, recall = (
        float((there <= reach).double().mean()),
        float((back <= reach).double().mean()),
    )
    f1 = 2 * precision * recall / max(precision + recall, 1e-30)
    far = max(float(there.quantile(0.95)), float(back.quantile(0.95)))
    return ShapeErrors(0.5 * float(there.mean() + back.mean()), f1, far)


def occupied(volume: Tensor, grid: Grid, threshold: float) -> Tensor:
    """Centres of the voxels whose modulus is at least `threshold` of the largest: (n, d)."""
    size = volume.abs().reshape(grid.shape)
    return grid.points(torch.float64)[(size >= threshold * size.max()).cpu() & (size > 0).cpu()]


def volume_errors(
    volume: Tensor,
    grid: Grid,
    truth: Tensor,
    reach: float,
    thresholds: Sequence[float] = THRESHOLDS,
) -> dict[float, ShapeErrors]:
    """Errors of (*grid.shape, 1) values against (n, d) points at each threshold."""
    return {t: shape_errors(occupied(volume, grid, t), truth, reach) for t in thresholds}


def best(errors: dict[float, ShapeErrors]) -> ShapeErrors:
    """Each measure at its own best threshold (chosen by the truth)."""
    return ShapeErrors(
        min(e.chamfer for e in errors.values()),
        max(e.f1 for e in errors.values()),
        min(e.hausdorff95 for e in errors.values()),
    )
