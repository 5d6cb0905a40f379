"""Waves of a shape that each layer may learn: the presets `hosc` and `staf`."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from inverse_inr.domain import Box
from inverse_inr.priors.activations import constant
from inverse_inr.priors.heads import HeadName
from inverse_inr.priors.periodic import Sine, siren_omega
from inverse_inr.priors.preset import Layers, Moderate, band, coordinate_network, preset
from inverse_inr.priors.prior import Prior
from inverse_inr.ranges import Count, Positive, Seed


class Hosc(Sine):
    """tanh(beta sin(omega z)): a sine for small beta, a square wave for large.

    Args:
        omega: The factor of z, in radians per unit of z.
        beta: The steepness, or where it starts.
        adaptive: Whether each layer learns its beta (AdaHOSC).

    Source:
        Serrano et al. 2024.
    """

    roles: ClassVar[dict[str, str]] = {"beta": "shape"}

    def __init__(self, omega: float, beta: float, *, adaptive: bool = False) -> None:
        super().__init__(omega)
        self.beta = constant(beta, learnable=adaptive)

    def forward(self, *z: Tensor) -> Tensor:
        return torch.tanh(self.beta * torch.sin(self.omega * z[0]))


class Staf(Sine):
    """Σ_k a_k sin(w_k z + φ_k) of τ terms, all learnt by each layer.

    Phases start uniform, w_k as U(0, omega), and a_k² exponential with mean power / τ. With a power
    of 2 the features start exactly normal with variance 1 (a Rayleigh amplitude times the sine of a
    uniform phase is normal), as the paper's theorem asks. Its code has 1/2.

    Args:
        omega: The largest starting w_k, in radians per unit of z.
        terms: The number of sines, τ.
        power: τ times the mean of a_k² at the start.

    Source:
        Morsali et al. 2025, STAF.
    """

    roles: ClassVar[dict[str, str]] = {"amplitude": "shape", "frequency": "shape", "phase": "shape"}

    def __init__(self, omega: float, terms: int, power: float = 2.0) -> None:
        super().__init__(omega)
        self.power = power
        self.amplitude = nn.Parameter(torch.ones(terms))
        self.frequency = nn.Parameter(torch.ones(terms))
        self.phase = nn.Parameter(torch.ones(terms))

    def initialize(
        self, weight: Tensor, bias: Tensor, first: bool, generator: torch.Generator
    ) -> None:
        super().initialize(weight, bias, first, generator)
        terms = len(self.amplitude)
        sign, size, frequency, phase = torch.rand(4, terms, generator=generator)
        with torch.no_grad():
            self.amplitude.copy_(
                (sign - 0.5).sign() * (-self.power / terms * torch.log1p(-size)).sqrt()
            )
            self.frequency.copy_(self.omega * frequency)
            self.phase.copy_(math.pi * (2 * phase - 1))

    def forward(self, *z: Tensor) -> Tensor:
        terms = zip(self.amplitude, self.frequency, self.phase, strict=True)
        return torch.stack([a * torch.sin(w * z[0] + p) for a, w, p in terms]).sum(0)


@preset
def hosc(
    box: Box,
    channels: Count = 1,
    bandwidth: Positive | None = None,
    *,
    omega0: Moderate | None = None,
    beta: Moderate = 2.0,
    adaptive: bool = False,
    width: Count = 128,
    depth: Layers = 4,
    head: HeadName = "linear",
    seed: Seed = 0,
) -> Prior:
    """Hyperbolic oscillator, tanh(beta sin(omega0 z)) (Serrano et al. 2024).

    Args:
        box: Where the field lives, in physical units.
        channels: Values of the field at each point.
        bandwidth: Highest frequency, in cycles per unit of the box's first axis; b is the same in
            cycles per normalised unit. None for the Nyquist frequency of 128 pixels along the
            longest side.
        omega0: Frequency of every sine, in radians per unit of its input; None for `siren`'s, 2π d
            b / 13 on d axes.
        beta: The steepness: a sine for small beta, a square wave for large.
        adaptive: Whether each layer learns its beta (AdaHOSC).
        width: Features per hidden layer.
        depth: Number of hidden layers.
        head: A name of `heads.HEADS`, or one name per channel.
        seed: Seed of the starting weights.

    Returns:
        The prior, untrained.

    Source:
        Serrano et al. 2024.
    """
    bandwidth, b = band(box, bandwidth)
    if omega0 is None:
        omega0 = siren_omega(b, box.ndim)
    return coordinate_network(
        box,
        Hosc(omega0, beta, adaptive=adaptive),
        channels=channels,
        head=head,
        bandwidth=bandwidth,
        width=width,
        depth=depth,
        seed=seed,
        learning_rate=1e-3,
    )


@preset
def staf(
    box: Box,
    channels: Count = 1,
    bandwidth: Positive | None = None,
    *,
    omega0: Moderate | None = None,
    terms: Count = 5,
    power: Moderate = 2.0,
    width: Count = 128,
    depth: Layers = 4,
    head: HeadName = "linear",
    seed: Seed = 0,
) -> Prior:
    """Trainable sums of sines, Σ a_k sin(w_k z + φ_k) in every layer (Morsali et al. 2025, STAF).

    Args:
        box: Where the field lives, in physical units.
        channels: Values of the field at each point.
        bandwidth: Highest frequency, in cycles per unit of the box's first axis; b is the same in
            cycles per normalised unit. None for the Nyquist frequency of 128 pixels along the
            longest side.
        omega0: The largest starting w_k; None for `siren`'s omega0, 2π d b / 13 on d axes.
        terms: Sines per layer, τ.
        power: The mean of τ a_k² at the start: 2 is the paper's theorem, 1/2 its code.
        width: Features per hidden layer.
        depth: Number of hidden layers.
        head: A name of `heads.HEADS`, or one name per channel.
        seed: Seed of the starting weights.

    Returns:
        The prior, untrained.

    Source:
        Morsali et al. 2025, STAF.
    """
    bandwidth, b = band(box, bandwidth)
    if omega0 is None:
        omega0 = siren_omega(b, box.ndim)
    return coordinate_network(
        box,
        Staf(omega0, terms, power),
        channels=channels,
        head=head,
        bandwidth=bandwidth,
        width=width,
        depth=depth,
        seed=seed,
        learning_rate=1e-3,
    )
