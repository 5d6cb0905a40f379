"""Sine activations and the preset `siren`; `sines/` holds what grew from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from inverse_inr.domain import Box
from inverse_inr.priors.activations import Activation, constant, siren_start
from inverse_inr.priors.heads import HeadName
from inverse_inr.priors.preset import Layers, Moderate, band, coordinate_network, preset
from inverse_inr.priors.prior import Prior
from inverse_inr.ranges import Count, NonNegative, Positive, Seed


class Sine(Activation):
    """sin(omega z), where omega multiplies the bias too, as in the published code.

    Args:
        omega: The factor of z, in radians per unit of z.
        weight_scale: Factor of the starting weights.
        noise: Standard deviation, over omega, of normal noise added to the starting weights.

    Source:
        Sitzmann et al. 2020. Weight-scaled initialisation: Yeom et al. 2025. Noise: Chandravamsi et
        al. 2025, WINNER.
    """

    def __init__(self, omega: float, *, weight_scale: float = 1.0, noise: float = 0.0) -> None:
        super().__init__()
        self.omega = constant(omega)
        self.weight_scale = weight_scale
        self.noise = noise

    def forward(self, *z: Tensor) -> Tensor:
        return torch.sin(self.omega * z[0])

    def initialize(
        self, weight: Tensor, bias: Tensor, first: bool, generator: torch.Generator
    ) -> None:
        siren_start(weight, bias, first, float(self.omega), generator)
        with torch.no_grad():
            weight.mul_(self.weight_scale)
            if self.noise:
                weight.add_(
                    torch.randn(weight.shape, generator=generator),
                    alpha=self.noise / float(self.omega),
                )


class SinhSine(Sine):
    """sin(omega sinh(2z)) for the first layer, whose frequencies spread.

    Source:
        Gao & Jaiman 2024, H-SIREN, with omega = 1.
    """

    def forward(self, *z: Tensor) -> Tensor:
        return torch.sin(self.omega * torch.sinh(2 * z[0]))


def siren_omega(b: float, ndim: int) -> float:
    """Give the omega0 of `siren`.

    The first layer reaches omega0 / 2πd cycles per normalised unit; overtones go an order of
    magnitude beyond.

    Args:
        b: The bandwidth in cycles per normalised unit.
        ndim: The number of axes, d.

    Returns:
        omega0, in radians per unit of a layer's pre-activation.
    """
    return 2 * math.pi * ndim * b / 13


@preset
def siren(
    box: Box,
    channels: Count = 1,
    bandwidth: Positive | None = None,
    *,
    omega0: Moderate | None = None,
    first_omega0: Moderate | None = None,
    first: Literal["sine", "sinh"] = "sine",
    weight_scale: Moderate = 1.0,
    noise: Sequence[NonNegative] = (0.0, 0.0),
    width: Count = 128,
    depth: Layers = 4,
    head: HeadName = "linear",
    seed: Seed = 0,
) -> Prior:
    """Network of sines (Sitzmann et al. 2020): omega0 in all layers, hidden weights divided by it.

    Args:
        box: Where the field lives, in physical units.
        channels: Values of the field at each point.
        bandwidth: Highest frequency, in cycles per unit of the box's first axis; b is the same in
            cycles per normalised unit. None for the Nyquist frequency of 128 pixels along the
            longest side.
        omega0: Frequency of every sine, in radians per unit of its input; None for 2π d b / 13 on d
            axes.
        first_omega0: Another factor for the first layer, e.g. 3000 together with omega0=30 for
            audio on [-1, 1]; None for omega0, or a fifth of it if first is "sinh".
        first: "sine", or "sinh": sin(first_omega0 sinh 2z) in the first layer (H-SIREN; published
            with 1).
        weight_scale: All weights but the last start this much larger (Yeom et al. 2025 use 2.5).
        noise: Standard deviations, over omega0, of normal noise on the first and second layer's
            weights (WINNER; see `winner_noise`).
        width: Features per hidden layer.
        depth: Number of hidden layers.
        head: A name of `heads.HEADS`, or one name per channel.
        seed: Seed of the starting weights.

    Returns:
        The prior, untrained.

    Raises:
        ValueError: For an unknown first layer, or noise that is not two numbers from 0.

    Source:
        Sitzmann et al. 2020. H-SIREN: Gao & Jaiman 2024. Weight scale: Yeom et al. 2025. Noise:
        Chandravamsi et al. 2025.
    """
    bandwidth, b = band(box, bandwidth)
    if omega0 is None:
        omega0 = siren_omega(b, box.ndim)
    if first_omega0 is None:
        first_omega0 = omega0
        if first == "sinh":
            first_omega0 = omega0 / 5
    if len(noise) != 2 or min(noise) < 0:
        raise ValueError(
            f"siren: noise is two standard deviations, of the first and second layer, got {noise}."
        )
    make = SinhSine if first == "sinh" else Sine
    layers: list[Activation] = [make(first_omega0, weight_scale=weight_scale, noise=noise[0])]
    layers.append(Sine(omega0, weight_scale=weight_scale, noise=noise[1]))
    layers += [Sine(omega0, weight_scale=weight_scale) for _ in range(depth - 2)]
    return coordinate_network(
        box,
        layers[:depth] or Sine(omega0),
        channels=channels,
        head=head,
        bandwidth=bandwidth,
        width=width,
        depth=depth,
        seed=seed,
        learning_rate=1e-3,
    )


def winner_noise(centroid: float, channels: int = 1) -> tuple[float, float]:
    """Give the `noise` of `siren` for audio.

    Args:
        centroid: The audio's spectral centroid, as a fraction of the Nyquist frequency.
        channels: The number of audio channels.

    Returns:
        Standard deviations for the first and the second layer's weights, over omega0.

    Source:
        Chandravamsi et al. 2025, WINNER.
    """
    return 3500 * (1 - math.exp(-7 * centroid / channels)), 3 * centroid / channels
