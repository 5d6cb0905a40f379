"""Periodic activations and their presets: `siren` and what grew from it, `finer`, `finer_plus`, `hosc`, `staf`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from inverse_inr.domain import Box
from inverse_inr.priors.activations import Activation, constant, siren_start, uniform
from inverse_inr.priors.heads import HeadName
from inverse_inr.priors.preset import band, choose, coordinate_network, preset
from inverse_inr.priors.prior import Prior
from inverse_inr.priors.wavelets import wave_packet


class Sine(Activation):
    """sin(omega z), omega also on the bias, as in the published code (Sitzmann et al. 2020).

    `weight_scale` multiplies the starting weights (Yeom et al. 2025, weight-scaled initialisation), `noise` is the
    standard deviation, over omega, of normal noise added to them (Chandravamsi et al. 2025, WINNER).
    """

    def __init__(self, omega: float, *, weight_scale: float = 1.0, noise: float = 0.0) -> None:
        super().__init__()
        self.omega = constant(omega)
        self.weight_scale, self.noise = weight_scale, noise

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
    """sin(omega sinh(2z)) (Gao & Jaiman 2024, H-SIREN, omega = 1): the first layer, whose frequencies spread."""

    def forward(self, *z: Tensor) -> Tensor:
        return torch.sin(self.omega * torch.sinh(2 * z[0]))


class Finer(Sine):
    """sin(omega (|z| + 1) z): frequency grows with |z|, bias U(±bias_range) spreads it (Liu et al. 2024, eq. 5).

    The published code takes |z| + 1 as a constant when it differentiates (`detached`), so its derivative is too small
    by (2|z| + 1) / (|z| + 1); here the true one is the default.
    """

    smoothness = 1  # z|z| has a jump in its second derivative

    def __init__(self, omega: float, bias_range: float, *, detached: bool = False) -> None:
        super().__init__(omega)
        self.bias_range, self.detached = bias_range, detached

    def argument(self, z: Tensor) -> Tensor:
        size = z.detach().abs() if self.detached else z.abs()
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
    """exp(-(scale sin(omega (|z| + 1) z))²) (Zhu et al. 2024, FINER++)."""

    def __init__(self, omega: float, bias_range: float, scale: float) -> None:
        super().__init__(omega, bias_range)
        self.scale = constant(scale)

    def forward(self, *z: Tensor) -> Tensor:
        return torch.exp(-(self.scale * torch.sin(self.argument(z[0]))).square())


class FinerWavelet(Finer):
    """The complex Gabor wavelet of sin(omega (|z| + 1) z), real and imaginary part apart (FINER++)."""

    is_complex = True

    def __init__(self, omega: float, bias_range: float, scale: float, wavelet_omega: float) -> None:
        super().__init__(omega, bias_range)
        self.scale, self.wavelet_omega = constant(scale), constant(wavelet_omega)

    def forward(self, *z: Tensor) -> Tensor:
        return wave_packet(torch.sin(self.argument(z[0])), self.wavelet_omega, self.scale)


class Hosc(Sine):
    """tanh(beta sin(omega z)) (Serrano et al. 2024): beta from sine to square wave; learnt by each layer (AdaHOSC)."""

    roles: ClassVar[dict[str, str]] = {"beta": "shape"}

    def __init__(self, omega: float, beta: float, *, adaptive: bool = False) -> None:
        super().__init__(omega)
        self.beta = constant(beta, learnable=adaptive)

    def forward(self, *z: Tensor) -> Tensor:
        return torch.tanh(self.beta * torch.sin(self.omega * z[0]))


class Staf(Sine):
    """Σ_k a_k sin(w_k z + φ_k), all learnt by each layer (Morsali et al. 2025).

    Phases start uniform and a_k² exponential with mean `power`/τ; at 2 the features start exactly normal with
    variance 1 (a Rayleigh amplitude times the sine of a uniform phase is normal), as the paper's theorem asks. Its code
    has 1/2. w_k starts as U(0, omega).
    """

    roles: ClassVar[dict[str, str]] = {"amplitude": "shape", "frequency": "shape", "phase": "shape"}

    def __init__(self, omega: float, terms: int, power: float = 2.0) -> None:
        super().__init__(omega)
        self.power = power
        self.amplitude, self.frequency, self.phase = (
            nn.Parameter(torch.ones(terms)) for _ in range(3)
        )

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


def finer_omega(b: float, ndim: int) -> float:
    """omega0 of `finer`: |z| brings the rest of the band. The floor keeps hidden |z| small: they grow as 1 / omega0."""
    return 3.1 + 0.4 * siren_omega(b, ndim)


def siren_omega(b: float, ndim: int) -> float:
    """omega0 for b cycles per normalised unit: the first layer tops at omega0 / 2πd, harmonics go an order beyond."""
    return 2 * math.pi * ndim * b / 13


@preset
def siren(
    box: Box,
    channels: int = 1,
    bandwidth: float | None = None,
    *,
    omega0: float | None = None,
    first_omega0: float | None = None,
    first: Literal["sine", "sinh"] = "sine",
    weight_scale: float = 1.0,
    noise: Sequence[float] = (0.0, 0.0),
    width: int = 128,
    depth: int = 4,
    head: HeadName = "linear",
    seed: int = 0,
) -> Prior:
    """Sinusoidal network (Sitzmann et al. 2020): omega0 in every layer, hidden weights divided by it.

    first_omega0  another frequency for the first layer: 3000 beside omega0=30 for audio on [-1, 1]
    first         "sinh": sin(first_omega0 sinh 2z) in the first layer (H-SIREN; published with 1)
    weight_scale  all weights but the last start this much larger (Yeom et al. 2025 use 2.5)
    noise         normal noise on the first and second layer's weights, over omega0 (WINNER; see `winner_noise`)
    """
    bandwidth, b = band(box, bandwidth)
    omega0 = siren_omega(b, box.ndim) if omega0 is None else omega0
    choose("siren", "first", first, ("sine", "sinh"))
    start = (omega0 if first == "sine" else omega0 / 5) if first_omega0 is None else first_omega0
    if len(noise) != 2 or min(noise) < 0:
        raise ValueError(
            f"siren: noise is two standard deviations, of the first and second layer, got {noise}."
        )
    make = Sine if first == "sine" else SinhSine
    layers: list[Activation] = [make(start, weight_scale=weight_scale, noise=noise[0])]
    layers += [
        Sine(omega0, weight_scale=weight_scale, noise=noise[1] if k == 0 else 0.0)
        for k in range(depth - 1)
    ]
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
    """`noise` of `siren` for audio of this spectral centroid, as a fraction of Nyquist (Chandravamsi et al. 2025)."""
    return 3500 * (1 - math.exp(-7 * centroid / channels)), 3 * centroid / channels


@preset
def finer(
    box: Box,
    channels: int = 1,
    bandwidth: float | None = None,
    *,
    omega0: float | None = None,
    bias_range: float = 1.0,
    gradient: Literal["true", "detached"] = "true",
    width: int = 128,
    depth: int = 4,
    head: HeadName = "linear",
    seed: int = 0,
) -> Prior:
    """Sine of variable period, sin(omega0 (|z| + 1) z) (Liu et al. 2024, FINER).

    The first bias is U(±bias_range): the published 5 belongs to image fitting. `gradient="detached"` is the published
    code's, which differentiates as if |z| + 1 were constant.
    """
    bandwidth, b = band(box, bandwidth)
    omega0 = finer_omega(b, box.ndim) if omega0 is None else omega0
    choose("finer", "gradient", gradient, ("true", "detached"))
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


@preset
def finer_plus(
    box: Box,
    channels: int = 1,
    bandwidth: float | None = None,
    *,
    omega0: float | None = None,
    wrapped: Literal["gaussian", "wavelet"] = "gaussian",
    bias_range: float = 1.0,
    scale0: float | None = None,
    wavelet_omega: float | None = None,
    width: int = 128,
    depth: int = 4,
    head: HeadName = "linear",
    seed: int = 0,
) -> Prior:
    """A Gaussian or a complex Gabor wavelet of FINER's variable-period sine (Zhu et al. 2024, FINER++).

    Published for images: omega0=10, scale0=3 (Gaussian); omega0=5, scale0=2, wavelet_omega=4 (wavelet, whose layers
    have width / √2). The wavelet's defaults give the untrained field the spectral centroid of `siren`; the Gaussian's
    start two to three times above it: at that centroid its layers are nearly constant and do not train.
    """
    bandwidth, b = band(box, bandwidth)
    choose("finer_plus", "wrapped", wrapped, ("gaussian", "wavelet"))
    if wrapped == "gaussian":
        omega0 = siren_omega(b, box.ndim) / 3 if omega0 is None else omega0
        activation: Activation = FinerGaussian(
            omega0, bias_range, 2.0 if scale0 is None else scale0
        )
    else:
        omega0 = siren_omega(b, box.ndim) / 6 if omega0 is None else omega0
        gain = 0.15 * math.sqrt(b)  # what a layer multiplies frequencies by
        wavelet_omega = gain if wavelet_omega is None else wavelet_omega
        activation = FinerWavelet(
            omega0, bias_range, gain / 2 if scale0 is None else scale0, wavelet_omega
        )
        width = round(width / math.sqrt(2))
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


@preset
def hosc(
    box: Box,
    channels: int = 1,
    bandwidth: float | None = None,
    *,
    omega0: float | None = None,
    beta: float = 2.0,
    adaptive: bool = False,
    width: int = 128,
    depth: int = 4,
    head: HeadName = "linear",
    seed: int = 0,
) -> Prior:
    """Hyperbolic oscillator, tanh(beta sin(omega0 z)) (Serrano et al. 2024); `adaptive`: each layer learns its beta."""
    bandwidth, b = band(box, bandwidth)
    omega0 = siren_omega(b, box.ndim) if omega0 is None else omega0
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
    channels: int = 1,
    bandwidth: float | None = None,
    *,
    omega0: float | None = None,
    terms: int = 5,
    power: float = 2.0,
    width: int = 128,
    depth: int = 4,
    head: HeadName = "linear",
    seed: int = 0,
) -> Prior:
    """Trainable sums of sines, Σ a_k sin(w_k z + φ_k) in every layer (Morsali et al. 2025, STAF).

    `power` is the mean of τ a_k² at the start: 2 is the paper's theorem, 1/2 its code.
    """
    bandwidth, b = band(box, bandwidth)
    omega0 = siren_omega(b, box.ndim) if omega0 is None else omega0
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
