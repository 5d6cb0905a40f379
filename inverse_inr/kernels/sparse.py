"""Sparse matrices that are fast on a CPU: int32 CSR with the transpose built beforehand.

Measured at 20 M non-zeros: int64 indices cost 5.6 times as much, and torch's own backward (which
transposes on the fly) 170 times as much.
"""

from __future__ import annotations

from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn

from inverse_inr import memory
from inverse_inr.kernels import operations, registered
from inverse_inr.kernels.linear import with_adjoint

PARTS = ("crow", "col", "values")
"""The parts of a matrix in CSR form: where each row begins, columns, and values."""


class SparseMatrix(nn.Module):
    """A constant real sparse matrix, applied to dense arrays; it can be differentiated twice.

    Args:
        rows: (nonzeros,) row indices.
        columns: (nonzeros,) column indices. Entries at the same place are summed.
        values: (nonzeros,) real entries.
        shape: (m, n).
        dtype: The precision in which the entries are kept.

    Raises:
        ValueError: There are more non-zeros than int32 indices can count.
    """

    BYTES_PER_NONZERO = 16
    """Memory per non-zero: float32 value and int32 column, for the matrix and for its transpose."""

    shape: tuple[int, int]

    def __init__(
        self,
        rows: np.ndarray,
        columns: np.ndarray,
        values: np.ndarray,
        shape: tuple[int, int],
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        from scipy.sparse import csr_matrix

        self._hold(csr_matrix((values, (rows, columns)), shape=shape), dtype)

    @classmethod
    def of(cls, matrix, dtype: torch.dtype = torch.float32) -> SparseMatrix:
        """Make it of a scipy sparse matrix, e.g. in CSR form."""
        made = cls.__new__(cls)
        nn.Module.__init__(made)
        made._hold(matrix.tocsr(), dtype)
        return made

    def _hold(self, matrix, dtype: torch.dtype) -> None:
        self.shape = matrix.shape
        kept = 2 * matrix.nnz * (4 + dtype.itemsize) + 8 * sum(matrix.shape)
        memory.require(
            f"Sparse matrix of shape {matrix.shape} with {matrix.nnz} non-zeros, and its transpose",
            kept,
        )
        for name, part in (("matrix", matrix), ("transpose", matrix.T.tocsr())):
            for suffix, tensor in zip(PARTS, _csr_parts(part, dtype), strict=True):
                self.register_buffer(f"{name}_{suffix}", tensor, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """The product with a dense array, real or complex: (n,) -> (m,), or (n, k) -> (m, k)."""
        if x.ndim == 1:
            return self(x[:, None])[:, 0]
        if x.is_complex():
            parts = self(torch.view_as_real(x).flatten(1)).unflatten(1, (-1, 2))
            return torch.view_as_complex(parts.contiguous())
        if torch.compiler.is_compiling():
            return registered.sparse_product(*self._parts(), x)
        ahead, back = partial(self._times, "matrix"), partial(self._times, "transpose")
        return with_adjoint(ahead, back, columns=True)(x)

    def _parts(self) -> tuple[list[Tensor], list[Tensor]]:
        """The matrix and its transpose in CSR form."""
        matrix = [getattr(self, f"matrix_{suffix}") for suffix in PARTS]
        transpose = [getattr(self, f"transpose_{suffix}") for suffix in PARTS]
        return matrix, transpose

    def _times(self, name: str, x: Tensor) -> Tensor:
        # plain buffers can be copied, moved and sent to other processes; a CSR tensor cannot
        crow, column, values = (getattr(self, f"{name}_{suffix}") for suffix in PARTS)
        made = _MADE.setdefault(self, {})
        known, matrix = made.get((name, x.dtype), (None, None))
        if known is not values or matrix is None:
            shape = self.shape
            if name == "transpose":
                shape = (shape[1], shape[0])
            matrix = operations.csr(crow, column, values.to(x.dtype), shape)
            made[name, x.dtype] = (values, matrix)
        return matrix @ x


_MADE: WeakKeyDictionary[SparseMatrix, dict[Any, tuple[Tensor, Tensor]]] = WeakKeyDictionary()
"""The CSR tensors of the matrices in use: views of their buffers, known by the buffer of values."""


def _csr_parts(matrix, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Where rows begin, columns and values, as torch's CSR tensors want them."""
    if max(matrix.nnz, *matrix.shape) >= 2**31:
        raise ValueError(
            f"Sparse matrix of {matrix.nnz} non-zeros: int32 indices hold at most 2^31 - 1."
        )
    return (
        torch.from_numpy(matrix.indptr.astype(np.int32)),
        torch.from_numpy(matrix.indices.astype(np.int32)),
        torch.from_numpy(matrix.data).to(dtype),
    )
