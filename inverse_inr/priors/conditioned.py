"""Networks whose activations are set by what was measured: the presets `incode` and `cosmo`.

A composer, a small network trained along, turns features of the data into the numbers that shape
the activations. The features are taken from the back-projected measurements that the fit may see,
never from the truth (published INCODE takes a randomly initialised ResNet of the degraded image).
Before `condition` is called they are zero.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from inverse_inr.domain import Box
from inverse_inr.priors.activations import Activation, constant, uniform
from inverse_inr.priors.encodings import Identity
from inverse_inr.priors.functions.circle import on_circle
from inverse_inr.priors.functions.sinc import raised_cosine
from inverse_inr.priors.heads import HeadName
from inverse_inr.priors.networks.composer import Composer, Conditioned
from inverse_inr.priors.periodic import Sine, siren_omega
from inverse_inr.priors.preset import Layers, Moderate, band, preset, seeded
from inverse_inr.priors.prior import Prior
from inverse_inr.priors.topologies import MLP
from inverse_inr.ranges import Count, Positive, PositiveFraction, Seed


class ComposedSine(Sine):
    """e^a sin(e^b omega z + c) + d with (a, b, c, d) from the composer.

    Source:
        Kazerouni et al. 2024, INCODE, eq. 5; e^a and e^b as in its code.
    """

    def forward(self, *z: Tensor) -> Tensor:
        h, a, b, c, d = z
        return a.exp() * torch.sin(b.exp() * self.omega * h + c) + d


INCODE_WEIGHTS = (0.1993, 0.0196, 0.0588, 0.0269)
"""Weights of a, b, c and d in INCODE's penalty, as in the published code."""


class Incode(Conditioned):
    """INCODE's network; `penalty` is its own regularizer of the composer's numbers."""

    def penalty(self) -> Tensor:
        """Give Σ w relu(-number), which keeps a, b, c, d from turning negative: a scalar."""
        weights = self.composer.features.new_tensor(INCODE_WEIGHTS)
        return (weights * torch.relu(-self.composer()[0])).sum()


class Cosmo(Activation):
    """rc(z) exp(2πjζz) of a complex z, a raised-cosine pulse of period T that is modulated.

    T = 10 sigmoid(t) and ζ = 3 sigmoid(s) with (t, s) from the composer. The modulation moves an
    even pulse's spectrum off the blind spots of its symmetry.

    Args:
        omega: The factor of z.
        rolloff: β of the pulse, from 0 to 1.
        project: Put z and the result on the unit circle; not for the first layer, whose z is real.

    Source:
        COSMO-INR, 2025.
    """

    is_complex = True

    def __init__(self, omega: float, rolloff: float, *, project: bool) -> None:
        super().__init__()
        self.omega = constant(omega)
        self.rolloff = constant(rolloff)
        self.project = project

    def forward(self, *z: Tensor) -> Tensor:
        h, period, shift = z
        re, im = h.chunk(2, -1)
        inverse = 0.1 / torch.sigmoid(period)  # 1 / T
        turn = 6 * math.pi * torch.sigmoid(shift)
        if self.project:  # no positive factor matters: neither omega nor exp(-turn im) / T
            re, im = on_circle(re, im)
            pulse = raised_cosine(torch.complex(inverse * re, inverse * im), self.rolloff)
            angle = turn * re
            turned = pulse * torch.complex(torch.cos(angle), torch.sin(angle))
            return torch.cat(on_circle(turned.real, turned.imag), -1)
        period = inverse * self.omega
        pulse = raised_cosine(torch.complex(period * re, period * im), self.rolloff)
        turn = turn * self.omega
        size, angle = inverse * torch.exp(-turn * im), turn * re
        turned = pulse * torch.complex(size * torch.cos(angle), size * torch.sin(angle))
        return torch.cat([turned.real, turned.imag], -1)

    def initialize(
        self, weight: Tensor, bias: Tensor, first: bool, generator: torch.Generator
    ) -> None:
        super().initialize(weight, bias, first, generator)
        uniform(weight, 1 / weight.shape[1], generator)


@preset
def incode(
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
    """SIREN whose sines a composer shapes from the data (Kazerouni et al. 2024, INCODE).

    The composer sets the amplitude, frequency, phase and offset of the sine, the same for all
    layers. The solver conditions it on the back-projected measurements.
    `regularizers.PriorPenalty()` adds its own penalty.

    Args:
        box: Where the field lives, in physical units.
        channels: Values of the field at each point.
        bandwidth: Highest frequency, in cycles per unit of the box's first axis; b is the same in
            cycles per normalised unit. None for the Nyquist frequency of 128 pixels along the
            longest side.
        omega0: Frequency of every sine, in radians per unit of its input, before the composer's
            e^b; None for a quarter of `siren`'s.
        width: Features per hidden layer.
        depth: Number of hidden layers.
        head: A name of `heads.HEADS`, or one name per channel.
        seed: Seed of the starting weights.

    Returns:
        The prior, untrained.

    Source:
        Kazerouni et al. 2024, INCODE.
    """
    bandwidth, b = band(box, bandwidth)
    if omega0 is None:
        omega0 = siren_omega(b, box.ndim) / 4  # e^b and hidden layers raise it
    generator = seeded(seed)

    def network(outputs: int) -> Incode:
        mlp = MLP(
            box.ndim,
            outputs,
            width=width,
            depth=depth,
            activation=ComposedSine(omega0),
            generator=generator,
        )
        return Incode(mlp, Composer(1, 4, generator))

    return Prior(
        box,
        Identity(box.ndim),
        network,
        channels=channels,
        head=head,
        bandwidth=bandwidth,
        learning_rate=1e-3,
    )


@preset
def cosmo(
    box: Box,
    channels: Count = 1,
    bandwidth: Positive | None = None,
    *,
    omega0: Moderate | None = None,
    rolloff: PositiveFraction = 0.05,
    width: Count = 128,
    depth: Layers = 4,
    head: HeadName = "linear",
    seed: Seed = 0,
) -> Prior:
    """Raised-cosine pulses off their blind spots, set by a composer (COSMO-INR, 2025).

    The composer sets each layer's period and modulation from the data.

    Args:
        box: Where the field lives, in physical units.
        channels: Values of the field at each point.
        bandwidth: Highest frequency, in cycles per unit of the box's first axis; b is the same in
            cycles per normalised unit. None for the Nyquist frequency of 128 pixels along the
            longest side.
        omega0: The factor of the first layer's pre-activations (published: 1); None for 4e-5 b².
        rolloff: β of the pulses, from 0 to 1: the paper's is 0.05, its code's 0.5.
        width: Features per hidden layer of a real network of as many parameters; the layers are
            complex and have width / √2.
        depth: Number of hidden layers.
        head: A name of `heads.HEADS`, or one name per channel.
        seed: Seed of the starting weights.

    Returns:
        The prior, untrained.

    Source:
        COSMO-INR, 2025.
    """
    bandwidth, b = band(box, bandwidth)
    if omega0 is None:
        omega0 = 4e-5 * b**2  # each later layer multiplies frequency
    generator = seeded(seed)

    def network(outputs: int) -> Conditioned:
        first = Cosmo(omega0, rolloff, project=False)
        later = [Cosmo(1.0, rolloff, project=True) for _ in range(depth - 1)]
        mlp = MLP(
            box.ndim,
            outputs,
            width=round(width / math.sqrt(2)),
            depth=depth,
            generator=generator,
            activation=[first, *later][:depth] or first,
        )
        return Conditioned(mlp, Composer(depth, 2, generator))

    return Prior(
        box,
        Identity(box.ndim),
        network,
        channels=channels,
        head=head,
        bandwidth=bandwidth,
        learning_rate=1e-3,
    )
