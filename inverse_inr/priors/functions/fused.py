"""Elementwise functions whose slope is found together with their value, in a CPU's cache.

A formula of many operations, each over a whole layer, takes most of its time to read and write
memory, and its derivative as much again. Here value and slope are made in one go, piece by piece.
"""

# pyright: reportIncompatibleMethodOverride=false
from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

PIECE = 2**18
"""Bytes to work on at once: a piece and its intermediate results stay in a CPU's cache."""

Formula = Callable[..., Tensor]
"""(x, *constants) -> f(x), each number by itself, differentiable any number of times."""

WithSlope = Callable[..., tuple[Tensor, Tensor]]
"""(x, *constants, differentiable) -> (f(x), f'(x)); quick and without derivatives, or with them."""


def in_pieces(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Apply an elementwise function of many operations piece by piece, in half the time or less.

    Args:
        function: Maps a tensor to one of the same shape, each number by itself.
        x: Any shape.

    Returns:
        function(x).
    """
    return torch.cat([function(piece) for piece in pieces(x)]).reshape(x.shape)


def pieces(x: Tensor) -> tuple[Tensor, ...]:
    """Split a tensor, laid flat, into pieces to work on at once.

    Args:
        x: Any shape.

    Returns:
        (n,) each.
    """
    return x.reshape(-1).split(PIECE // x.element_size())


def fused(formula: Formula, with_slope: WithSlope, x: Tensor, *constants: Tensor) -> Tensor:
    """Evaluate an elementwise function, real or holomorphic, and remember x and its slope.

    Derivatives by a constant that is learnt are the formula's own.

    Args:
        formula: The function.
        with_slope: The same together with its derivative.
        x: Any shape, real or complex.
        *constants: Scalars that both are told too.

    Returns:
        The same shape as x.
    """
    learnt = any(constant.requires_grad for constant in constants)
    if learnt or torch.compiler.is_compiling() or not (torch.is_grad_enabled() and x.requires_grad):
        return formula(x, *constants)
    return _Fused.apply(formula, with_slope, x, *constants)[0]  # pyright: ignore


class _Fused(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(
        formula: Formula, with_slope: WithSlope, x: Tensor, *constants: Tensor
    ) -> tuple[Tensor, Tensor]:
        parts = [with_slope(piece, *constants, differentiable=False) for piece in pieces(x)]
        value, slope = (torch.cat(part).reshape(x.shape) for part in zip(*parts, strict=True))
        return value, slope

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        _, ctx.with_slope, x, *constants = inputs
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(output[1], x, *constants)

    @staticmethod
    def backward(ctx, grad: Tensor, _: Tensor):
        slope, x, *constants = ctx.saved_tensors
        if torch.is_grad_enabled():
            slope = ctx.with_slope(x, *constants, differentiable=True)[1]
        return None, None, grad * slope.conj(), *(None for _ in constants)
