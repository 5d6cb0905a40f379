"""Sines whose frequency grows with their argument: the presets `finer` and `finer_plus`."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from inverse_inr.domain import Box
from inverse_inr.priors.activations import Activation, constant, uniform
from inverse_inr.priors.heads import HeadName
from inverse_inr.priors.periodic import Sine, siren_omega
from inverse_inr.priors.preset import Layers, Moderate, band, coordinate_network, preset
from inverse_inr.priors.prior import Prior
from inverse_inr.priors.wavelets import wave_packet
from inverse_inr.ranges import Count, Positive, Seed


class Finer(Sine):
    """sin(omega (|z| + 1) z): frequency grows with |z|, and the first bias spreads it.

    The published code takes |z| + 1 as a constant when it differentiates (`detached`), so its
    derivative is too small by (2|z| + 1) / (|z| + 1); here the true derivative is the default.

    Args:
        omega: The factor of z at 0, in radians per unit of z.
        bias_range: The first layer's bias starts as U(±bias_range).
        detached: Differentiate as the published code does.

    Source:
        Liu et al. 2024, FINER, eq. 5.
    """

    smoothness = 1  # z|z| has a jump in its second derivative

    def __init__(self, omega: float, bias_range: float, *, detached: bool = False) -> None:
        super().__init__(omega)
        self.bias_range = bias_range
        self.detached = detached

    def argument(self, z: Tensor) -> Tensor:
        """Give the argument of the sine, omega (|z| + 1) z, in the shape of z."""
        size = z.abs()
        if self.detached:
            size = size.detach()
        return self.omega * (size + 1) * z

    def forward(self, *z: Tensor) -> Tensor:
        return torch.sin(self.argument(z[0]))

    def initialize(
        self, weight: Tensor, bias: Tensor, first: bool, generator: torch.Generator
    ) -> None:
        super().initialize(weight, bias, first, generator)
        if first:
            uniform(bias, self.bias_range, generator)


class FinerGaussian(Finer):
    """exp(-(scale sin(omega (|z| + 1) z))²).

    Args:
        omega: The factor of z at 0, in radians per unit of z.
        bias_range: The first layer's bias starts as U(±bias_range).
        scale: The inverse width of the Gaussian.

    Source:
        Zhu et al. 2024, FINER++.
    """

    def __init__(self, omega: float, bias_range: float, scale: float) -> None:
        super().__init__(omega, bias_range)
        self.scale = constant(scale)

    def forward(self, *z: Tensor) -> Tensor:
        return torch.exp(-(self.scale * torch.sin(self.argument(z[0]))).square())


class FinerWavelet(Finer):
    """The complex Gabor wavelet of sin(omega (|z| + 1) z).

    The sine acts on the real and the imaginary part apart.

    Args:
        omega: The factor of z at 0, in radians per unit of z.
        bias_range: The first layer's bias starts as U(±bias_range).
        scale: The inverse width of the wavelet's envelope.
        wavelet_omega: The wavelet's frequency, in radians per unit of the sine.

    Source:
        Zhu et al. 2024, FINER++.
    """

    is_complex = True

    def __init__(self, omega: float, bias_range: float, scale: float, wavelet_omega: float) -> None:
        super().__init__(omega, bias_range)
        self.scale = constant(scale)
        self.wavelet_omega = constant(wavelet_omega)

    def forward(self, *z: Tensor) -> Tensor:
        return wave_packet(torch.sin(self.argument(z[0])), self.wavelet_omega, self.scale)


def finer_omega(b: float, ndim: int) -> float:
    """Give the omega0 of `finer`, below that of `siren`: |z| brings the rest of the band.

    The floor of 3.1 keeps the |z| of hidden layers small, which grow as 1 / omega0.

    Args:
        b: The bandwidth in cycles per normalised unit.
        ndim: The number of axes.

    Returns:
        omega0, in radians per unit of a layer's pre-activation.
    """
    return 3.1 + 0.4 * siren_omega(b, ndim)


@preset
def finer(
    box: Box,
    channels: Count = 1,
    bandwidth: Positive | None = None,
    *,
    omega0: Moderate | None = None,
    bias_range: Moderate = 1.0,
    gradient: Literal["true", "detached"] = "true",
    width: Count = 128,
    depth: Layers = 4,
    head: HeadName = "linear",
    seed: Seed = 0,
) -> Prior:
    """Sine of variable period, sin(omega0 (|z| + 1) z) (Liu et al. 2024, FINER).

    Args:
        box: Where the field lives, in physical units.
        channels: Values of the field at each point.
        bandwidth: Highest frequency, in cycles per unit of the box's first axis; b is the same in
            cycles per normalised unit. None for the Nyquist frequency of 128 pixels along the
            longest side.
        omega0: Frequency of every sine, in radians per unit of its input; None for 3.1 plus 0.4
            times `siren`'s.
        bias_range: The first bias starts as U(±bias_range); the published 5 belongs to image
            fitting.
        gradient: "true", or "detached": the published code's, which differentiates as if |z| + 1
            were constant.
        width: Features per hidden layer.
        depth: Number of hidden layers.
        head: A name of `heads.HEADS`, or one name per channel.
        seed: Seed of the starting weights.

    Returns:
        The prior, untrained.

    Raises:
        ValueError: For an unknown gradient.

    Source:
        Liu et al. 2024, FINER.
    """
    bandwidth, b = band(box, bandwidth)
    if omega0 is None:
        omega0 = finer_omega(b, box.ndim)
    activation = Finer(omega0, bias_range, detached=gradient == "detached")
    return coordinate_network(
        box,
        activation,
        channels=channels,
        head=head,
        bandwidth=bandwidth,
        width=width,
        depth=depth,
        seed=seed,
        learning_rate=1e-3,
    )


def _gaussian(
    b: float, ndim: int, omega0: float | None, bias_range: float, scale0: float | None
) -> Activation:
    """The Gaussian variant of `finer_plus`, with its defaults."""
    if omega0 is None:
        omega0 = siren_omega(b, ndim) / 3
    if scale0 is None:
        scale0 = 2.0
    return FinerGaussian(omega0, bias_range, scale0)


def _wavelet(
    b: float,
    ndim: int,
    omega0: float | None,
    bias_range: float,
    scale0: float | None,
    wavelet_omega: float | None,
) -> Activation:
    """The wavelet variant of `finer_plus`, with its defaults."""
    gain = 0.15 * math.sqrt(b)  # the factor by which a layer multiplies frequencies
    if omega0 is None:
        omega0 = siren_omega(b, ndim) / 6
    if scale0 is None:
        scale0 = gain / 2
    if wavelet_omega is None:
        wavelet_omega = gain
    return FinerWavelet(omega0, bias_range, scale0, wavelet_omega)


@preset
def finer_plus(
    box: Box,
    channels: Count = 1,
    bandwidth: Positive | None = None,
    *,
    omega0: Moderate | None = None,
    wrapped: Literal["gaussian", "wavelet"] = "gaussian",
    bias_range: Moderate = 1.0,
    scale0: Moderate | None = None,
    wavelet_omega: Moderate | None = None,
    width: Count = 128,
    depth: Layers = 4,
    head: HeadName = "linear",
    seed: Seed = 0,
) -> Prior:
    """A Gaussian or a complex Gabor wavelet of FINER's sine (Zhu et al. 2024, FINER++).

    Published for images: omega0=10, scale0=3 (Gaussian); omega0=5, scale0=2, wavelet_omega=4
    (wavelet). The wavelet's defaults give the untrained field the spectral centroid of `siren`; the
    Gaussian's start two to three times above it: at that centroid its layers are nearly constant
    and do not train.

    Args:
        box: Where the field lives, in physical units.
        channels: Values of the field at each point.
        bandwidth: Highest frequency, in cycles per unit of the box's first axis; b is the same in
            cycles per normalised unit. None for the Nyquist frequency of 128 pixels along the
            longest side.
        omega0: Frequency of every sine, in radians per unit of its input; None for a third of
            `siren`'s (wavelet: a sixth).
        wrapped: "gaussian" or "wavelet", the function of the sine.
        bias_range: The first bias starts as U(±bias_range).
        scale0: The inverse width of the Gaussian or of the wavelet's envelope; None for 2 (wavelet:
            0.075 √b).
        wavelet_omega: The wavelet's frequency, in radians per unit of the sine; None for 0.15 √b.
        width: Features per hidden layer; the wavelet's layers, which are complex, have width / √2.
        depth: Number of hidden layers.
        head: A name of `heads.HEADS`, or one name per channel.
        seed: Seed of the starting weights.

    Returns:
        The prior, untrained.

    Raises:
        ValueError: For an unknown function.

    Source:
        Zhu et al. 2024, FINER++.
    """
    bandwidth, b = band(box, bandwidth)
    if wrapped == "wavelet":
        width = round(width / math.sqrt(2))
        activation = _wavelet(b, box.ndim, omega0, bias_range, scale0, wavelet_omega)
    else:
        activation = _gaussian(b, box.ndim, omega0, bias_range, scale0)
    return coordinate_network(
        box,
        activation,
        channels=channels,
        head=head,
        bandwidth=bandwidth,
        width=width,
        depth=depth,
        seed=seed,
        learning_rate=1e-3,
    )
