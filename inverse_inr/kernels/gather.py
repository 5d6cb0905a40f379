"""Weighted gather from a table, scatter into it, and dot with its rows.

The three bilinear maps are closed under differentiation:

    gather(T, i, w)[n]  = Σ_k w[n,k] T[i[n,k]]           dT = scatter(g, i, w)  dw = dot(g, T, i)
    scatter(g, i, w)[m] = Σ_{n,k: i[n,k]=m} w[n,k] g[n]  dg = gather(G, i, w)  dw = dot(g, G, i)
    dot(g, T, i)[n,k]   = g[n] · T[i[n,k]]               dg = gather(T, i, u)  dT = scatter(g, i, u)

Interpolation in grids and hash tables is a `gather`; because the set is closed, total variation of
such a field (a derivative with respect to w, differentiated again with respect to T) costs what it
must and no more. On a CPU this is 3 to 8 times faster than indexing under autograd.

In a compiled function they are the operations of `registered`, of the same values.
"""

# pyright: reportIncompatibleMethodOverride=false
from __future__ import annotations

import torch
from torch import Tensor

from inverse_inr.kernels import operations, registered
from inverse_inr.kernels.registered import batched, shifted


def gather(table: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """Weighted sums of rows of a table.

    Args:
        table: (m, f).
        index: (n, k) int64 rows of the table.
        weight: (n, k).

    Returns:
        (n, f).
    """
    if torch.compiler.is_compiling():
        return registered.gather(table, index, weight)
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
    if torch.compiler.is_compiling():
        return registered.scatter(values, index, weight, size)
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
    if torch.compiler.is_compiling():
        return registered.dot(values, table, index)
    return _call(_Dot, values, table, index)


def _call(function: type[torch.autograd.Function], *arguments: object) -> Tensor:
    result = function.apply(*arguments)
    assert isinstance(result, Tensor)
    return result


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(table, index, weight):
        return operations.gathered(table, index, weight)

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
        table, index, weight = batched(info, dims, table, index, weight)
        values = gather(table.flatten(0, 1), shifted(index, table.shape[1]), weight.flatten(0, 1))
        return values.unflatten(0, (info.batch_size, -1)), 0


class _Scatter(torch.autograd.Function):
    @staticmethod
    def forward(values, index, weight, size):
        return operations.scattered(values, index, weight, size)

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
        values, index, weight = batched(info, dims[:3], values, index, weight)
        total = scatter(
            values.flatten(0, 1),
            shifted(index, size),
            weight.flatten(0, 1),
            size * info.batch_size,
        )
        return total.unflatten(0, (info.batch_size, size)), 0


class _Dot(torch.autograd.Function):
    @staticmethod
    def forward(values, table, index):
        return operations.products(values, table, index)

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
        values, table, index = batched(info, dims, values, table, index)
        products = dot(values.flatten(0, 1), table.flatten(0, 1), shifted(index, table.shape[1]))
        return products.unflatten(0, (info.batch_size, -1)), 0
