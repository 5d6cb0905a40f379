"""Linear maps with a fast adjoint, known to autograd."""

# pyright: reportIncompatibleMethodOverride=false
from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

ArrayMap = Callable[[Tensor], Tensor]


class _Linear(torch.autograd.Function):
    """A linear map whose backward is its adjoint, and whose backward's backward is itself again."""

    @staticmethod
    def forward(x: Tensor, forward: ArrayMap, backward: ArrayMap) -> Tensor:
        return forward(x)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        ctx.maps = inputs[1:]

    @staticmethod
    def backward(ctx, grad: Tensor):
        forward, backward = ctx.maps
        return _Linear.apply(grad, backward, forward), None, None

    @staticmethod
    def jvp(ctx, tangent: Tensor, *_):
        forward, backward = ctx.maps
        return _Linear.apply(tangent, forward, backward)


def with_adjoint(forward: ArrayMap, backward: ArrayMap) -> ArrayMap:
    """A linear map with a fast adjoint: autograd, `adjoint` and dot tests all use `backward`.

    Differentiable any number of times. `backward` must be the conjugate transpose of `forward`.
    """

    def apply(x: Tensor) -> Tensor:
        result = _Linear.apply(x, forward, backward)
        assert isinstance(result, Tensor)
        return result

    return apply
