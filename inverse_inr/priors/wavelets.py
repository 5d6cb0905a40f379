"""Networks of Gabor wavelet activations and their preset `wire`."""

# pyright: reportIncompatibleMethodOverride=false
from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from inverse_inr.domain import Box
from inverse_inr.priors.activations import NOTHING, Activation, constant, decay
from inverse_inr.priors.heads import HeadName
from inverse_inr.priors.preset import Layers, Moderate, band, coordinate_network, preset
from inverse_inr.priors.prior import Prior
from inverse_inr.ranges import Count, Positive, Seed


class _WavePacket(torch.autograd.Function):
    """exp(j omega z - scale² |z|²) of pairs z, differentiable any number of times.

    The derivative is computed from the value, with half the memory traffic of autograd. omega and
    scale are constants.
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
            slope = torch.cat([omega * across + narrow * re, narrow * im - omega * along], -1)
            return slope, None, None
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
        ones = [1] * (z.ndim - 1)
        if dims[1] is not None:
            omega = omega.reshape(-1, *ones)
        if dims[2] is not None:
            scale = scale.reshape(-1, *ones)
        return wave_packet(z, omega, scale), 0


def wave_packet(z: Tensor, omega: Tensor, scale: Tensor) -> Tensor:
    """exp(j omega z - |scale z|²) of complex z, differentiable any number of times in z.

    Args:
        z: (*s, 2n) pairs, real parts first.
        omega: The frequency, in radians per unit of z; a constant.
        scale: The inverse width of the envelope; a constant.

    Returns:
        (*s, 2n) pairs.
    """
    value = _WavePacket.apply(z, omega, scale)
    assert isinstance(value, Tensor)
    return value


class GaborComplex(Activation):
    """exp(j omega z - |scale z|²) of a complex z.

    Args:
        omega: The frequency, in radians per unit of z.
        scale: The inverse width of the envelope.

    Source:
        Saragadam et al. 2023, WIRE, eq. 4.
    """

    is_complex = True

    def __init__(self, omega: float, scale: float) -> None:
        super().__init__()
        self.omega = constant(omega)
        self.scale = constant(scale)

    def forward(self, *z: Tensor) -> Tensor:
        return wave_packet(z[0], self.omega, self.scale)


class GaborTwo(GaborComplex):
    """exp(j omega z - |scale z|² - |scale w|²) of two linear maps z and w.

    The envelope has an axis of its own (WIRE's two-dimensional variant).
    """

    arity = 2

    def forward(self, *z: Tensor) -> Tensor:
        re, im = z[1].chunk(2, -1)
        across = decay(self.scale.square() * (re.square() + im.square()))
        return wave_packet(z[0], self.omega, self.scale) * torch.cat([across, across], -1)


class GaborReal(Activation):
    """cos(omega z1) exp(-(scale z2)²) of two linear maps (WIRE's real variant).

    Args:
        omega: The frequency, in radians per unit of z1.
        scale: The inverse width of the envelope.
    """

    arity = 2

    def __init__(self, omega: float, scale: float) -> None:
        super().__init__()
        self.omega = constant(omega)
        self.scale = constant(scale)

    def forward(self, *z: Tensor) -> Tensor:
        return torch.cos(self.omega * z[0]) * decay((self.scale * z[1]).square())


def wire_omega(b: float) -> float:
    """Give the omega0 of `wire`: near 10 at 512 pixels, 5 at 128 (see `radial.PER_ROOT_CYCLE`).

    Args:
        b: The bandwidth in cycles per normalised unit.

    Returns:
        omega0, in radians per unit of a layer's pre-activation.
    """
    return 0.9 * math.sqrt(b)


WAVELETS = {
    "complex": (GaborComplex, math.sqrt(2)),
    "real": (GaborReal, math.sqrt(2)),
    "two": (GaborTwo, 2.0),
}
"""For each variant its activation, and the divisor of the width that keeps the parameter count."""


@preset
def wire(
    box: Box,
    channels: Count = 1,
    bandwidth: Positive | None = None,
    *,
    omega0: Moderate | None = None,
    scale0: Moderate | None = None,
    variant: Literal["complex", "real", "two"] = "complex",
    width: Count = 128,
    depth: Layers = 3,
    head: HeadName = "linear",
    seed: Seed = 0,
) -> Prior:
    """Gabor wavelet network (Saragadam et al. 2023): complex, real, or with a 2-D envelope.

    Args:
        box: Where the field lives, in physical units.
        channels: Values of the field at each point.
        bandwidth: Highest frequency, in cycles per unit of the box's first axis; b is the same in
            cycles per normalised unit. None for the Nyquist frequency of 128 pixels along the
            longest side.
        omega0: The wavelets' frequency in every layer; None for 0.9 √b.
        scale0: The inverse width of their envelope; None for omega0.
        variant: "complex", "real", or "two": complex, and the envelope has an axis of its own.
        width: Features per hidden layer of a real network of as many parameters; the layers have
            width / √2, or width / 2 if "two".
        depth: Number of hidden layers.
        head: A name of `heads.HEADS`, or one name per channel.
        seed: Seed of the starting weights.

    Returns:
        The prior, untrained.

    Raises:
        ValueError: For an unknown variant.

    Source:
        Saragadam et al. 2023, WIRE.
    """
    bandwidth, b = band(box, bandwidth)
    if omega0 is None:
        omega0 = wire_omega(b)
    if scale0 is None:
        scale0 = omega0
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
