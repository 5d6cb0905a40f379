"""The operations of `operations` in torch's registry, where `torch.compile` finds them.

A compiler cannot look into numpy and scipy. What is registered with its shapes (its fake), its
derivative and its batched form is one node of the compiled graph, where it would be a break. Each
derivative is made of the same operations, so that any number of them can be taken, and
`torch.func.vjp` inside a compiled function too, by which total variation finds slopes there.

`torch.library.custom_op` makes derivatives that know no `torch.func` (torch 2.13). The operations
are registered one level below, with an autograd function for one level of derivatives at a time.
"""

# pyright: reportIncompatibleMethodOverride=false, reportArgumentType=false
# pyright: reportPrivateImportUsage=false
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch._functorch.autograd_function import enable_single_level_autograd_function
from torch.autograd.function import _SingleLevelFunction

from inverse_inr.kernels import operations

LIBRARY = torch.library.Library("inverse_inr", "FRAGMENT")
"""Keeps the operations registered while the process lives."""


def gather(table: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """Call the registered form of `gather.gather`, with its arguments."""
    return torch.ops.inverse_inr.gather.default(table, index, weight)


def scatter(values: Tensor, index: Tensor, weight: Tensor, size: int) -> Tensor:
    """Call the registered form of `gather.scatter`, with its arguments."""
    return torch.ops.inverse_inr.scatter.default(values, index, weight, size)


def dot(values: Tensor, table: Tensor, index: Tensor) -> Tensor:
    """Call the registered form of `gather.dot`, with its arguments."""
    return torch.ops.inverse_inr.dot.default(values, table, index)


def sparse_product(matrix: list[Tensor], transpose: list[Tensor], x: Tensor) -> Tensor:
    """Multiply a sparse matrix with a dense one.

    Args:
        matrix: Where rows begin, columns and values of the matrix (m, n) in CSR form.
        transpose: The same of its transpose, for the derivative.
        x: (n, k).

    Returns:
        (m, k).
    """
    return torch.ops.inverse_inr.sparse_product.default(*matrix, *transpose, x)


class _Function(_SingleLevelFunction):
    """One level of derivatives. What is below sees the levels outside, which go on recording."""

    operation: str

    @classmethod
    def below(cls, *inputs: Any) -> Tensor:
        operation = getattr(torch.ops.inverse_inr, cls.operation).default
        with torch.enable_grad(), torch._C._AutoDispatchBelowAutograd():
            return operation(*inputs)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:3])


class _Gather(_Function):
    operation = "gather"

    @staticmethod
    def forward(*inputs):
        return _Gather.below(*inputs)

    @staticmethod
    def backward(ctx, grad):
        table, index, weight = ctx.saved_tensors
        of_table = of_weight = None
        if ctx.needs_input_grad[0]:
            of_table = scatter(grad, index, weight, table.shape[0])
        if ctx.needs_input_grad[2]:
            of_weight = dot(grad, table, index)
        return of_table, None, of_weight


class _Scatter(_Function):
    operation = "scatter"

    @staticmethod
    def forward(*inputs):
        return _Scatter.below(*inputs)

    @staticmethod
    def backward(ctx, grad):
        values, index, weight = ctx.saved_tensors
        of_values = of_weight = None
        if ctx.needs_input_grad[0]:
            of_values = gather(grad, index, weight)
        if ctx.needs_input_grad[2]:
            of_weight = dot(values, grad, index)
        return of_values, None, of_weight, None


class _Dot(_Function):
    operation = "dot"

    @staticmethod
    def forward(*inputs):
        return _Dot.below(*inputs)

    @staticmethod
    def backward(ctx, grad):
        values, table, index = ctx.saved_tensors
        of_values = of_table = None
        if ctx.needs_input_grad[0]:
            of_values = gather(table, index, grad)
        if ctx.needs_input_grad[1]:
            of_table = scatter(values, index, grad, table.shape[0])
        return of_values, of_table, None


class _SparseProduct(_Function):
    operation = "sparse_product"

    @staticmethod
    def forward(*inputs):
        return _SparseProduct.below(*inputs)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs[:6])

    @staticmethod
    def backward(ctx, grad):
        parts = ctx.saved_tensors
        return (None,) * 6 + (sparse_product([*parts[3:]], [*parts[:3]], grad),)


# --- with a leading axis of signals, for torch.vmap -----------------------------------------------


def batched(info: Any, dims: tuple[int | None, ...], *arguments: Tensor) -> list[Tensor]:
    """Give every argument of an operation a leading axis of signals.

    Args:
        info: What vmap tells: the number of signals is `batch_size`.
        dims: For each argument its axis of signals, or None where all signals share it.
        arguments: The arguments.

    Returns:
        The arguments, (signals, ...) each.
    """
    found = []
    for x, axis in zip(arguments, dims, strict=True):
        if axis is None:
            found.append(x.expand(info.batch_size, *x.shape))
        else:
            found.append(x.movedim(axis, 0))
    return found


def shifted(index: Tensor, rows: int) -> Tensor:
    """Make indices into one table each those of the tables stacked.

    Args:
        index: (signals, n, k) rows of the tables.
        rows: The rows of one table.

    Returns:
        (signals · n, k) rows of the stacked tables.
    """
    shift = rows * torch.arange(len(index), dtype=index.dtype, device=index.device)
    return (index + shift[:, None, None]).flatten(0, 1)


def _gather_many(info, dims, table, index, weight):
    table, index, weight = batched(info, dims, table, index, weight)
    values = gather(table.flatten(0, 1), shifted(index, table.shape[1]), weight.flatten(0, 1))
    return values.unflatten(0, (info.batch_size, -1)), 0


def _scatter_many(info, dims, values, index, weight, size):
    values, index, weight = batched(info, dims[:3], values, index, weight)
    total = scatter(
        values.flatten(0, 1), shifted(index, size), weight.flatten(0, 1), size * info.batch_size
    )
    return total.unflatten(0, (info.batch_size, size)), 0


def _dot_many(info, dims, values, table, index):
    values, table, index = batched(info, dims, values, table, index)
    found = dot(values.flatten(0, 1), table.flatten(0, 1), shifted(index, table.shape[1]))
    return found.unflatten(0, (info.batch_size, -1)), 0


def _sparse_product_many(_, dims, *inputs):
    *parts, x = inputs
    columns = x.movedim(dims[-1], -1)  # (n, k, signals): more columns of the same product
    wide = sparse_product(parts[:3], parts[3:], columns.flatten(1))
    return wide.unflatten(1, columns.shape[1:]), 2


# --- the registry ---------------------------------------------------------------------------------


def _multiplied(crow, column, values, crow_of_transpose, *rest):
    shape = (len(crow) - 1, len(crow_of_transpose) - 1)
    return operations.csr(crow, column, values.to(rest[-1].dtype), shape) @ rest[-1]


def _register(
    function: type[_Function],
    signature: str,
    compute: Callable[..., Tensor],
    fake: Callable[..., Tensor],
    many: Callable[..., Any],
) -> None:
    name = function.operation

    def differentiable(*inputs: Any) -> Tensor:
        with enable_single_level_autograd_function():
            return function.apply(*inputs)  # pyright: ignore[reportAttributeAccessIssue]

    LIBRARY.define(name + signature, tags=(torch.Tag.pt2_compliant_tag,))
    LIBRARY.impl(name, compute, "CompositeExplicitAutograd")
    LIBRARY.impl(name, differentiable, "Autograd")
    torch.library.register_fake(f"inverse_inr::{name}", fake, lib=LIBRARY)
    torch.library.register_vmap(f"inverse_inr::{name}", many, lib=LIBRARY)


_register(
    _Gather,
    "(Tensor table, Tensor index, Tensor weight) -> Tensor",
    operations.gathered,
    lambda table, index, weight: table.new_empty(index.shape[0], table.shape[1]),
    _gather_many,
)
_register(
    _Scatter,
    "(Tensor values, Tensor index, Tensor weight, SymInt size) -> Tensor",
    operations.scattered,
    lambda values, index, weight, size: values.new_empty(size, values.shape[1]),
    _scatter_many,
)
_register(
    _Dot,
    "(Tensor values, Tensor table, Tensor index) -> Tensor",
    operations.products,
    lambda values, table, index: values.new_empty(index.shape),
    _dot_many,
)
_register(
    _SparseProduct,
    "(Tensor crow, Tensor column, Tensor values, Tensor crow_of_transpose, "
    "Tensor column_of_transpose, Tensor values_of_transpose, Tensor x) -> Tensor",
    _multiplied,
    lambda crow, *rest: rest[-1].new_empty(crow.shape[0] - 1, rest[-1].shape[1]),
    _sparse_product_many,
)
