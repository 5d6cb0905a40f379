"""Multilinear interpolation on lattices: which corners a point sees, and with what weight."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def cells(position: Tensor, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Lattice cell and the fraction inside it for positions in node units, clamped to [0, n - 1]: both (*s, d).

    The fraction is differentiable in the position.
    """
    top = torch.tensor([n - 1 for n in shape], dtype=position.dtype, device=position.device)
    position = torch.minimum(position.clamp(min=0), top)
    base = torch.minimum(position.detach().floor(), (top - 1).clamp(min=0))
    return base.long(), position - base


def corners(base: Tensor, fraction: Tensor, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Flat node indices and multilinear weights of the 2^d corners of each cell: both (*s, 2^d)."""
    index = base.new_zeros(*base.shape[:-1], 1)
    weight = fraction.new_ones(*base.shape[:-1], 1)
    for k, n in enumerate(shape):
        i, t = base[..., k : k + 1], fraction[..., k : k + 1]
        index = torch.cat([index * n + i, index * n + (i + 1).clamp(max=n - 1)], -1)
        weight = torch.cat([weight * (1 - t), weight * t], -1)
    return index, weight
