"""The prolate spheroidal wave function ψ0 as a sum of cosines, on the whole axis."""

# pyright: reportIncompatibleMethodOverride=false
from __future__ import annotations

import functools
import math

import numpy as np
import torch
from torch import Tensor

from inverse_inr.priors.functions.fused import in_pieces, pieces

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


NEAR = 24.0
"""Radians up to which a sum of cosines is evaluated as a Chebyshev series."""


@functools.lru_cache(maxsize=64)
def _series(
    terms: tuple[tuple[float, float], ...], order: int, precision: float
) -> tuple[float, tuple[float, ...]]:
    """The Chebyshev series of the sum's derivative of this order, near 0.

    Args:
        terms: Pairs (a_k, w_k).
        order: The order of the derivative.
        precision: Rounding error of a number of size 1.

    Returns:
        The largest |x|, R, and the coefficients of T_j(2 x² / R² - 1); a derivative of odd order is
        x times their sum.
    """
    fastest = max(w for _, w in terms)
    reach = NEAR / fastest
    count = 64
    # Chebyshev points of the half-range in x²; none lies at 0
    u = np.cos(np.pi * (np.arange(count) + 0.5) / count)
    x = reach * np.sqrt((u + 1) / 2)
    value = sum(a * w**order * np.cos(w * x + 0.5 * np.pi * order) for a, w in terms)
    if order % 2:
        value = value / x
    coefficients = np.polynomial.chebyshev.chebfit(u, value, count - 1)
    small = np.abs(coefficients) <= 0.1 * precision * np.abs(coefficients).max()
    used = count - int(np.argmin(small[::-1]))
    return reach, tuple(coefficients[:used].tolist())


def _summed(x: Tensor, terms: tuple[tuple[float, float], ...], order: int) -> Tensor:
    """The terms of the sum's derivative, added one by one."""
    total = torch.zeros_like(x)
    for a, w in terms:
        total.add_((w * x).add_(0.5 * math.pi * order).cos_(), alpha=a * w**order)
    return total


def _near_and_far(x: Tensor, terms: tuple[tuple[float, float], ...], order: int) -> Tensor:
    """The same by Clenshaw's recurrence near 0, which needs no cosine; the terms beyond."""
    reach, coefficients = _series(terms, order, torch.finfo(x.dtype).eps)
    u = (x * (1 / reach)).square_().clamp_(max=1.0).mul_(2).sub_(1)
    # b_k = c_k + 2 u b_{k+1} - b_{k+2}, kept as σ_k b_k with σ = + + - - .. so that each step adds
    # to the number two before it in place
    ahead = torch.zeros_like(u)
    here = torch.full_like(u, coefficients[-1])
    sign, before = 1.0, 1.0
    for c in coefficients[-2:0:-1]:
        sign, before = -before, sign
        ahead.addcmul_(u, here, value=2 * sign * before).add_(sign * c)
        ahead, here = here, ahead
    total = ahead.mul_(-before).addcmul_(u, here, value=sign).add_(coefficients[0])
    if order % 2:
        total.mul_(x)
    far = (x.abs() > reach).nonzero()[:, 0]
    if len(far):
        total[far] = _summed(x[far], terms, order)
    return total


TABLE = 96.0
"""Radians up to which single precision reads the sum from a table."""
STEP = 0.08
"""Radians between the rows of the table: the largest, for steps are powers of 2 times x."""


@functools.lru_cache(maxsize=16)
def _table(terms: tuple[tuple[float, float], ...]) -> tuple[float, tuple[tuple[float, ...], ...]]:
    """Taylor coefficients of the sum at evenly spaced x.

    Args:
        terms: Pairs (a_k, w_k).

    Returns:
        The spacing h, a power of 2, so that x / h is exact; and a_n hⁿ for n = 0 to 4, each at
        x = -L h to L h.
    """
    fastest = max(w for _, w in terms)
    h = 2.0 ** math.floor(math.log2(STEP / fastest))
    last = math.floor(TABLE / fastest / h)
    x = h * np.arange(-last, last + 1)
    rows = []
    for n in range(5):
        value = np.zeros(len(x))
        for a, w in terms:
            value += a * (w * h) ** n / math.factorial(n) * np.cos(w * x + 0.5 * np.pi * n)
        rows.append(tuple(value.tolist()))
    return h, tuple(rows)


@functools.lru_cache(maxsize=16)
def _rows(terms: tuple[tuple[float, float], ...], device: torch.device) -> tuple[Tensor, ...]:
    with torch.inference_mode(False):  # they are remembered, and must serve training too
        return tuple(torch.tensor(row, device=device) for row in _table(terms)[1])


def _from_table(x: Tensor, terms: tuple[tuple[float, float], ...]) -> tuple[Tensor, Tensor]:
    """The sum and its derivative in single precision, (n,) each, to its rounding."""
    h, rows = _table(terms)[0], _rows(terms, x.device)
    last = (len(rows[0]) - 1) // 2
    reach = last * h
    low, high = x.aminmax()
    far, beyond = None, x
    if not (float(low) >= -reach and float(high) <= reach):  # or NaN
        far = (~(x.abs() <= reach)).nonzero()[:, 0]
        beyond = x[far]
        x = x.index_fill(0, far, 0.0)
    place = x * (1 / h)
    row = place.round()
    place -= row
    index = row.add_(last).int()
    c0, c1, c2, c3, c4 = (each.index_select(0, index) for each in rows)
    slope = (4 * c4).mul_(place).add_(c3, alpha=3).mul_(place).add_(c2, alpha=2)
    slope.mul_(place).add_(c1).mul_(1 / h)
    value = c4.mul_(place).add_(c3).mul_(place).add_(c2).mul_(place).add_(c1).mul_(place).add_(c0)
    if far is not None:
        value[far] = _summed(beyond, terms, 0)
        slope[far] = _summed(beyond, terms, 1)
    return value, slope


class _Tabulated(torch.autograd.Function):
    """The sum in single precision, whose slope is read from the table together with it."""

    @staticmethod
    def forward(x: Tensor, terms: tuple[tuple[float, float], ...]) -> tuple[Tensor, Tensor]:
        parts = [_from_table(piece, terms) for piece in pieces(x)]
        value, slope = (torch.cat(part).reshape(x.shape) for part in zip(*parts, strict=True))
        return value, slope

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        x, ctx.terms = inputs
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(output[1], x)

    @staticmethod
    def backward(ctx, grad: Tensor, _: Tensor):
        slope, x = ctx.saved_tensors
        if torch.is_grad_enabled():
            slope = _CosineSum.apply(x, ctx.terms, 1)
        return grad * slope, None

    @staticmethod
    def vmap(info, dims, x: Tensor, terms: tuple[tuple[float, float], ...]):
        # each number by itself: whichever axis the signals are on stays where it is
        return _Tabulated.apply(x, terms), (dims[0], dims[0])


class _CosineSum(torch.autograd.Function):
    """d^n/dx^n Σ a_k cos(w_k x), whose derivative is the next function of the family.

    Only x is remembered, not the terms.
    """

    @staticmethod
    def forward(x: Tensor, terms: tuple[tuple[float, float], ...], order: int) -> Tensor:
        if torch.compiler.is_compiling():
            return _summed(x, terms, order)  # a compiler takes no index that depends on values
        return in_pieces(lambda part: _near_and_far(part, terms, order), x)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        x, ctx.terms, ctx.order = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx, grad: Tensor):
        (x,) = ctx.saved_tensors
        return grad * _CosineSum.apply(x, ctx.terms, ctx.order + 1), None, None

    @staticmethod
    def vmap(info, dims, x: Tensor, terms: tuple[tuple[float, float], ...], order: int):
        # each number by itself: whichever axis the signals are on stays where it is
        return _CosineSum.apply(x, terms, order), dims[0]


def cosine_sum(x: Tensor, terms: tuple[tuple[float, float], ...]) -> Tensor:
    """Σ a_k cos(w_k x), differentiable any number of times.

    Args:
        x: Any shape, real.
        terms: Pairs (a_k, w_k).

    Returns:
        The same shape as x.
    """
    if x.dtype == torch.float32 and not torch.compiler.is_compiling():
        return _Tabulated.apply(x, terms)[0]  # pyright: ignore
    value = _CosineSum.apply(x, terms, 0)
    assert isinstance(value, Tensor)
    return value
