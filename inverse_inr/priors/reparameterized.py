"""Fourier reparameterised training and its preset `fr`.

While the network is trained, its hidden weights are combinations of fixed waves.
"""

from __future__ import annotations

import copy
import math
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from inverse_inr.domain import Box
from inverse_inr.priors.activations import ReLU, uniform
from inverse_inr.priors.encodings import FourierFeatures, Identity, octave_frequencies
from inverse_inr.priors.heads import HeadName
from inverse_inr.priors.periodic import Sine, siren_omega
from inverse_inr.priors.preset import Layers, Moderate, band, preset, seeded
from inverse_inr.priors.prior import Prior
from inverse_inr.priors.topologies import MLP, Layer, Linear
from inverse_inr.ranges import Count, Positive, Seed


def wave_basis(inputs: int, frequencies: int, phases: int, amplitude: float) -> Tensor:
    """Make the waves amplitude · cos(f p + φ), along p from -T/2 to T/2 with T = 2π / f_min.

    f runs over 1/n .. 1 and 1 .. n for n = `frequencies`, φ over 2πi / `phases`.

    Args:
        inputs: Points of p.
        frequencies: Low and high frequencies each, n.
        phases: Shifts per frequency.
        amplitude: Factor of all waves.

    Returns:
        (2 · frequencies · phases, inputs), one wave per row.

    Source:
        Shi et al. 2024, section 4.
    """
    low = torch.arange(1, frequencies + 1, dtype=torch.float64) / frequencies
    f = torch.cat([low, low * frequencies])
    shift = 2 * math.pi * torch.arange(phases, dtype=torch.float64) / phases
    position = torch.linspace(
        -math.pi * frequencies, math.pi * frequencies, inputs, dtype=torch.float64
    )
    rows = torch.cos(f[:, None, None] * position + shift[:, None])
    return (amplitude * rows).flatten(0, 1).float()


class ReparameterizedLinear(nn.Module):
    """W h + b with W = Λ B, where Λ is learnt: in effect BᵀB preconditions the gradient of W.

    Args:
        inputs: Features of h.
        outputs: Features of the result.
        basis: B, (waves, inputs), from `wave_basis`.
        omega: Λ starts as U(±√(6 / waves) / omega), divided by each wave's norm.
        generator: Source of the random starting numbers.
    """

    roles: ClassVar[dict[str, str]] = {"coefficients": "hidden"}

    def __init__(
        self, inputs: int, outputs: int, basis: Tensor, omega: float, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.basis = nn.Buffer(basis)
        self.coefficients = nn.Parameter(torch.empty(outputs, len(basis)))
        uniform(self.coefficients, math.sqrt(6 / len(basis)) / omega, generator)
        with torch.no_grad():
            self.coefficients.div_(torch.linalg.vector_norm(basis, dim=1))
        self.bias = nn.Parameter(torch.zeros(outputs))

    @property
    def weight(self) -> Tensor:
        """W = Λ B, (outputs, inputs)."""
        return self.coefficients @ self.basis

    def forward(self, h: Tensor) -> Tensor:
        """Map features (*s, inputs) to (*s, outputs)."""
        return nn.functional.linear(h, self.weight, self.bias)


class ReparameterizedMLP(MLP):
    """An MLP whose hidden maps are `ReparameterizedLinear`; `collapse()` makes them plain."""

    def collapse(self) -> MLP:
        """Make the ordinary MLP of the same values."""
        plain = MLP.__new__(MLP)
        nn.Module.__init__(plain)
        plain.layers = copy.deepcopy(self.layers)
        plain.head = copy.deepcopy(self.head)
        plain.is_complex = self.is_complex
        plain.smoothness = self.smoothness
        plain.piecewise = True
        plain.width = self.width
        for layer in plain.layers:
            assert isinstance(layer, Layer)
            for k, linear in enumerate(layer.linears):
                if isinstance(linear, ReparameterizedLinear):
                    layer.linears[k] = _plain(linear)
        return plain


def _plain(linear: ReparameterizedLinear) -> Linear:
    weight = linear.weight.detach()
    made = Linear(weight.shape[1], weight.shape[0], hidden=True).to(weight.device, weight.dtype)
    with torch.no_grad():
        made.weight.copy_(weight)
        made.bias.copy_(linear.bias)
    return made


AMPLITUDES = {"sine": 0.01, "relu": 0.05}
"""Default amplitude of the waves for each activation of `fr`."""


@preset
def fr(
    box: Box,
    channels: Count = 1,
    bandwidth: Positive | None = None,
    *,
    activation: Literal["sine", "relu"] = "sine",
    omega0: Moderate | None = None,
    frequencies: Count = 32,
    phases: Count = 8,
    amplitude: Moderate | None = None,
    width: Count = 128,
    depth: Layers = 4,
    head: HeadName = "linear",
    seed: Seed = 0,
) -> Prior:
    """Fourier reparameterised training (Shi et al. 2024): hidden weights W = ΛB.

    `collapse()` leaves a plain network. The default of 2 · 32 · 8 = 512 waves has rank 127 at width
    128 (published: 128 and 32, 8192 waves).

    Args:
        box: Where the field lives, in physical units.
        channels: Values of the field at each point.
        bandwidth: Highest frequency, in cycles per unit of the box's first axis; b is the same in
            cycles per normalised unit. None for the Nyquist frequency of 128 pixels along the
            longest side.
        activation: "sine" on coordinates, or "relu" on octaves of Fourier features.
        omega0: Frequency of every sine, in radians per unit of its input; None for `siren`'s, 2π d
            b / 13 on d axes.
        frequencies: Low and high frequencies of the waves, this many each.
        phases: Shifts of each wave.
        amplitude: Factor of the waves; None for 0.01 with sines and 0.05 with ReLU.
        width: Features per hidden layer.
        depth: Number of hidden layers.
        head: A name of `heads.HEADS`, or one name per channel.
        seed: Seed of the starting weights.

    Returns:
        The prior, untrained.

    Raises:
        ValueError: For an unknown activation.

    Source:
        Shi et al. 2024.
    """
    bandwidth, b = band(box, bandwidth)
    if omega0 is None:
        omega0 = siren_omega(b, box.ndim)
    if amplitude is None:
        amplitude = AMPLITUDES[activation]
    if activation == "sine":
        encoding = Identity(box.ndim)
        applied = Sine(omega0)
        omega = omega0
    else:
        octaves, _ = octave_frequencies(box.ndim, max(0.5, b / 4))
        encoding = FourierFeatures(octaves, raw=True)
        applied = ReLU()
        omega = 1.0
    inputs = encoding.size
    basis = wave_basis(width, frequencies, phases, amplitude)
    generator = seeded(seed)

    def hidden(inputs: int, outputs: int) -> ReparameterizedLinear:
        return ReparameterizedLinear(inputs, outputs, basis, omega, generator)

    def network(outputs: int) -> ReparameterizedMLP:
        return ReparameterizedMLP(
            inputs,
            outputs,
            width=width,
            depth=depth,
            generator=generator,
            hidden=hidden,
            activation=applied,
        )

    return Prior(
        box,
        encoding,
        network,
        channels=channels,
        head=head,
        bandwidth=bandwidth,
        learning_rate=1e-3,
    )
