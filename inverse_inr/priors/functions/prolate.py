"""The prolate spheroidal wave function ψ0 as a sum of cosines, on the whole axis."""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
from torch import Tensor

from inverse_inr.priors.functions.sinc import in_pieces

REACH = 4.0
"""For |x| <= REACH the sum is exact to 1e-6; farther out it stays bounded and of the same band."""


@functools.lru_cache(maxsize=16)
def prolate_expansion(c: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Expand ψ0(x) / ψ0(0) = Σ a_k cos(w_k x) for |x| <= REACH, with every w_k <= c.

    ψ0 is the eigenfunction of its own band-limited Fourier integral, ψ(x) = 1/μ ∫_{-1}^{1}
    exp(icxt) ψ(t) dt. The integral is taken by Gauss-Legendre quadrature, and holds inside [-1, 1]
    and beyond it alike.

    Args:
        c: The bandwidth of ψ0, in radians per unit of x.

    Returns:
        (amplitudes, frequencies): the a_k, which add up to 1, and the w_k in radians per unit of x.

    Source:
        Slepian & Pollak 1961.
    """
    from scipy.special import pro_ang1

    nodes, weights = np.polynomial.legendre.leggauss(2 * math.ceil(c * REACH / 2 + 8))
    t, w = nodes[nodes > 0], weights[nodes > 0]
    amplitude = w * pro_ang1(0, 0, c, t)[0]
    amplitude /= amplitude.sum()  # 1 at 0
    return tuple(amplitude.tolist()), tuple((c * t).tolist())


class _CosineSum(torch.autograd.Function):
    """d^n/dx^n Σ a_k cos(w_k x), whose derivative is the next function of the family.

    Only x is remembered, not the terms.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, terms: tuple[tuple[float, float], ...], order: int) -> Tensor:
        def added(x: Tensor) -> Tensor:
            total = torch.zeros_like(x)
            for a, w in terms:
                total.add_((w * x).add_(0.5 * math.pi * order).cos_(), alpha=a * w**order)
            return total

        return in_pieces(added, x)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        x, ctx.terms, ctx.order = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx, grad: Tensor):  # pyright: ignore[reportIncompatibleMethodOverride]
        (x,) = ctx.saved_tensors
        return grad * _CosineSum.apply(x, ctx.terms, ctx.order + 1), None, None


def cosine_sum(x: Tensor, terms: tuple[tuple[float, float], ...]) -> Tensor:
    """Σ a_k cos(w_k x), differentiable any number of times.

    Args:
        x: Any shape, real.
        terms: Pairs (a_k, w_k).

    Returns:
        The same shape as x.
    """
    value = _CosineSum.apply(x, terms, 0)
    assert isinstance(value, Tensor)
    return value
