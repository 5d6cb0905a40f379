"""sin(x) / x and its kin as entire functions, with derivatives that stay exact near 0.

No removable singularity is guarded by an epsilon.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

PIECE = 2**15
"""Numbers to work on at once: a piece and its intermediate results stay in a CPU's cache."""


def in_pieces(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Apply an elementwise function of many operations piece by piece, in half the time or less.

    Args:
        function: Maps a tensor to one of the same shape, each number by itself.
        x: Any shape.

    Returns:
        function(x).
    """
    return torch.cat([function(piece) for piece in x.reshape(-1).split(PIECE)]).reshape(x.shape)


class _Bessel(torch.autograd.Function):
    """j_n(x) / xⁿ of real or complex x: entire, even, sin(x) / x for n = 0.

    j_n are the spherical Bessel functions. Only x is remembered, since the derivative is -x times
    the next function of the family (DLMF 10.51.2).
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, order: int) -> Tensor:
        return in_pieces(lambda part: _bessel(part, order), x)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        x, ctx.order = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx, grad: Tensor):  # pyright: ignore[reportIncompatibleMethodOverride]
        (x,) = ctx.saved_tensors
        return -grad * (x * _Bessel.apply(x, ctx.order + 1)).conj(), None


def smooth_sinc(x: Tensor) -> Tensor:
    """sin(x) / x, with derivatives that stay exact near 0, where torch.sinc's lose all digits.

    Args:
        x: Any shape, real or complex, in radians.

    Returns:
        The same shape; 1 at 0.
    """
    value = _Bessel.apply(x, 0)
    assert isinstance(value, Tensor)
    return value


def _bessel(x: Tensor, order: int) -> Tensor:
    """j_n(x) / xⁿ: the power series near 0, the closed form where it loses at most a digit."""
    reach = 1 + 0.5 * order
    if x.is_complex():
        return torch.where(x.abs() < reach, _series(x, order), _closed(x, order))
    if order == 0:
        return _closed(x.abs().clamp(min=1e-20), order)
    # series + closed - edge: one of the parts is constant. A CPU takes ten times as long to select
    # as to clamp.
    size = x.abs()
    far = _closed(size.clamp(min=reach), order)
    edge = _closed(size.new_tensor(reach), order)
    return _series(size.clamp(max=reach), order).add_(far.sub_(edge))


def _series(x: Tensor, order: int) -> Tensor:
    terms = 7
    if x.dtype in (torch.float64, torch.complex128):
        terms = 11
    square = x * x
    total = torch.zeros_like(x)
    for k in reversed(range(terms)):
        total.mul_(square).add_(
            (-0.5) ** k / (math.factorial(k) * math.prod(range(1, 2 * (order + k) + 2, 2)))
        )
    return total


def _closed(x: Tensor, order: int) -> Tensor:
    """sin(x) / x and upward recurrence (DLMF 10.51.1)."""
    value, before = _sine_and_cosine(x)
    value.div_(x)
    for n in range(order):
        before, value = value, ((2 * n + 1) * value).sub_(before).div_(x * x)
    return value


def _sine_and_cosine(x: Tensor) -> tuple[Tensor, Tensor]:
    """sin(x), cos(x); of complex numbers by real functions, which a CPU has in vector form."""
    if not x.is_complex():
        return torch.sin(x), torch.cos(x)
    sine = torch.sin(x.real)
    cosine = torch.cos(x.real)
    rise = torch.exp(x.imag)
    fall = 1 / rise
    even = 0.5 * (rise + fall)
    odd = 0.5 * (rise - fall)
    return torch.complex(sine * even, cosine * odd), torch.complex(cosine * even, -sine * odd)


def rolled_cosine(u: Tensor) -> Tensor:
    """cos(πu/2) / (1 - u²) without its removable singularity at u = ±1.

    It is the sum of two sincs, by partial fractions.

    Args:
        u: Any shape, real or complex.

    Returns:
        The same shape; 1 at 0.
    """
    return math.pi / 4 * (smooth_sinc(math.pi / 2 * (1 - u)) + smooth_sinc(math.pi / 2 * (1 + u)))
