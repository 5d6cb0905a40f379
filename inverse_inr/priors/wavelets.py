"""Gabor wavelet networks and their preset `wire`."""

# pyright: reportIncompatibleMethodOverride=false
from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from inverse_inr.domain import Box
from inverse_inr.priors.activations import NOTHING, Activation, constant, decay
from inverse_inr.priors.heads import HeadName
from inverse_inr.priors.preset import band, choose, coordinate_network, preset
from inverse_inr.priors.prior import Prior


class _WavePacket(torch.autograd.Function):
    """exp(j omega z - scale² |z|²) of pairs z, with its derivative from the value: half the memory traffic of autograd.

    omega and scale are constants. Differentiable any number of times.
    """

    @staticmethod
    def forward(z: Tensor, omega: Tensor, scale: Tensor) -> Tensor:
        re, im = z.chunk(2, -1)
        envelope = (re * re).addcmul_(im, im).mul_(-scale.square()).addcmul_(im, -omega).exp_()
        torch.threshold_(envelope, NOTHING, 0.0)
        value = torch.empty_like(z)
        u, v = value.chunk(2, -1)
        v.copy_(re).mul_(omega)
        u.copy_(v).cos_().mul_(envelope)
        v.sin_().mul_(envelope)
        return value

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        ctx.save_for_backward(*inputs, output)

    @staticmethod
    def backward(ctx, grad: Tensor):
        z, omega, scale, value = ctx.saved_tensors
        (re, im), (u, v), (gu, gv) = z.chunk(2, -1), value.chunk(2, -1), grad.chunk(2, -1)
        if torch.is_grad_enabled():  # to be differentiated again
            along, across = gu * u + gv * v, gv * u - gu * v  # Re and Im of conj(f) g
            narrow = -2 * scale.square() * along
            return (
                torch.cat([omega * across + narrow * re, narrow * im - omega * along], -1),
                None,
                None,
            )
        result = torch.empty_like(z)  # the same, in place
        across, along = result.chunk(2, -1)
        across.copy_(gv).mul_(u).addcmul_(gu, v, value=-1)
        along.copy_(gu).mul_(u).addcmul_(gv, v)
        narrow = along * (-2 * scale.square())
        across.mul_(omega).addcmul_(narrow, re)
        along.mul_(-omega).addcmul_(narrow, im)
        return result, None, None

    @staticmethod
    def vmap(info, dims, z: Tensor, omega: Tensor, scale: Tensor):
        """Pointwise: signals are one more axis, and their numbers are spread along the others."""
        z = z.expand(info.batch_size, *z.shape) if dims[0] is None else z.movedim(dims[0], 0)
        spread = [
            c if d is None else c.reshape(-1, *[1] * (z.ndim - 1))
            for c, d in zip((omega, scale), dims[1:], strict=True)
        ]
        return wave_packet(z, *spread), 0


def wave_packet(z: Tensor, omega: Tensor, scale: Tensor) -> Tensor:
    """exp(j omega z - |scale z|²) of complex z, all as pairs."""
    value = _WavePacket.apply(z, omega, scale)
    assert isinstance(value, Tensor)
    return value


class GaborComplex(Activation):
    """exp(j omega z - |scale z|²) of a complex z (Saragadam et al. 2023, WIRE, eq. 4)."""

    is_complex = True

    def __init__(self, omega: float, scale: float) -> None:
        super().__init__()
        self.omega, self.scale = constant(omega), constant(scale)

    def forward(self, *z: Tensor) -> Tensor:
        return wave_packet(z[0], self.omega, self.scale)


class GaborTwo(GaborComplex):
    """exp(j omega z - |scale z|² - |scale w|²): the envelope has an axis of its own (WIRE, two-dimensional variant)."""

    arity = 2

    def forward(self, *z: Tensor) -> Tensor:
        re, im = z[1].chunk(2, -1)
        across = decay(self.scale.square() * (re.square() + im.square()))
        return wave_packet(z[0], self.omega, self.scale) * torch.cat([across, across], -1)


class GaborReal(Activation):
    """cos(omega z1) exp(-(scale z2)²) of two linear maps (WIRE's real variant)."""

    arity = 2

    def __init__(self, omega: float, scale: float) -> None:
        super().__init__()
        self.omega, self.scale = constant(omega), constant(scale)

    def forward(self, *z: Tensor) -> Tensor:
        return torch.cos(self.omega * z[0]) * decay((self.scale * z[1]).square())


def wire_omega(b: float) -> float:
    """omega0 for b cycles per normalised unit, see `radial.PER_ROOT_CYCLE`: near 10 at 512 pixels, 5 at 128."""
    return 0.9 * math.sqrt(b)


WAVELETS = {
    "complex": (GaborComplex, math.sqrt(2)),
    "real": (GaborReal, math.sqrt(2)),
    "two": (GaborTwo, 2.0),
}
"""Activation, and what the width is divided by so that the parameters stay equal."""


@preset
def wire(
    box: Box,
    channels: int = 1,
    bandwidth: float | None = None,
    *,
    omega0: float | None = None,
    scale0: float | None = None,
    variant: Literal["complex", "real", "two"] = "complex",
    width: int = 128,
    depth: int = 3,
    head: HeadName = "linear",
    seed: int = 0,
) -> Prior:
    """Gabor wavelet network (Saragadam et al. 2023): complex, real, or complex with a two-dimensional envelope.

    `width` is that of a real network of as many parameters: the layers have width / √2, and width / 2 where "two".
    """
    bandwidth, b = band(box, bandwidth)
    omega0 = wire_omega(b) if omega0 is None else omega0
    scale0 = omega0 if scale0 is None else scale0
    choose("wire", "variant", variant, tuple(WAVELETS))
    make, divisor = WAVELETS[variant]
    return coordinate_network(
        box,
        make(omega0, scale0),
        channels=channels,
        head=head,
        bandwidth=bandwidth,
        width=round(width / divisor),
        depth=depth,
        seed=seed,
        learning_rate=5e-3,
    )
