"""Multilinear interpolation on lattices: the corners that a point sees, and their weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from inverse_inr.devices import constant


def cells(position: Tensor, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Find the lattice cell of each position, and where in the cell it lies.

    Positions are clamped to [0, n - 1] along each axis. The fraction is differentiable in the
    position.

    Args:
        position: (*s, d) in node units: 0 is the first node of an axis.
        shape: The number of nodes along each of the d axes.

    Returns:
        The cell's lowest corner, (*s, d) int64, and the fraction inside the cell, (*s, d).
    """
    top = constant([n - 1 for n in shape], position.dtype, position.device)
    position = torch.minimum(position.clamp(min=0), top)
    base = torch.minimum(position.detach().floor(), (top - 1).clamp(min=0))
    return base.long(), position - base


def corners(base: Tensor, fraction: Tensor, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
    """List the 2^d corners of each cell with their multilinear weights.

    Args:
        base: (*s, d) int64, the cell's lowest corner.
        fraction: (*s, d), the place inside the cell.
        shape: The number of nodes along each of the d axes.

    Returns:
        Flat node indices, (*s, 2^d), and weights that sum to 1, (*s, 2^d).
    """
    index = base.new_zeros(*base.shape[:-1], 1)
    weight = fraction.new_ones(*base.shape[:-1], 1)
    for k, n in enumerate(shape):
        i = base[..., k : k + 1]
        t = fraction[..., k : k + 1]
        index = torch.cat([index * n + i, index * n + (i + 1).clamp(max=n - 1)], -1)
        weight = torch.cat([weight * (1 - t), weight * t], -1)
    return index, weight
