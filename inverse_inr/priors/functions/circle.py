"""Complex numbers brought to modulus 1, with a derivative of few operations."""

# pyright: reportIncompatibleMethodOverride=false
from __future__ import annotations

import torch
from torch import Tensor

TINY = 1e-24
"""Added to |z|², so that 0 stays 0."""


class _OnCircle(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(re: Tensor, im: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return _formula(re, im)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        ctx.mark_non_differentiable(output[2])
        ctx.save_for_backward(*inputs, *output)

    @staticmethod
    def backward(ctx, grad_re: Tensor, grad_im: Tensor, _: Tensor):
        re, im, x, y, inverse = ctx.saved_tensors
        if torch.is_grad_enabled():
            x, y, inverse = _formula(re, im)
        along = torch.addcmul(x * grad_re, y, grad_im)
        return (grad_re - x * along) * inverse, (grad_im - y * along) * inverse


def _formula(re: Tensor, im: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    inverse = torch.addcmul(re * re, im, im).add(TINY).rsqrt()
    return re * inverse, im * inverse, inverse


def on_circle(re: Tensor, im: Tensor) -> tuple[Tensor, Tensor]:
    """Compute z / |z| of complex numbers in two parts.

    Args:
        re: Real parts, any shape.
        im: Imaginary parts, the same shape.

    Returns:
        Real and imaginary parts of modulus 1; 0 where z is 0.
    """
    if torch.compiler.is_compiling() or not torch.is_grad_enabled():
        return _formula(re, im)[:2]
    x, y, _ = _OnCircle.apply(re, im)  # pyright: ignore
    return x, y
