"""Networks whose activations are set by what was measured: the presets `incode` and `cosmo`.

A composer, a small network trained along, turns features of the data into the numbers that shape the activations. The
features are taken from the back-projected measurements that the fit may see, never from the truth (published INCODE
takes a randomly initialised ResNet of the degraded image). Before `condition` is called they are zero.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from inverse_inr.domain import Box
from inverse_inr.priors.activations import Activation, constant, uniform
from inverse_inr.priors.encodings import Identity
from inverse_inr.priors.functions.sinc import rolled_cosine, smooth_sinc
from inverse_inr.priors.heads import HeadName
from inverse_inr.priors.periodic import Sine, siren_omega
from inverse_inr.priors.preset import band, preset, seeded
from inverse_inr.priors.prior import Prior
from inverse_inr.priors.topologies import MLP, Modulation

FEATURES = 16


def image_features(image: Tensor) -> Tensor:
    """(*shape, c) real or complex image -> (FEATURES,) numbers that describe it, whatever its size, unit and scale.

    Eight quantiles of the standardised values, and the share of energy in eight bands of frequency, each twice as wide
    as the one before.
    """
    values = image.detach().abs().double() if image.is_complex() else image.detach().double()
    values = (values - values.mean()) / values.std().clamp(min=1e-12)
    levels = torch.linspace(0.02, 0.98, FEATURES // 2, dtype=values.dtype, device=values.device)
    quantiles = torch.quantile(values.flatten()[: 2**24], levels)
    axes = range(values.ndim - 1)
    energy = torch.fft.fftn(values, dim=tuple(axes)).abs().square().sum(-1)
    squares = [
        torch.fft.fftfreq(values.shape[k], dtype=values.dtype, device=values.device).square()
        for k in axes
    ]
    radius = sum(
        torch.meshgrid(*squares, indexing="ij"), torch.zeros((), dtype=values.dtype)
    ).sqrt()
    octave = (8 + torch.log2(2 * radius.clamp(min=1e-9))).floor().clamp(0, 7).long()
    share = torch.zeros(8, dtype=values.dtype, device=values.device)
    share.index_add_(0, octave.flatten(), energy.flatten())
    return torch.cat(
        [quantiles, torch.log10(share / share.sum().clamp(min=1e-30) + 1e-6) / 3]
    ).float()


class Composer(nn.Module):
    """features -> (layers, numbers): SiLU layers of 64 and 32, tiny weights, one bias (Kazerouni et al. 2024)."""

    def __init__(
        self, layers: int, numbers: int, generator: torch.Generator, bias: float = 0.312
    ) -> None:
        super().__init__()
        sizes = [FEATURES, 64, 32, layers * numbers]
        self.maps = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        for linear in self.maps:
            assert isinstance(linear, nn.Linear)
            nn.init.trunc_normal_(linear.weight, std=1e-3, generator=generator)
            nn.init.constant_(linear.bias, bias)
        self.numbers = numbers
        self.features = nn.Buffer(torch.zeros(FEATURES))

    def forward(self) -> Tensor:
        h = self.maps[0](self.features)
        for linear in list(self.maps)[1:]:
            h = linear(nn.functional.silu(h))
        return h.unflatten(-1, (-1, self.numbers))


class Conditioned(nn.Module):
    """An MLP whose activations take numbers from a composer; one row for all layers, or one each."""

    def __init__(self, network: MLP, composer: Composer) -> None:
        super().__init__()
        self.network, self.composer, self.smoothness = network, composer, network.smoothness

    def _modulation(self) -> Modulation:
        rows = self.composer()
        return [tuple(row.unbind(-1)) for row in rows.expand(len(self.network.layers), -1)]

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x, self._modulation())

    def on_axes(self, axes: Sequence[Tensor]) -> Tensor:
        return self.network.on_axes(axes, self._modulation())

    @property
    def wants_data(self) -> bool:
        return not bool(self.composer.features.any())

    def condition(self, image: Tensor) -> None:
        """Set the composer's features from an image of the measurements, e.g. their back-projection."""
        self.composer.features.copy_(image_features(image))


class ComposedSine(Sine):
    """e^a sin(e^b omega z + c) + d with (a, b, c, d) from the composer (INCODE, eq. 5; e^a and e^b as in its code)."""

    def forward(self, *z: Tensor) -> Tensor:
        h, a, b, c, d = z
        return a.exp() * torch.sin(b.exp() * self.omega * h + c) + d


class Incode(Conditioned):
    """INCODE's network; `penalty` is its own regularizer of the composer's numbers."""

    def penalty(self) -> Tensor:
        """Σ w relu(-number): keeps a, b, c, d from turning negative, weighted as in the published code."""
        weights = self.composer.features.new_tensor([0.1993, 0.0196, 0.0588, 0.0269])
        return (weights * torch.relu(-self.composer()[0])).sum()


class Cosmo(Activation):
    """rc(z) exp(2πjζz) of a complex z, on the unit circle before and after, with T and ζ from the composer.

    T = 10 sigmoid(t), ζ = 3 sigmoid(s) (COSMO-INR, 2025). The modulation moves an even pulse's spectrum off the blind
    spots of its symmetry. The first layer, whose z is real, stays off the circle (`project` is False).
    """

    is_complex = True

    def __init__(self, omega: float, rolloff: float, *, project: bool) -> None:
        super().__init__()
        self.omega, self.rolloff, self.project = constant(omega), constant(rolloff), project

    def forward(self, *z: Tensor) -> Tensor:
        h, period, shift = z
        value = torch.complex(*(self.omega * h).chunk(2, -1))
        value = _on_circle(value) if self.project else value
        t = value / (10 * torch.sigmoid(period))
        pulse = (
            smooth_sinc(math.pi * t)
            * rolled_cosine(2 * self.rolloff * t)
            / (10 * torch.sigmoid(period))
        )
        turn = 6 * math.pi * torch.sigmoid(shift)
        out = pulse * torch.polar(torch.exp(-turn * value.imag), turn * value.real)
        out = _on_circle(out) if self.project else out
        return torch.cat([out.real, out.imag], -1)

    def initialize(
        self, weight: Tensor, bias: Tensor, first: bool, generator: torch.Generator
    ) -> None:
        super().initialize(weight, bias, first, generator)
        uniform(weight, 1 / weight.shape[1], generator)


def _on_circle(z: Tensor) -> Tensor:
    return z * torch.rsqrt(z.real.square() + z.imag.square() + 1e-24)


@preset
def incode(
    box: Box,
    channels: int = 1,
    bandwidth: float | None = None,
    *,
    omega0: float | None = None,
    width: int = 128,
    depth: int = 4,
    head: HeadName = "linear",
    seed: int = 0,
) -> Prior:
    """SIREN whose sine's amplitude, frequency, phase and offset a composer sets from the data (Kazerouni et al. 2024).

    The solver conditions it on the back-projected measurements. `regularizers.PriorPenalty()` adds its own penalty.
    """
    bandwidth, b = band(box, bandwidth)
    omega0 = (
        siren_omega(b, box.ndim) / 4 if omega0 is None else omega0
    )  # e^b and hidden layers raise it
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
    channels: int = 1,
    bandwidth: float | None = None,
    *,
    omega0: float | None = None,
    rolloff: float = 0.05,
    width: int = 128,
    depth: int = 4,
    head: HeadName = "linear",
    seed: int = 0,
) -> Prior:
    """Raised-cosine pulses modulated off their blind spots, set by a composer from the data (COSMO-INR, 2025).

    Layers are complex and have width / √2. `omega0` scales the first layer (published: 1); the paper's roll-off is
    0.05, its code's 0.5.
    """
    bandwidth, b = band(box, bandwidth)
    omega0 = 4e-5 * b**2 if omega0 is None else omega0  # each later layer multiplies frequency
    generator = seeded(seed)

    def network(outputs: int) -> Conditioned:
        layers = [Cosmo(omega0 if k == 0 else 1.0, rolloff, project=k > 0) for k in range(depth)]
        mlp = MLP(
            box.ndim,
            outputs,
            width=round(width / math.sqrt(2)),
            depth=depth,
            generator=generator,
            activation=layers or Cosmo(omega0, rolloff, project=False),
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
