"""The rows that an operator is asked for: listed, checked, and put where the operator is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from inverse_inr import memory
from inverse_inr.devices import CPU, device_of
from inverse_inr.ranges import require


def all_rows(operator: Any) -> Tensor:
    """List the indices of all of an operator's rows, (rows,)."""
    memory.require(f"{type(operator).__name__}: indices of {len(operator)} rows", 8 * len(operator))
    return torch.arange(len(operator))


def chosen_rows(operator: Any, rows: Tensor | Sequence[int] | None) -> Tensor:
    """Check the given row indices, or list all of them for None: (b,) int64."""
    if rows is None:
        return all_rows(operator)
    return check_rows(operator, rows)


def check_rows(operator: Any, rows: Tensor | Sequence[int]) -> Tensor:
    """Check that rows are indices inside an operator's range.

    Args:
        operator: The operator. A plain closure without a length knows its own rows.
        rows: (b,) integer indices of the measurements.

    Returns:
        (b,) int64 indices.

    Raises:
        IndexError: Rows lie outside the operator.
        ValueError: The selection is empty, or is no (b,) integer tensor.
    """
    if not isinstance(rows, Tensor):
        require("rows", rows, Sequence[int])
        rows = torch.as_tensor(rows)
    if rows.dtype == torch.bool:
        raise ValueError("rows is a boolean mask; pass indices: mask.flatten().nonzero()[:, 0].")
    if rows.ndim != 1 or rows.is_floating_point() or rows.is_complex():
        raise ValueError(
            f"rows must be a (b,) integer tensor, got {rows.dtype} of shape {tuple(rows.shape)}."
        )
    if rows.numel() == 0:
        raise ValueError("rows is empty: there is nothing to predict.")
    if not hasattr(operator, "__len__"):
        return rows.long()
    low, high = (int(v) for v in rows.aminmax())
    if low < 0 or high >= len(operator):
        raise IndexError(
            f"rows run from {low} to {high}, but {type(operator).__name__} has "
            f"{len(operator)} rows (0 to {len(operator) - 1})."
        )
    return rows.long()


def beside(operator: Any, rows: Tensor, other: torch.device | None = None) -> Tensor:
    """Move row indices to where an operator can use them.

    Args:
        operator: The operator.
        rows: (b,) indices of the measurements.
        other: The device for a module that holds no tensors; None to leave them where they are.

    Returns:
        (b,) indices on the operator's device. An object that is no module gets them on the CPU,
        unless it names another `device`: what it holds was never moved.
    """
    device = device_of(operator)
    if device is None:
        device = other
        if not isinstance(operator, torch.nn.Module):
            device = CPU
    if device is None or device == rows.device:
        return rows
    return rows.to(device)
