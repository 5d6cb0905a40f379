"""Gabor wavelet networks and their preset `wire`."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from inverse_inr.domain import Box
from inverse_inr.priors.activations import Activation, constant
from inverse_inr.priors.heads import HeadName
from inverse_inr.priors.preset import band, choose, coordinate_network, preset
from inverse_inr.priors.prior import Prior


def wave_packet(re: Tensor, im: Tensor, omega: Tensor, scaled: Tensor) -> Tensor:
    """exp(j omega z - scaled) of z = re + j im, as a pair."""
    envelope = torch.exp(-omega * im - scaled)
    phase = omega * re
    return torch.cat([envelope * torch.cos(phase), envelope * torch.sin(phase)], -1)


class GaborComplex(Activation):
    """exp(j omega z - |scale z|²) of a complex z (Saragadam et al. 2023, WIRE, eq. 4)."""

    is_complex = True

    def __init__(self, omega: float, scale: float) -> None:
        super().__init__()
        self.omega, self.scale = constant(omega), constant(scale)

    def forward(self, *z: Tensor) -> Tensor:
        re, im = z[0].chunk(2, -1)
        return wave_packet(re, im, self.omega, self.scale.square() * (re.square() + im.square()))


class GaborTwo(GaborComplex):
    """exp(j omega z - |scale z|² - |scale w|²): the envelope has an axis of its own (WIRE, two-dimensional variant)."""

    arity = 2

    def forward(self, *z: Tensor) -> Tensor:
        re, im = z[0].chunk(2, -1)
        across_re, across_im = z[1].chunk(2, -1)
        size = re.square() + im.square() + across_re.square() + across_im.square()
        return wave_packet(re, im, self.omega, self.scale.square() * size)


class GaborReal(Activation):
    """cos(omega z1) exp(-(scale z2)²) of two linear maps (WIRE's real variant)."""

    arity = 2

    def __init__(self, omega: float, scale: float) -> None:
        super().__init__()
        self.omega, self.scale = constant(omega), constant(scale)

    def forward(self, *z: Tensor) -> Tensor:
        return torch.cos(self.omega * z[0]) * torch.exp(-(self.scale * z[1]).square())


def wire_omega(b: float) -> float:
    """omega0 for b cycles per normalised unit, see `radial.PER_ROOT_CYCLE`: near 10 at 512 pixels, 5 at 128."""
    return 0.9 * math.sqrt(b)


WAVELETS = {"complex": (GaborComplex, math.sqrt(2)), "real": (GaborReal, math.sqrt(2)), "two": (GaborTwo, 2.0)}
"""Activation, and what the width is divided by so that the parameters stay equal."""


@preset
def wire(box: Box, channels: int = 1, bandwidth: float | None = None, *, omega0: float | None = None,
         scale0: float | None = None, variant: Literal["complex", "real", "two"] = "complex", width: int = 128,
         depth: int = 3, head: HeadName = "linear", seed: int = 0) -> Prior:  # fmt: skip
    """Gabor wavelet network (Saragadam et al. 2023): complex, real, or complex with a two-dimensional envelope.

    `width` is that of a real network of as many parameters: the layers have width / √2, and width / 2 where "two".
    """
    bandwidth, b = band(box, bandwidth)
    omega0 = wire_omega(b) if omega0 is None else omega0
    scale0 = omega0 if scale0 is None else scale0
    choose("wire", "variant", variant, tuple(WAVELETS))
    make, divisor = WAVELETS[variant]
    return coordinate_network(box, make(omega0, scale0), channels=channels, head=head, bandwidth=bandwidth,
                              width=round(width / divisor), depth=depth, seed=seed, learning_rate=5e-3)  # fmt: skip
