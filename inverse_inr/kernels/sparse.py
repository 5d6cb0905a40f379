"""Sparse matrices that are fast on a CPU: int32 CSR with the transpose built beforehand.

Measured at 20 M non-zeros: int64 indices cost 5.6 times as much, and torch's own backward (which
transposes on the fly) 170 times as much.
"""

from __future__ import annotations

import warnings

import numpy as np
import torch
from torch import Tensor, nn

from inverse_inr import memory
from inverse_inr.kernels.linear import with_adjoint


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
        self.matrix = nn.Buffer(_torch_csr(matrix, dtype), persistent=False)
        self.transpose = nn.Buffer(_torch_csr(matrix.T.tocsr(), dtype), persistent=False)

    def __deepcopy__(self, memo: dict[int, object]) -> SparseMatrix:
        # torch cannot deep-copy a CSR tensor, only clone it
        copy = SparseMatrix.__new__(SparseMatrix)
        nn.Module.__init__(copy)
        copy.shape = self.shape
        for name, tensor in (("matrix", self.matrix), ("transpose", self.transpose)):
            copy.register_buffer(name, tensor.clone(), persistent=False)
        memo[id(self)] = copy
        return copy

    def forward(self, x: Tensor) -> Tensor:
        """The product with a dense array, real or complex: (n,) -> (m,), or (n, k) -> (m, k)."""
        if x.ndim == 1:
            return self(x[:, None])[:, 0]
        if x.is_complex():
            parts = self(torch.view_as_real(x).flatten(1)).unflatten(1, (-1, 2))
            return torch.view_as_complex(parts.contiguous())
        matrix = self.matrix
        transpose = self.transpose
        if x.dtype != matrix.dtype:
            matrix = matrix.to(x.dtype)
            transpose = transpose.to(x.dtype)
        return with_adjoint(lambda v: matrix @ v, lambda v: transpose @ v)(x)


def _torch_csr(matrix, dtype: torch.dtype) -> Tensor:
    if max(matrix.nnz, *matrix.shape) >= 2**31:
        raise ValueError(
            f"Sparse matrix of {matrix.nnz} non-zeros: int32 indices hold at most 2^31 - 1."
        )
    with warnings.catch_warnings():
        # torch warns that its CSR tensors are in beta state; they do what we need
        warnings.filterwarnings("ignore", "Sparse CSR tensor support", UserWarning)
        return torch.sparse_csr_tensor(
            torch.from_numpy(matrix.indptr.astype(np.int32)),
            torch.from_numpy(matrix.indices.astype(np.int32)),
            torch.from_numpy(matrix.data).to(dtype),
            size=matrix.shape,
            check_invariants=False,
        )
