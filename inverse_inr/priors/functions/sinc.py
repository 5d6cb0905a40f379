"""sin(x) / x and its kin as entire functions, with derivatives that stay exact near 0.

No removable singularity is guarded by an epsilon.
"""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor

from inverse_inr.priors.functions.fused import fused, in_pieces

TINY = 1e-18
"""The least |x| whose sine is divided by it; at smaller ones sin(x) / x is 1 to rounding."""

Pair = tuple[Tensor, Tensor]
"""Real and imaginary parts: complex functions take a CPU three to ten times as long."""


class _Bessel(torch.autograd.Function):
    """j_n(x) / xⁿ of real or complex x: entire, even, sin(x) / x for n = 0.

    j_n are the spherical Bessel functions. Only x is remembered, since the derivative is -x times
    the next function of the family (DLMF 10.51.2).
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, order: int) -> Tensor:
        return in_pieces(lambda part: _first(part, order)[-1], x)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        x, ctx.order = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx, grad: Tensor):  # pyright: ignore[reportIncompatibleMethodOverride]
        (x,) = ctx.saved_tensors
        return -grad * (x * _bessel(x, ctx.order + 1)).conj(), None


def smooth_sinc(x: Tensor) -> Tensor:
    """sin(x) / x, with derivatives that stay exact near 0, where torch.sinc's lose all digits.

    Args:
        x: Any shape, real or complex, in radians.

    Returns:
        The same shape; 1 at 0.
    """
    return fused(_sinc, _sinc_with_slope, x)


def raised_cosine(t: Tensor, rolloff: Tensor) -> Tensor:
    """sin(πt) / (πt) cos(πβt) / (1 - (2βt)²), the raised-cosine pulse.

    Args:
        t: Any shape, real or complex, in symbol lengths.
        rolloff: β, a scalar.

    Returns:
        The same shape; 1 at 0.
    """
    return fused(_pulse, _pulse_with_slope, t, rolloff)


def _bessel(x: Tensor, order: int) -> Tensor:
    value = _Bessel.apply(x, order)
    assert isinstance(value, Tensor)
    return value


def _sinc(x: Tensor) -> Tensor:
    return _bessel(x, 0)


def _sinc_with_slope(x: Tensor, *, differentiable: bool) -> Pair:
    if differentiable:
        return _sinc(x), -x * _bessel(x, 1)
    value, ratio = _first(x, 1)
    return value, ratio.mul_(x).neg_()


def _pulse(t: Tensor, rolloff: Tensor) -> Tensor:
    # cos(πu/2) / (1 - u²) is even, and π/2 sinc(π/2 (1 - u)) / (1 + u) on the side of u = 1
    u = 2 * rolloff * _side(t) * t
    return _sinc(math.pi * t) * _sinc(math.pi / 2 * (1 - u)) / (2 / math.pi * (1 + u))


def _pulse_with_slope(t: Tensor, rolloff: Tensor, *, differentiable: bool) -> Pair:
    if t.is_complex() and t.device.type == "cpu" and not differentiable and _is_near(t):
        return _pulse_near(t, float(rolloff))
    per_t = 2 * rolloff * _side(t)
    u = per_t * t
    sinc, sinc_slope = _sinc_with_slope(math.pi * t, differentiable=differentiable)
    rolled, slope = _sinc_with_slope(math.pi / 2 * (1 - u), differentiable=differentiable)
    scale = (math.pi / 2) / (1 + u)
    per_u = scale * (-math.pi / 2 * slope - rolled / (1 + u))
    rolled = scale * rolled
    return sinc * rolled, math.pi * sinc_slope * rolled + sinc * (per_t * per_u)


def _is_near(t: Tensor) -> bool:
    """Whether no |t| exceeds 1, where the pulse is its power series; a transform cannot tell."""
    if torch._C._are_functorch_transforms_active():
        return False
    return bool(torch.view_as_real(t).square().sum(-1).amax() <= 1)


def _pulse_near(t: Tensor, rolloff: float) -> Pair:
    """The pulse and its slope at complex |t| <= 1, which take no sine."""
    terms, slopes = _pulse_coefficients(rolloff, torch.finfo(t.dtype).eps)
    re, im = t.real.contiguous(), t.imag.contiguous()
    square = re * re - im * im, 2 * re * im
    value = _complex_series(*square, terms)
    slope = _product((re, im), _complex_series(*square, slopes))
    return torch.complex(*value), torch.complex(*slope)


@functools.lru_cache(maxsize=32)
def _pulse_coefficients(
    rolloff: float, precision: float
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Power series of the pulse, in t², and of its slope over t, exact to rounding for |t| <= 1."""
    count = 32
    # cos(πu/2) / (1 - u²): a partial sum of the cosine's series, which is minus the rest of it
    cosine = [(-1) ** k * (math.pi / 2) ** (2 * k) / math.factorial(2 * k) for k in range(64)]
    rolled = [-sum(cosine[k + 1 :]) * (2 * rolloff) ** (2 * k) for k in range(count)]
    sinc = [(-1) ** k * math.pi ** (2 * k) / math.factorial(2 * k + 1) for k in range(count)]
    terms = [sum(sinc[j] * rolled[k - j] for j in range(k + 1)) for k in range(count)]
    used = max(k for k in range(count) if 2 * k * abs(terms[k]) > 0.1 * precision)
    slopes = [2 * k * terms[k] for k in range(1, used + 1)]
    return tuple(terms[: used + 1]), tuple(slopes)


def _side(u: Tensor) -> Tensor:
    """1 where the real part is positive or 0, otherwise -1; a constant."""
    u = u.detach()
    if u.is_complex():
        u = u.real
    return torch.ones_like(u).copysign(u)


def _first(x: Tensor, last: int) -> list[Tensor]:
    """j_n(x) / xⁿ for n = 0 to `last`: power series near 0, upward recurrence beyond.

    The recurrence (DLMF 10.51.1) is taken where it loses at most a digit.
    """
    if x.is_complex():
        parts = x.real.contiguous(), x.imag.contiguous()
        return [torch.complex(*value) for value in _first_pairs(*parts, last)]
    size = x.abs().clamp(min=TINY)
    found = [torch.sin(size).div_(size)]
    if last == 0:
        return found
    before = torch.cos(size)
    square = size * size
    for n in range(1, last + 1):
        limit = _limit(n)
        far = ((2 * n - 1) * found[-1]).sub_(before).div_(square.clamp(min=limit))
        series = _series(square.clamp(max=limit), _coefficients(n, torch.finfo(x.dtype).eps))
        before = found[-1]
        found.append(_either(limit - square, series, far))
    return found


def _first_pairs(re: Tensor, im: Tensor, last: int) -> list[Pair]:
    """The same of complex x by real numbers."""
    re = re.abs().clamp(min=TINY).copysign(re)
    sine, cosine = torch.sin(re), torch.cos(re)
    rise, fall = torch.cosh(im), torch.sinh(im)
    size = re * re + im * im
    square = re * re - im * im, 2 * re * im
    found = [_product((sine * rise, cosine * fall), (re / size, -im / size))]
    before = cosine * rise, -sine * fall
    for n in range(1, last + 1):
        limit = _limit(n)
        away = size.clamp(min=limit)
        lifted = [(2 * n - 1) * v - b for v, b in zip(found[-1], before, strict=True)]
        inverse = [v / (away * away) for v in square]
        far = _product((lifted[0], lifted[1]), (inverse[0], -inverse[1]))
        near = [v * (limit / away) for v in square]
        terms = _coefficients(n, torch.finfo(re.dtype).eps)
        series = _complex_series(near[0], near[1], terms)
        before = found[-1]
        value = [_either(limit - size, s, f) for s, f in zip(series, far, strict=True)]
        found.append((value[0], value[1]))
    return found


def _limit(order: int) -> float:
    """|x|² below which j_n(x) / xⁿ is the power series."""
    return (1 + 0.5 * order) ** 2


@functools.lru_cache(maxsize=32)
def _coefficients(order: int, precision: float) -> tuple[float, ...]:
    """The power series of j_n(x) / xⁿ in x², exact to rounding below the limit."""
    terms = [1 / math.prod(range(1, 2 * order + 2, 2))]
    while abs(terms[-1]) * _limit(order) ** (len(terms) - 1) > 0.1 * precision * terms[0]:
        k = len(terms)
        terms.append(terms[-1] * -0.5 / (k * (2 * (order + k) + 1)))
    return tuple(terms)


def _series(x: Tensor, terms: tuple[float, ...]) -> Tensor:
    """Σ_k terms[k] xᵏ by Horner's rule."""
    total = x * terms[-1]
    for c in terms[-2:0:-1]:
        total.add_(c).mul_(x)
    return total.add_(terms[0])


def _complex_series(re: Tensor, im: Tensor, terms: tuple[float, ...]) -> Pair:
    """Σ_k terms[k] xᵏ at re + i im, by Goertzel's recurrence in real numbers."""
    minus_size = -(re * re) - im * im
    twice = 2 * re
    ahead, here = torch.zeros_like(re), torch.full_like(re, terms[-1])
    for c in terms[-2:0:-1]:
        # no addcmul_ in place: vmap knows none
        ahead, here = here, torch.addcmul(ahead.mul_(minus_size), twice, here).add_(c)
    return torch.addcmul(re * here, minus_size, ahead).add_(terms[0]), im * here


def _product(a: Pair, b: Pair) -> Pair:
    return a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]


def _either(sign: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Take a where `sign` is positive, else b; `torch.where` takes a CPU ten times as long."""
    first = sign.sign().clamp(min=0)
    return first * a + (1 - first) * b
