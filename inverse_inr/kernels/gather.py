"""Weighted gather from a table, scatter into it, and dot with its rows.

The three bilinear maps are closed under differentiation:

    gather(T, i, w)[n]  = Σ_k w[n,k] T[i[n,k]]           dT = scatter(g, i, w)  dw = dot(g, T, i)
    scatter(g, i, w)[m] = Σ_{n,k: i[n,k]=m} w[n,k] g[n]  dg = gather(G, i, w)  dw = dot(g, G, i)
    dot(g, T, i)[n,k]   = g[n] · T[i[n,k]]               dg = gather(T, i, u)  dT = scatter(g, i, u)

Interpolation in grids and hash tables is a `gather`; because the set is closed, total variation of
such a field (a derivative with respect to w, differentiated again with respect to T) costs what it
must and no more. On a CPU this is 3 to 8 times faster than indexing under autograd.
"""

# pyright: reportIncompatibleMethodOverride=false
from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

Dims = tuple[int | None, ...]
"""For each argument of a vmap, its axis of signals, or None where all signals share it."""


def gather(table: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """Weighted sums of rows of a table.

    Args:
        table: (m, f).
        index: (n, k) int64 rows of the table.
        weight: (n, k).

    Returns:
        (n, f).
    """
    return _call(_Gather, table, index, weight)


def scatter(values: Tensor, index: Tensor, weight: Tensor, size: int) -> Tensor:
    """Add weighted values to rows of an empty table: the transpose of `gather`.

    Args:
        values: (n, f).
        index: (n, k) int64 rows of the table.
        weight: (n, k).
        size: The number of rows of the table.

    Returns:
        (size, f).
    """
    return _call(_Scatter, values, index, weight, size)


def dot(values: Tensor, table: Tensor, index: Tensor) -> Tensor:
    """Inner products of values with rows of a table.

    Args:
        values: (n, f).
        table: (m, f).
        index: (n, k) int64 rows of the table.

    Returns:
        (n, k).
    """
    return _call(_Dot, values, table, index)


def _call(function: type[torch.autograd.Function], *arguments: object) -> Tensor:
    result = function.apply(*arguments)
    assert isinstance(result, Tensor)
    return result


def _batched(info, dims: Dims, *arguments: Tensor) -> list[Tensor]:
    """Give every argument a leading axis of signals."""
    batched = []
    for x, axis in zip(arguments, dims, strict=True):
        if axis is None:
            batched.append(x.expand(info.batch_size, *x.shape))
        else:
            batched.append(x.movedim(axis, 0))
    return batched


def _shifted(index: Tensor, rows: int) -> Tensor:
    """Make (signals, n, k) indices, into one table each, (signals · n, k) of the stacked tables."""
    shift = rows * torch.arange(len(index), dtype=index.dtype, device=index.device)
    return (index + shift[:, None, None]).flatten(0, 1)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(table, index, weight):
        return torch.nn.functional.embedding_bag(
            index, table, mode="sum", per_sample_weights=weight
        )

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad):
        table, index, weight = ctx.saved_tensors
        of_table = of_weight = None
        if ctx.needs_input_grad[0]:
            of_table = scatter(grad, index, weight, len(table))
        if ctx.needs_input_grad[2]:
            of_weight = dot(grad, table, index)
        return of_table, None, of_weight

    @staticmethod
    def vmap(info, dims, table, index, weight):
        table, index, weight = _batched(info, dims, table, index, weight)
        values = gather(table.flatten(0, 1), _shifted(index, table.shape[1]), weight.flatten(0, 1))
        return values.unflatten(0, (info.batch_size, -1)), 0


class _Scatter(torch.autograd.Function):
    @staticmethod
    def forward(values, index, weight, size):
        return _scatter_add(values, index, weight, size)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs[:3])

    @staticmethod
    def backward(ctx, grad):
        values, index, weight = ctx.saved_tensors
        of_values = of_weight = None
        if ctx.needs_input_grad[0]:
            of_values = gather(grad, index, weight)
        if ctx.needs_input_grad[2]:
            of_weight = dot(values, grad, index)
        return of_values, None, of_weight, None

    @staticmethod
    def vmap(info, dims, values, index, weight, size):
        values, index, weight = _batched(info, dims[:3], values, index, weight)
        total = scatter(
            values.flatten(0, 1),
            _shifted(index, size),
            weight.flatten(0, 1),
            size * info.batch_size,
        )
        return total.unflatten(0, (info.batch_size, size)), 0


class _Dot(torch.autograd.Function):
    @staticmethod
    def forward(values, table, index):
        seen = _rows_of(table, index)
        if values.shape[-1] > 4:
            return torch.bmm(seen, values[..., None])[..., 0]
        total = seen[..., 0] * values[:, :1]
        for f in range(1, values.shape[-1]):  # for a few features bmm takes twice as long
            total += seen[..., f] * values[:, f, None]
        return total

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad):
        values, table, index = ctx.saved_tensors
        of_values = of_table = None
        if ctx.needs_input_grad[0]:
            of_values = gather(table, index, grad)
        if ctx.needs_input_grad[1]:
            of_table = scatter(values, index, grad, len(table))
        return of_values, of_table, None

    @staticmethod
    def vmap(info, dims, values, table, index):
        values, table, index = _batched(info, dims, values, table, index)
        products = dot(values.flatten(0, 1), table.flatten(0, 1), _shifted(index, table.shape[1]))
        return products.unflatten(0, (info.batch_size, -1)), 0


def _rows_of(table: Tensor, index: Tensor) -> Tensor:
    """table[index], (n, k, f), with two float32 features fetched as one float64.

    On a CPU that takes a quarter of the time of indexing.
    """
    flat = index.flatten()
    if table.dtype == torch.float32 and table.shape[1] == 2 and table.is_contiguous():
        wide = table.view(torch.float64)[:, 0].index_select(0, flat)
        return wide[:, None].view(torch.float32).unflatten(0, index.shape)
    return table.index_select(0, flat).unflatten(0, index.shape)


def _scatter_add(values: Tensor, index: Tensor, weight: Tensor, size: int) -> Tensor:
    """Scatter by scipy's CSC product on a CPU.

    There torch's index_add_ takes 25 times as long at 10^6 short rows.
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


def _numpy(x: Tensor) -> np.ndarray:
    return x.detach().contiguous().numpy()
