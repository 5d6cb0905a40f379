"""Linear maps with a fast adjoint, known to autograd."""

# pyright: reportIncompatibleMethodOverride=false
from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd import forward_ad

ArrayMap = Callable[[Tensor], Tensor]
"""A linear map of one tensor to another."""


class _Linear(torch.autograd.Function):
    """A linear map whose backward is its adjoint, and whose backward's backward is itself again."""

    @staticmethod
    def forward(x: Tensor, forward: ArrayMap, backward: ArrayMap, columns: bool) -> Tensor:
        return forward(x)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        ctx.maps = inputs[1:]

    @staticmethod
    def backward(ctx, grad: Tensor):
        forward, backward, columns = ctx.maps
        return _apply(grad, backward, forward, columns), None, None, None

    @staticmethod
    def jvp(ctx, tangent: Tensor, *_):
        return _apply(tangent, *ctx.maps)

    @staticmethod
    def vmap(info, dims, x: Tensor, *maps):
        if not maps[-1]:
            return torch.stack([_apply(one, *maps) for one in x.unbind(dims[0])]), 0
        wide = x.movedim(dims[0], -2)  # (..., signals, k): more columns of the same map
        found = _apply(wide.flatten(-2), *maps)
        return found.unflatten(-1, (info.batch_size, -1)), found.ndim - 1


def _apply(x: Tensor, forward: ArrayMap, backward: ArrayMap, columns: bool) -> Tensor:
    """Go through autograd only where it records: its bookkeeping costs as much as a small FFT."""
    if torch.compiler.is_compiling():
        return forward(x)  # a compiler takes the derivative of what it sees
    recorded = torch.is_grad_enabled() and x.requires_grad
    transformed = torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0
    if not (recorded or transformed):
        return forward(x)
    result = _Linear.apply(x, forward, backward, columns)
    assert isinstance(result, Tensor)
    return result


def largest_singular_value(normal: ArrayMap, start: Tensor, iterations: int = 30) -> float:
    """‖A‖ by power iterations on A*A.

    Args:
        normal: The map x -> A*A x.
        start: The first vector, of any size but zero.
        iterations: The number of power iterations.

    Returns:
        The largest singular value, from below; 0 where A maps the start to nothing.
    """
    x = start
    size = 0.0
    for _ in range(iterations):
        x = normal(x / torch.linalg.vector_norm(x))
        size = float(torch.linalg.vector_norm(x))
        if size == 0:
            break
    return math.sqrt(size)


def with_adjoint(forward: ArrayMap, backward: ArrayMap, *, columns: bool = False) -> ArrayMap:
    """Make a linear map with a fast adjoint: autograd, `adjoint` and dot tests all use `backward`.

    The map can be differentiated any number of times, and batched by `torch.func.vmap`.

    Args:
        forward: The linear map.
        backward: Its conjugate transpose.
        columns: Both take any number of columns, (..., k), and map each by itself. Then `vmap`
            makes one call with more columns, and not one call for each signal.
    """
    return lambda x: _apply(x, forward, backward, columns)
