"""Activations set by what was measured: a composer, and networks that take numbers from it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from inverse_inr.priors.topologies import MLP, Modulation

FEATURES = 16
"""Numbers that describe an image: half of them quantiles, half of them octaves."""

OCTAVES = 8
"""Bands of frequency, each twice as wide as the one before; the last begins at half of Nyquist."""


def image_features(image: Tensor) -> Tensor:
    """Describe an image by a few numbers, whatever its size, unit and scale.

    They are eight quantiles of the standardised values, and the share of energy in eight bands of
    frequency, each twice as wide as the one before.

    Args:
        image: (*shape, c), real or complex; of complex values the modulus counts.

    Returns:
        (FEATURES,) in float32.
    """
    values = image.detach()
    if values.is_complex():
        values = values.abs()
    values = values.double()
    values = (values - values.mean()) / values.std().clamp(min=1e-12)
    levels = torch.linspace(0.02, 0.98, FEATURES // 2, dtype=values.dtype, device=values.device)
    quantiles = torch.quantile(values.flatten()[: 2**24], levels)
    logarithms = torch.log10(_octave_shares(values) + 1e-6)
    return torch.cat([quantiles, logarithms / 3]).float()


def _octave_shares(values: Tensor) -> Tensor:
    """The share of energy in each octave of frequency: (OCTAVES,)."""
    axes = range(values.ndim - 1)
    energy = torch.fft.fftn(values, dim=tuple(axes)).abs().square().sum(-1)
    squares = [
        torch.fft.fftfreq(values.shape[k], dtype=values.dtype, device=values.device).square()
        for k in axes
    ]
    squared = sum(torch.meshgrid(*squares, indexing="ij"), torch.zeros((), dtype=values.dtype))
    height = OCTAVES + torch.log2(2 * squared.sqrt().clamp(min=1e-9))
    octave = height.floor().clamp(0, OCTAVES - 1).long()
    share = torch.zeros(OCTAVES, dtype=values.dtype, device=values.device)
    share.index_add_(0, octave.flatten(), energy.flatten())
    return share / share.sum().clamp(min=1e-30)


class Composer(nn.Module):
    """A small network from features of the data to numbers for each layer's activation.

    It has SiLU layers of 64 and 32, and starts with tiny weights and one bias everywhere.

    Args:
        layers: Rows of its output: one per layer, or one that all layers share.
        numbers: Numbers per row.
        generator: Source of the random starting weights.
        bias: Where all biases start.

    Source:
        Kazerouni et al. 2024, INCODE.
    """

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
        """Compose the numbers of the features that were set last: (layers, numbers)."""
        h = self.maps[0](self.features)
        for linear in list(self.maps)[1:]:
            h = linear(nn.functional.silu(h))
        return h.unflatten(-1, (-1, self.numbers))


class Conditioned(nn.Module):
    """An MLP whose activations take numbers from a composer: one row for all layers, or one each.

    Args:
        network: The MLP.
        composer: Makes the numbers, and holds the features of the data.
    """

    def __init__(self, network: MLP, composer: Composer) -> None:
        super().__init__()
        self.network = network
        self.composer = composer
        self.smoothness = network.smoothness

    def _modulation(self) -> Modulation:
        rows = self.composer()
        return [tuple(row.unbind(-1)) for row in rows.expand(len(self.network.layers), -1)]

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate at normalised coordinates (*s, d): (*s, outputs)."""
        return self.network(x, self._modulation())

    def on_axes(self, axes: Sequence[Tensor]) -> Tensor:
        """Evaluate on the lattice of d normalised axes: (*shape, outputs)."""
        return self.network.on_axes(axes, self._modulation())

    @property
    def wants_data(self) -> bool:
        """True until it has been shown an image."""
        return not bool(self.composer.features.any())

    def condition(self, image: Tensor) -> None:
        """Set the composer's features from an image of the measurements.

        Args:
            image: (*shape, c), e.g. the back-projected measurements. Never the truth.
        """
        self.composer.features.copy_(image_features(image))
