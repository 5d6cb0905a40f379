"""Coordinates along the axes of a lattice, whose ends the host knows without asking the device."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from inverse_inr.domain import Box, Grid


def normalized_axes(
    box: Box, grid: Grid, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, ...]:
    """Give the coordinates along a lattice's axes as a prior sees them.

    They are made on the CPU, sent to the device once and remembered.

    Args:
        box: The prior's box, which normalises.
        grid: The lattice.
        dtype: Precision of the coordinates.
        device: Their device.

    Returns:
        For each axis (n_k,) coordinates, which nobody may write into.
    """
    if torch.compiler.is_compiling():
        axes = zip(grid.axes(dtype, device), box.center, box.scale, strict=True)
        return tuple((a - c) * s for a, c, s in axes)
    if grid.numel > MOST:
        return _made(box, grid, dtype, device)
    return _remembered(box, grid, dtype, device)


MOST = 2**26
"""Nodes of a lattice whose coordinates are remembered: those of one that comes back each step."""


def _made(box: Box, grid: Grid, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, ...]:
    with torch.inference_mode(False):  # they are remembered, and must serve training too
        axes = zip(grid.axes(dtype, torch.device("cpu")), box.center, box.scale, strict=True)
        return tuple(_sent((a - c) * s, device) for a, c, s in axes)


_remembered = lru_cache(maxsize=128)(_made)


def _sent(axis: Tensor, device: torch.device) -> Tensor:
    return _with_ends(axis.to(device), (float(axis[0]), float(axis[-1])))


def _with_ends(axis: Any, ends: tuple[float, float]) -> Tensor:
    axis.ends = ends
    return axis


def ends_of(axis: Tensor) -> tuple[float, float]:
    """Give the first and the last coordinate of an axis.

    Args:
        axis: (n,) coordinates. Those of `normalized_axes` and `divided` know their ends; others are
            asked, for which the host waits.
    """
    known = getattr(axis, "ends", None)
    if known is not None:
        return known
    return float(axis[0]), float(axis[-1])


def divided(axis: Tensor, length: float) -> Tensor:
    """Divide the coordinates of an axis, which go on knowing their ends.

    Args:
        axis: (n,) coordinates.
        length: What they are divided by.
    """
    if torch.compiler.is_compiling():
        return axis / length  # compiled code keeps nothing from step to step, and asks no ends
    first, last = ends_of(axis)
    return _with_ends(axis / length, (first / length, last / length))
