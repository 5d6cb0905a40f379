"""Activations of compact spectrum and their presets `sinc`, `pin` and `raised_cosine`.

All are written as entire functions: no removable singularity is guarded by an epsilon.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from inverse_inr.domain import Box
from inverse_inr.priors.activations import Activation, constant
from inverse_inr.priors.heads import HeadName
from inverse_inr.priors.preset import band, coordinate_network, preset
from inverse_inr.priors.prior import Prior


def _in_pieces(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """An elementwise function of many operations, by pieces that stay in a CPU's cache: half the time or less."""
    return torch.cat([function(piece) for piece in x.reshape(-1).split(2**15)]).reshape(x.shape)


class _Bessel(torch.autograd.Function):
    """j_n(x) / xⁿ of real or complex x, j_n the spherical Bessel functions: entire, even, sin(x) / x for n = 0.

    Remembers x alone, since the derivative is -x times the next of the family (DLMF 10.51.2).
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, order: int) -> Tensor:
        return _in_pieces(lambda part: _bessel(part, order), x)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        x, ctx.order = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx, grad: Tensor):  # pyright: ignore[reportIncompatibleMethodOverride]
        (x,) = ctx.saved_tensors
        return -grad * (x * _Bessel.apply(x, ctx.order + 1)).conj(), None


def smooth_sinc(x: Tensor) -> Tensor:
    """sin(x) / x, real or complex, with derivatives that stay exact near 0 (torch.sinc's own lose all digits there)."""
    value = _Bessel.apply(x, 0)
    assert isinstance(value, Tensor)
    return value


def _bessel(x: Tensor, order: int) -> Tensor:
    """j_n(x) / xⁿ: the power series within reach; farther out, where it loses no more than a digit, the closed form."""
    reach = 1 + 0.5 * order
    if x.is_complex():
        return torch.where(x.abs() < reach, _series(x, order), _closed(x, order))
    if order == 0:
        return _closed(x.abs().clamp(min=1e-20), order)
    size = (
        x.abs()
    )  # one of two parts is constant: a CPU takes ten times as long to select as to clamp
    far, edge = _closed(size.clamp(min=reach), order), _closed(size.new_tensor(reach), order)
    return _series(size.clamp(max=reach), order).add_(far.sub_(edge))


def _series(x: Tensor, order: int) -> Tensor:
    square, total = x * x, torch.zeros_like(x)
    for k in reversed(range(11 if x.dtype in (torch.float64, torch.complex128) else 7)):
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
    sine, cosine, rise = torch.sin(x.real), torch.cos(x.real), torch.exp(x.imag)
    fall = 1 / rise
    even, odd = 0.5 * (rise + fall), 0.5 * (rise - fall)
    return torch.complex(sine * even, cosine * odd), torch.complex(cosine * even, -sine * odd)


def rolled_cosine(u: Tensor) -> Tensor:
    """cos(πu/2) / (1 - u²) without its removable singularity at u = ±1: two sincs, by partial fractions."""
    return math.pi / 4 * (smooth_sinc(math.pi / 2 * (1 - u)) + smooth_sinc(math.pi / 2 * (1 + u)))


class Sinc(Activation):
    """sin(omega z) / (omega z) (Saratchandran et al. 2024): its shifts are a Riesz basis of band-limited functions."""

    def __init__(self, omega: float) -> None:
        super().__init__()
        self.omega = constant(omega)

    def forward(self, *z: Tensor) -> Tensor:
        return smooth_sinc(self.omega * z[0])


class RaisedCosine(Activation):
    """sinc(πz/T) cos(πβz/T) / (1 - (2βz/T)²): the raised-cosine pulse of symbol length T and roll-off β, 1 at 0."""

    def __init__(self, period: float, rolloff: float) -> None:
        super().__init__()
        self.period, self.rolloff = constant(period), constant(rolloff)

    def forward(self, *z: Tensor) -> Tensor:
        t = z[0] / self.period
        return smooth_sinc(math.pi * t) * rolled_cosine(2 * self.rolloff * t)


class RootRaisedCosine(RaisedCosine):
    """The pulse whose square is a raised cosine's spectrum, 1 - β + 4β/π at 0 (an atom of MIRE's dictionary).

    Written as the integral of its spectrum, a flat part and two cosine flanks: no 0/0 at 0 and ±T/4β.
    """

    def forward(self, *z: Tensor) -> Tensor:
        t, beta, quarter = math.pi * z[0] / self.period, self.rolloff, math.pi / 4
        right = smooth_sinc(quarter + beta * t) * torch.cos(quarter + t)
        left = smooth_sinc(quarter - beta * t) * torch.cos(quarter - t)
        return (1 - beta) * smooth_sinc((1 - beta) * t) + beta * (left + right)


# --- prolate spheroidal wave functions --------------------------------------------------------------------------

REACH = 4.0
"""Up to |z| = REACH the extension is exact to 1e-6; farther out it stays bounded and of the same band."""


@functools.lru_cache(maxsize=16)
def prolate_expansion(c: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """ψ0(x) / ψ0(0) = Σ a_k cos(w_k x) for |x| <= REACH, every w_k <= c: amplitudes and frequencies.

    ψ0 is the eigenfunction of its own band-limited Fourier integral, ψ(x) = 1/μ ∫_{-1}^{1} exp(icxt) ψ(t) dt (Slepian &
    Pollak 1961), and the integral is taken by Gauss-Legendre: valid inside [-1, 1] and beyond it alike.
    """
    from scipy.special import pro_ang1

    nodes, weights = np.polynomial.legendre.leggauss(2 * math.ceil(c * REACH / 2 + 8))
    t, w = nodes[nodes > 0], weights[nodes > 0]
    amplitude = w * pro_ang1(0, 0, c, t)[0]
    amplitude /= amplitude.sum()  # 1 at 0
    return tuple(amplitude.tolist()), tuple((c * t).tolist())


class _CosineSum(torch.autograd.Function):
    """d^n/dx^n Σ a_k cos(w_k x): remembers x alone, not the terms; its derivative is the next of the family."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, terms: tuple[tuple[float, float], ...], order: int) -> Tensor:
        def added(x: Tensor) -> Tensor:
            total = torch.zeros_like(x)
            for a, w in terms:
                total.add_((w * x).add_(0.5 * math.pi * order).cos_(), alpha=a * w**order)
            return total

        return _in_pieces(added, x)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        x, ctx.terms, ctx.order = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx, grad: Tensor):  # pyright: ignore[reportIncompatibleMethodOverride]
        (x,) = ctx.saved_tensors
        return grad * _CosineSum.apply(x, ctx.terms, ctx.order + 1), None, None


class Prolate(Activation):
    """T ψ0(w z) + b, learnt by each layer; ψ0: prolate spheroidal wave function of bandwidth c, 1 at 0 (PIN)."""

    roles: ClassVar[dict[str, str]] = {"amplitude": "shape", "dilation": "shape", "offset": "shape"}

    def __init__(self, c: float, dilation: float) -> None:
        super().__init__()
        self.terms = tuple(zip(*prolate_expansion(c), strict=True))
        self.amplitude, self.dilation, self.offset = (
            constant(v, learnable=True) for v in (1.0, dilation, 0.0)
        )

    def forward(self, *z: Tensor) -> Tensor:
        value = _CosineSum.apply(self.dilation * z[0], self.terms, 0)
        assert isinstance(value, Tensor)
        return self.amplitude * value + self.offset


# --- presets ----------------------------------------------------------------------------------------------------

PER_ROOT_CYCLE = {"sinc": 2.1, "pin": 0.66, "raised_cosine": 0.67}
"""The native number (1/T for pulses) over √b; see `radial.PER_ROOT_CYCLE`."""


@preset
def sinc(
    box: Box,
    channels: int = 1,
    bandwidth: float | None = None,
    *,
    omega0: float | None = None,
    width: int = 128,
    depth: int = 4,
    head: HeadName = "linear",
    seed: int = 0,
) -> Prior:
    """A network of sin(omega0 z) / (omega0 z) (Saratchandran et al. 2024).

    `torch.sinc(8 z)` of published code is omega0 = 8π.
    """
    bandwidth, b = band(box, bandwidth)
    omega0 = PER_ROOT_CYCLE["sinc"] * math.sqrt(b) if omega0 is None else omega0
    return coordinate_network(
        box,
        Sinc(omega0),
        channels=channels,
        head=head,
        bandwidth=bandwidth,
        width=width,
        depth=depth,
        seed=seed,
        learning_rate=2e-3,
    )


@preset
def pin(
    box: Box,
    channels: int = 1,
    bandwidth: float | None = None,
    *,
    dilation: float | None = None,
    c: float = 5.0,
    width: int = 128,
    depth: int = 4,
    head: HeadName = "linear",
    seed: int = 0,
) -> Prior:
    """Prolate spheroidal wave functions T ψ0(w z) + b with T, w, b learnt by each layer (Raveendran et al. 2024, PIN).

    `c` is the bandwidth of ψ0, `dilation` where w starts. Beyond |w z| = 1 the function is continued by its own
    Fourier integral, so it stays smooth and band-limited; the paper leaves c and the continuation open.
    """
    bandwidth, b = band(box, bandwidth)
    dilation = PER_ROOT_CYCLE["pin"] * math.sqrt(b) if dilation is None else dilation
    return coordinate_network(
        box,
        Prolate(c, dilation),
        channels=channels,
        head=head,
        bandwidth=bandwidth,
        width=width,
        depth=depth,
        seed=seed,
        learning_rate=2e-3,
    )


@preset
def raised_cosine(
    box: Box,
    channels: int = 1,
    bandwidth: float | None = None,
    *,
    period: float | None = None,
    rolloff: float = 0.5,
    root: bool = False,
    width: int = 128,
    depth: int = 4,
    head: HeadName = "linear",
    seed: int = 0,
) -> Prior:
    """A network of raised-cosine pulses, sinc(z/T) cos(πβz/T) / (1 - (2βz/T)²); `root`: of root-raised-cosine ones."""
    bandwidth, b = band(box, bandwidth)
    period = 1 / (PER_ROOT_CYCLE["raised_cosine"] * math.sqrt(b)) if period is None else period
    activation = RootRaisedCosine(period, rolloff) if root else RaisedCosine(period, rolloff)
    return coordinate_network(
        box,
        activation,
        channels=channels,
        head=head,
        bandwidth=bandwidth,
        width=width,
        depth=depth,
        seed=seed,
        learning_rate=2e-3,
    )
