"""Activations of compact spectrum and their presets `sinc`, `pin` and `raised_cosine`.

All are entire functions (`functions/`): no removable singularity is guarded by an epsilon.
"""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from inverse_inr.domain import Box
from inverse_inr.priors.activations import Activation, constant
from inverse_inr.priors.functions.prolate import cosine_sum, prolate_expansion
from inverse_inr.priors.functions.sinc import raised_cosine as raised_cosine_pulse
from inverse_inr.priors.functions.sinc import smooth_sinc
from inverse_inr.priors.heads import HeadName
from inverse_inr.priors.preset import Layers, Moderate, band, coordinate_network, preset
from inverse_inr.priors.prior import Prior
from inverse_inr.ranges import Count, Positive, PositiveFraction, Range, Seed


class Sinc(Activation):
    """sin(omega z) / (omega z): its shifts are a Riesz basis of band-limited functions.

    Args:
        omega: The factor of z, in radians per unit of z.

    Source:
        Saratchandran et al. 2024.
    """

    def __init__(self, omega: float) -> None:
        super().__init__()
        self.omega = constant(omega)

    def forward(self, *z: Tensor) -> Tensor:
        return smooth_sinc(self.omega * z[0])


class RaisedCosine(Activation):
    """sin(πz/T) / (πz/T) cos(πβz/T) / (1 - (2βz/T)²): the raised-cosine pulse, 1 at 0.

    Args:
        period: The symbol length T, in units of z.
        rolloff: β, from 0 to 1.
    """

    def __init__(self, period: float, rolloff: float) -> None:
        super().__init__()
        self.period = constant(period)
        self.rolloff = constant(rolloff)

    def forward(self, *z: Tensor) -> Tensor:
        return raised_cosine_pulse(z[0] / self.period, self.rolloff)


class RootRaisedCosine(RaisedCosine):
    """The pulse whose squared spectrum is a raised cosine's, 1 - β + 4β/π at 0.

    It is written as the integral of its spectrum, a flat part and two cosine flanks: there is no
    0/0 at 0 and ±T/4β. It is an atom of MIRE's dictionary.
    """

    def forward(self, *z: Tensor) -> Tensor:
        t = math.pi * z[0] / self.period
        beta = self.rolloff
        quarter = math.pi / 4
        right = smooth_sinc(quarter + beta * t) * torch.cos(quarter + t)
        left = smooth_sinc(quarter - beta * t) * torch.cos(quarter - t)
        return (1 - beta) * smooth_sinc((1 - beta) * t) + beta * (left + right)


class Prolate(Activation):
    """T ψ0(w z) + b, with T, w and b learnt by each layer (PIN).

    ψ0 is the prolate spheroidal wave function, scaled to 1 at 0.

    Args:
        c: The bandwidth of ψ0, in radians per unit of its argument.
        dilation: Where w starts.
    """

    roles: ClassVar[dict[str, str]] = {"amplitude": "shape", "dilation": "shape", "offset": "shape"}

    def __init__(self, c: float, dilation: float) -> None:
        super().__init__()
        self.terms = tuple(zip(*prolate_expansion(c), strict=True))
        self.amplitude = constant(1.0, learnable=True)
        self.dilation = constant(dilation, learnable=True)
        self.offset = constant(0.0, learnable=True)

    def forward(self, *z: Tensor) -> Tensor:
        value = cosine_sum(self.dilation * z[0], self.terms)
        return torch.addcmul(self.offset, self.amplitude, value)


LARGEST = 100.0
"""The largest bandwidth of ψ0: beyond about 150, scipy's `pro_ang1` writes past its arrays."""

PER_ROOT_CYCLE = {"sinc": 2.1, "pin": 0.66, "raised_cosine": 0.67}
"""The preset's own number (1/T for pulses) over √b; see `radial.PER_ROOT_CYCLE`."""


@preset
def sinc(
    box: Box,
    channels: Count = 1,
    bandwidth: Positive | None = None,
    *,
    omega0: Moderate | None = None,
    width: Count = 128,
    depth: Layers = 4,
    head: HeadName = "linear",
    seed: Seed = 0,
) -> Prior:
    """A network of sin(omega0 z) / (omega0 z) (Saratchandran et al. 2024).

    `torch.sinc(8 z)` of published code is omega0 = 8π.

    Args:
        box: Where the field lives, in physical units.
        channels: Values of the field at each point.
        bandwidth: Highest frequency, in cycles per unit of the box's first axis; b is the same in
            cycles per normalised unit. None for the Nyquist frequency of 128 pixels along the
            longest side.
        omega0: The factor of every pre-activation z; None for 2.1 √b.
        width: Features per hidden layer.
        depth: Number of hidden layers.
        head: A name of `heads.HEADS`, or one name per channel.
        seed: Seed of the starting weights.

    Returns:
        The prior, untrained.

    Source:
        Saratchandran et al. 2024.
    """
    bandwidth, b = band(box, bandwidth)
    if omega0 is None:
        omega0 = PER_ROOT_CYCLE["sinc"] * math.sqrt(b)
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
    channels: Count = 1,
    bandwidth: Positive | None = None,
    *,
    dilation: Moderate | None = None,
    c: Annotated[float, Range(above=0, most=LARGEST)] = 5.0,
    width: Count = 128,
    depth: Layers = 4,
    head: HeadName = "linear",
    seed: Seed = 0,
) -> Prior:
    """Prolate spheroidal wave functions T ψ0(w z) + b, learnt (Raveendran et al. 2024, PIN).

    Each layer learns its T, w and b. Beyond |w z| = 1 the function is continued by its own Fourier
    integral, so it stays smooth and band-limited; the paper leaves c and the continuation open.

    Args:
        box: Where the field lives, in physical units.
        channels: Values of the field at each point.
        bandwidth: Highest frequency, in cycles per unit of the box's first axis; b is the same in
            cycles per normalised unit. None for the Nyquist frequency of 128 pixels along the
            longest side.
        dilation: Where w starts; None for 0.66 √b.
        c: The bandwidth of ψ0, in radians per unit of w z.
        width: Features per hidden layer.
        depth: Number of hidden layers.
        head: A name of `heads.HEADS`, or one name per channel.
        seed: Seed of the starting weights.

    Returns:
        The prior, untrained.

    Source:
        Raveendran et al. 2024, PIN.
    """
    bandwidth, b = band(box, bandwidth)
    if dilation is None:
        dilation = PER_ROOT_CYCLE["pin"] * math.sqrt(b)
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
    channels: Count = 1,
    bandwidth: Positive | None = None,
    *,
    period: Moderate | None = None,
    rolloff: PositiveFraction = 0.5,
    root: bool = False,
    width: Count = 128,
    depth: Layers = 4,
    head: HeadName = "linear",
    seed: Seed = 0,
) -> Prior:
    """A network of raised-cosine pulses, sinc(z/T) cos(πβz/T) / (1 - (2βz/T)²), or their roots.

    Args:
        box: Where the field lives, in physical units.
        channels: Values of the field at each point.
        bandwidth: Highest frequency, in cycles per unit of the box's first axis; b is the same in
            cycles per normalised unit. None for the Nyquist frequency of 128 pixels along the
            longest side.
        period: T, in units of z; None for 1 / (0.67 √b).
        rolloff: β, from 0 to 1.
        root: Whether the pulses are root-raised-cosine ones.
        width: Features per hidden layer.
        depth: Number of hidden layers.
        head: A name of `heads.HEADS`, or one name per channel.
        seed: Seed of the starting weights.

    Returns:
        The prior, untrained.
    """
    bandwidth, b = band(box, bandwidth)
    if period is None:
        period = 1 / (PER_ROOT_CYCLE["raised_cosine"] * math.sqrt(b))
    activation = RaisedCosine(period, rolloff)
    if root:
        activation = RootRaisedCosine(period, rolloff)
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
