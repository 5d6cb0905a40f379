"""Interpolation of complex arrays at places of their own, without a matrix, by Triton kernels.

The definition is a sparse matrix with J^d weights per place, which for J = 6 in 3-D takes
3.5 kB per place with its transpose; here J d weights and d nodes are stored, 84 bytes.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from inverse_inr.kernels.triton.available import on_device_of

BLOCK = 128
"""Places of one program."""


class Stencil(NamedTuple):
    """The nodes that each place sees, and their weights.

    Attributes:
        first: (m, d) int32 first node along each axis, which may lie outside the array.
        weight: (m, d, J) float32 weights of J nodes along each axis.
        sizes: (d,) int32 shape of the array.
        shifts: (d,) int32, added to the nodes.
        periodic: (d,) int32, 1 where nodes outside come in on the other side; else they are
            clamped, and have no weight.
        cells: The product of `sizes`.
    """

    first: Tensor
    weight: Tensor
    sizes: Tensor
    shifts: Tensor
    periodic: Tensor
    cells: int


def stencil(
    first: np.ndarray, weight: np.ndarray, sizes: Sequence[int], half: bool, device: torch.device
) -> Stencil:
    """Make the stencil of the nodes and weights that a gridding's matrix is made of.

    Args:
        first: (m, d) first node along each axis of the periodic spectrum.
        weight: (m, d, J) weights.
        sizes: (d,) shape of the array that is interpolated in.
        half: Whether the last axis holds half a spectrum, with J // 2 more nodes at both ends.
        device: Where it is needed.

    Returns:
        The stencil.
    """
    d, width = weight.shape[1:]
    shifts = [0] * d
    periodic = [1] * d
    if half:
        shifts[-1] = width // 2
        periodic[-1] = 0
    numbers = [torch.tensor(each, dtype=torch.int32) for each in (list(sizes), shifts, periodic)]
    tensors = [torch.from_numpy(first.astype(np.int32)), torch.from_numpy(weight).float()]
    placed = [tensor.to(device).contiguous() for tensor in (*tensors, *numbers)]
    return Stencil(*placed, cells=math.prod(sizes))


def interpolated(stencil: Stencil, values: Tensor) -> Tensor:
    """Interpolate.

    Args:
        stencil: The nodes and weights.
        values: (batch, cells) complex64.

    Returns:
        (batch, m) complex64.
    """
    from inverse_inr.kernels.triton.gridding_kernels import interpolate_kernel

    pairs = torch.view_as_real(values.resolve_conj().contiguous())
    out = pairs.new_empty(len(values), len(stencil.first), 2)
    _launch(interpolate_kernel, stencil, pairs, out)
    return torch.view_as_complex(out)


def spread(stencil: Stencil, values: Tensor) -> Tensor:
    """Apply the transpose of `interpolated`.

    Args:
        stencil: The nodes and weights.
        values: (batch, m) complex64.

    Returns:
        (batch, cells) complex64.
    """
    from inverse_inr.kernels.triton.gridding_kernels import spread_kernel

    pairs = torch.view_as_real(values.resolve_conj().contiguous())
    out = pairs.new_zeros(len(values), stencil.cells, 2)
    _launch(spread_kernel, stencil, out, pairs)
    return torch.view_as_complex(out)


def _launch(kernel: Any, stencil: Stencil, array: Tensor, places: Tensor) -> None:
    m, d, width = stencil.weight.shape
    if m == 0 or len(array) == 0:
        return
    with on_device_of(array):
        kernel[((m + BLOCK - 1) // BLOCK, len(array))](
            array,
            stencil.first,
            stencil.weight,
            stencil.sizes,
            stencil.shifts,
            stencil.periodic,
            places,
            m,
            stencil.cells,
            d=d,
            width=width,
            BLOCK=BLOCK,
        )
