"""Gather, scatter, dot and sparse products as numbers alone: without derivatives.

`gather` and `sparse` give them derivatives in eager code, `registered` in compiled code.
"""

from __future__ import annotations

import warnings

import numpy as np
import torch
from torch import Tensor


def gathered(table: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """Compute `gather` without derivatives.

    Args:
        table: (m, f).
        index: (n, k) int64 or int32 rows of the table.
        weight: (n, k).

    Returns:
        (n, f).
    """
    return torch.nn.functional.embedding_bag(index, table, mode="sum", per_sample_weights=weight)


def scattered(values: Tensor, index: Tensor, weight: Tensor, size: int) -> Tensor:
    """Compute `scatter` without derivatives: by scipy's CSC product on a CPU.

    There torch's index_add_ takes 25 times as long at 10^6 short rows.

    Args:
        values: (n, f).
        index: (n, k) int64 or int32 rows of the table.
        weight: (n, k).
        size: The number of rows of the table.

    Returns:
        (size, f).
    """
    n, k = index.shape
    if values.device.type != "cpu":
        out = values.new_zeros(size, values.shape[1])
        return out.index_add_(
            0, index.reshape(-1), (weight[..., None] * values[:, None]).reshape(n * k, -1)
        )
    from scipy.sparse import csr_matrix

    ends = np.arange(0, n * k + 1, k, dtype=np.int32)
    matrix = csr_matrix(
        (_numpy(weight).reshape(-1), _numpy(index).reshape(-1), ends), shape=(n, size)
    )
    return torch.from_numpy(matrix.T @ _numpy(values))


def products(values: Tensor, table: Tensor, index: Tensor) -> Tensor:
    """Compute `dot` without derivatives.

    Args:
        values: (n, f).
        table: (m, f).
        index: (n, k) int64 or int32 rows of the table.

    Returns:
        (n, k).
    """
    seen = _rows_of(table, index)
    if values.shape[-1] > 4:
        return torch.bmm(seen, values[..., None])[..., 0]
    total = seen[..., 0] * values[:, :1]
    for f in range(1, values.shape[-1]):  # for a few features bmm takes twice as long
        total += seen[..., f] * values[:, f, None]
    return total


def csr(crow: Tensor, column: Tensor, values: Tensor, shape: tuple[int, int]) -> Tensor:
    """Make torch's CSR tensor of its parts, which it shares.

    Args:
        crow: (m + 1,) int32, where each row begins.
        column: (nonzeros,) int32.
        values: (nonzeros,).
        shape: (m, n).

    Returns:
        The sparse tensor.
    """
    with warnings.catch_warnings():
        # torch warns that its CSR tensors are in beta state; they do what we need
        warnings.filterwarnings("ignore", "Sparse CSR tensor support", UserWarning)
        return torch.sparse_csr_tensor(crow, column, values, shape, check_invariants=False)


def _rows_of(table: Tensor, index: Tensor) -> Tensor:
    """table[index], (n, k, f), with two float32 features fetched as one float64.

    On a CPU that takes a quarter of the time of indexing.
    """
    flat = index.flatten()
    if table.dtype == torch.float32 and table.shape[1] == 2 and table.is_contiguous():
        wide = table.view(torch.float64)[:, 0].index_select(0, flat)
        return wide[:, None].view(torch.float32).unflatten(0, index.shape)
    return table.index_select(0, flat).unflatten(0, index.shape)


def _numpy(x: Tensor) -> np.ndarray:
    return x.detach().contiguous().numpy()
