"""Interpolation in a periodic spectrum: by kernels on a CUDA device, by a sparse matrix elsewhere.

Each place sees J nodes along each axis. The matrix holds the J^d products of their weights, and its
transpose; the kernels make them on the fly from the J d weights that are kept in either case.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from inverse_inr.kernels.linear import with_adjoint
from inverse_inr.kernels.sparse import SparseMatrix
from inverse_inr.kernels.triton import gridding
from inverse_inr.kernels.triton.available import device_with_kernels, usable


class SpectrumInterpolation(nn.Module):
    """The linear map from a spectrum's samples to its values at m places.

    It keeps a matrix, except where it was moved to a CUDA device in float32 and triton is
    installed. A matrix is made there only when the kernels may not be used: for double precision,
    under `torch.func` and with torch's deterministic algorithms. On a machine with such a device
    none is made on the CPU either before it is needed, because the map may yet be moved.

    Args:
        first: (m, d) first node along each axis, which may lie outside the spectrum.
        weight: (m, d, J) weights of the J nodes along each axis.
        padded: (d,) samples of the whole periodic spectrum.
        half: Whether the last axis holds the half from zero to Nyquist, with J // 2 more columns
            at both ends.
        dtype: The precision of the weights.
    """

    def __init__(
        self,
        first: np.ndarray,
        weight: np.ndarray,
        padded: Sequence[int],
        half: bool,
        dtype: torch.dtype,
    ) -> None:
        super().__init__()
        self.half_spectrum = half
        self.sizes = list(padded)
        if half:
            self.sizes[-1] = padded[-1] // 2 + 1 + 2 * (weight.shape[2] // 2)
        made = gridding.stencil(first, weight, self.sizes, half, torch.device("cpu"))
        self.first = nn.Buffer(made.first, persistent=False)
        self.weight = nn.Buffer(torch.from_numpy(weight).to(dtype), persistent=False)
        self.axis_sizes = nn.Buffer(made.sizes, persistent=False)
        self.shifts = nn.Buffer(made.shifts, persistent=False)
        self.periodic = nn.Buffer(made.periodic, persistent=False)
        self.matrix: SparseMatrix | None = None
        if not device_with_kernels():
            self.matrix = self._made(first, weight)

    def forward(self, values: Tensor) -> Tensor:
        """Interpolate.

        Args:
            values: (batch, cells) complex samples, flattened.

        Returns:
            (batch, m) complex values.
        """
        if self._by_kernels() and values.dtype == torch.complex64:
            stencil = self._stencil()
            return with_adjoint(
                partial(gridding.interpolated, stencil), partial(gridding.spread, stencil)
            )(values)
        if self.matrix is None:
            if torch.compiler.is_compiling():  # no matrix can be made in a graph
                return self._gathered(values)
            self.matrix = self._made_here()
        return self.matrix(values.T).T

    def _by_kernels(self) -> bool:
        return self.weight.dtype == torch.float32 and usable(self.weight)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        """Move it; the matrix stays behind where kernels take its place."""
        matrix = self.matrix
        self.matrix = None
        super()._apply(fn, recurse)
        if self._by_kernels():
            return self
        if matrix is not None:
            self.matrix = matrix._apply(fn)
        elif not device_with_kernels():
            self.matrix = self._made_here()
        return self

    def _stencil(self) -> gridding.Stencil:
        return gridding.Stencil(
            self.first,
            self.weight,
            self.axis_sizes,
            self.shifts,
            self.periodic,
            math.prod(self.sizes),
        )

    def _gathered(self, values: Tensor) -> Tensor:
        """The same in operations that a compiler fuses: nothing of m J^d numbers is kept."""
        index, weight = self._products(self.first.long(), self.weight)
        pairs = torch.view_as_real(values)[:, index]  # (batch, m, J^d, 2)
        return torch.view_as_complex((pairs * weight[..., None].to(pairs.dtype)).sum(2))

    def _products(self, first: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Cells of the flattened spectrum and weights of the J^d nodes of each place, (m, J^d)."""
        m, d, width = weight.shape
        index = first.new_zeros(m, 1)
        value = weight.new_ones(m, 1)
        for axis, size in enumerate(self.sizes):
            node = first[:, axis, None] + torch.arange(width, device=first.device)
            if self.half_spectrum and axis == d - 1:
                # only nodes of weight zero are clamped
                node = (node + width // 2).clamp(0, size - 1)
            index = (index[:, :, None] * size + (node % size)[:, None, :]).flatten(1)
            value = (value[:, :, None] * weight[:, axis, None, :]).flatten(1)
        return index, value

    def _made_here(self) -> SparseMatrix:
        """The matrix of the nodes and weights as they are kept, on their device."""
        first, weight = (tensor.cpu().numpy() for tensor in (self.first, self.weight))
        return self._made(first, weight).to(self.weight.device)

    def _made(self, first: np.ndarray, weight: np.ndarray) -> SparseMatrix:
        index, value = self._products(
            torch.from_numpy(first.astype(np.int64)), torch.from_numpy(weight)
        )
        m, nodes = index.shape
        rows = np.repeat(np.arange(m), nodes)
        shape = (m, math.prod(self.sizes))
        dtype = self.weight.dtype
        return SparseMatrix(rows, index.numpy().ravel(), value.numpy().ravel(), shape, dtype)
