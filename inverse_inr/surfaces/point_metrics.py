"""Errors of a reconstructed shape against a surface known as points: Chamfer, F1, Hausdorff.

Distances are in the unit of the coordinates, none squared. A volume becomes points by a threshold,
a fraction of its largest modulus: fixed beforehand, or the best one for each measure, which only a
known truth can choose; report both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from inverse_inr.domain import Grid
from inverse_inr.ranges import Finite, FiniteTensor, Positive, checked

THRESHOLDS = tuple(0.02 * 1.25**k for k in range(17))
"""Fractions of the largest modulus that are tried: 0.02 to 0.71, a factor 1.25 apart."""


class ShapeErrors(NamedTuple):
    """Errors of one point set against another; distances are in the unit of the coordinates."""

    chamfer: float
    """Mean of the two mean nearest distances."""
    f1: float
    """Harmonic mean of the fractions of points within `reach` of the other set."""
    hausdorff95: float
    """Larger of the two 95th percentiles of nearest distances."""


@checked
def shape_errors(points: FiniteTensor, truth: FiniteTensor, reach: Positive) -> ShapeErrors:
    """Compare two point sets. If one is empty, distances are infinite and F1 is 0.

    Args:
        points: (n, d), the reconstruction.
        truth: (m, d), the true surface.
        reach: Points this near to the other set count as right for F1, in the coordinates' unit.

    Raises:
        ValueError: The sets are no (n, d) and (m, d).
    """
    flat = points.ndim == truth.ndim == 2
    if not flat or points.shape[1] != truth.shape[1] or not truth.shape[1]:
        raise ValueError(
            f"shape_errors: points {tuple(points.shape)} and truth {tuple(truth.shape)} must be "
            "(n, d) and (m, d). Transposed?"
        )
    from scipy.spatial import KDTree

    if not len(points) or not len(truth):
        return ShapeErrors(float("inf"), 0.0, float("inf"))
    a = points.double().cpu().numpy()
    b = truth.double().cpu().numpy()
    there = torch.from_numpy(KDTree(b).query(a)[0])
    back = torch.from_numpy(KDTree(a).query(b)[0])
    precision = float((there <= reach).double().mean())
    recall = float((back <= reach).double().mean())
    f1 = 2 * precision * recall / max(precision + recall, 1e-30)
    far = max(float(there.quantile(0.95)), float(back.quantile(0.95)))
    return ShapeErrors(0.5 * float(there.mean() + back.mean()), f1, far)


@checked
def occupied(volume: Tensor, grid: Grid, threshold: Finite) -> Tensor:
    """Find the voxels whose modulus is large enough.

    Args:
        volume: (*grid.shape, 1) values, real or complex.
        grid: The voxels.
        threshold: A fraction of the largest modulus.

    Returns:
        (n, d) centres of the voxels, in float64.

    Raises:
        ValueError: The volume has another number of voxels than the grid.
    """
    if volume.numel() != grid.numel:
        raise ValueError(
            f"occupied: volume {tuple(volume.shape)} on a grid of {grid.shape} voxels; "
            "(*grid.shape, 1) was expected."
        )
    size = volume.abs().reshape(grid.shape)
    return grid.points(torch.float64)[(size >= threshold * size.max()).cpu() & (size > 0).cpu()]


@checked
def volume_errors(
    volume: Tensor,
    grid: Grid,
    truth: FiniteTensor,
    reach: Positive,
    thresholds: Sequence[Finite] = THRESHOLDS,
) -> dict[float, ShapeErrors]:
    """Compare a volume with a surface at each of several thresholds.

    Args:
        volume: (*grid.shape, 1) values, real or complex.
        grid: The voxels.
        truth: (n, d) points of the true surface.
        reach: Points this near to the other set count as right for F1, in the box's unit.
        thresholds: Fractions of the largest modulus.

    Returns:
        The errors for each threshold.

    Raises:
        ValueError: The volume has another number of voxels than the grid, or `truth` is no (n, d).
    """
    return {t: shape_errors(occupied(volume, grid, t), truth, reach) for t in thresholds}


def best(errors: dict[float, ShapeErrors]) -> ShapeErrors:
    """Take each measure at its own best threshold, which only a known truth can choose."""
    return ShapeErrors(
        min(e.chamfer for e in errors.values()),
        max(e.f1 for e in errors.values()),
        min(e.hausdorff95 for e in errors.values()),
    )
