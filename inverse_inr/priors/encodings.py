"""Encodings: normalised coordinates (*s, d) -> features (*s, size)."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn


class Encoding(nn.Module, ABC):
    """A map from normalised coordinates to features, which knows how smooth they are.

    Attributes:
        size: The number of features.
        smoothness: Continuous derivatives: 0 for kinks, infinity for smooth features.
        roles: Role of each of its own parameters, by name, for the optimiser.
        fills_the_box: Whether it is laid out on the box's shape, so that a state of another shape
            cannot be its own.
    """

    size: int
    smoothness: float = math.inf
    roles: ClassVar[dict[str, str]] = {}
    fills_the_box = False

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Evaluate at normalised coordinates (*s, d): (*s, size)."""
        ...

    def on_axes(self, axes: Sequence[Tensor]) -> Tensor:
        """Evaluate on a lattice.

        Args:
            axes: For each of d axes the normalised coordinates along it, (n_k,).

        Returns:
            (n_1, ..., n_d, size).
        """
        return self(torch.stack(torch.meshgrid(*axes, indexing="ij"), -1))


class Identity(Encoding):
    """The coordinates themselves.

    Args:
        ndim: The number of coordinates.
    """

    def __init__(self, ndim: int) -> None:
        super().__init__()
        self.size = ndim

    def forward(self, x: Tensor) -> Tensor:
        return x


class FourierFeatures(Encoding):
    """Fourier features [sin 2πBx, cos 2πBx], followed by x itself if `raw`.

    Octaves may appear one after the other while the run goes on (BARF). All of them are there at
    `progress` 1, as in a prior that no solver has touched.

    Args:
        frequencies: B, (m, d) in cycles per normalised unit.
        learnable: Whether the frequencies are learnt.
        raw: Whether the coordinates are features too.
        octave: (m,) number of each frequency's octave, from 0; None for no annealing.

    Source:
        Tancik et al. 2020; log-spaced B: Mildenhall et al. 2020; annealing: Lin et al. 2021, BARF,
        eq. 14.
    """

    roles: ClassVar[dict[str, str]] = {"frequencies": "frequencies"}

    def __init__(
        self,
        frequencies: Tensor,
        *,
        learnable: bool = False,
        raw: bool = False,
        octave: Tensor | None = None,
    ) -> None:
        super().__init__()
        if learnable:
            self.frequencies = nn.Parameter(frequencies)
        else:
            self.frequencies = nn.Buffer(frequencies)
        self.raw = raw
        self.size = 2 * len(frequencies)
        if raw:
            self.size += frequencies.shape[1]
        if octave is None:
            self.octave = None
            self.progress = None
        else:
            self.octave = nn.Buffer(octave.to(frequencies.dtype))
            self.progress = nn.Buffer(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        phase = 2 * math.pi * (x @ self.frequencies.mT)
        return self._joined(torch.sin(phase), torch.cos(phase), x)

    def on_axes(self, axes: Sequence[Tensor]) -> Tensor:
        """Evaluate on a lattice by sines of axes, not of points.

        exp(2πi b·x) is a product over the axes.
        """
        waves = []
        for k, axis in enumerate(axes):
            phase = 2 * math.pi * axis[:, None] * self.frequencies[:, k]
            waves.append(torch.polar(torch.ones_like(phase), phase))
        wave = waves[0]
        for along in waves[1:]:
            wave = wave[..., None, :] * along
        points = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)
        return self._joined(wave.imag, wave.real, points)

    def _joined(self, sine: Tensor, cosine: Tensor, x: Tensor) -> Tensor:
        if self.octave is not None and self.progress is not None:
            count = self.octave.max() + 1
            grown = (self.progress * count - self.octave).clamp(0, 1)
            window = (1 - torch.cos(math.pi * grown)) / 2
            sine = sine * window
            cosine = cosine * window
        if self.raw:
            return torch.cat([sine, cosine, x], -1)
        return torch.cat([sine, cosine], -1)

    def anneal(self, progress: float) -> None:
        """Let the octaves in; all are in by half of the run.

        Args:
            progress: The fraction of the run that is done, from 0 to 1.
        """
        if self.progress is not None:
            self.progress.fill_(min(1.0, 2 * progress))


def gaussian_frequencies(
    ndim: int, count: int, deviation: float, generator: torch.Generator
) -> Tensor:
    """Draw frequencies from N(0, deviation²).

    Args:
        ndim: The number of coordinates, d.
        count: How many frequencies to draw.
        deviation: Standard deviation along each axis, in cycles per normalised unit.
        generator: Source of the random numbers.

    Returns:
        (count, d) in cycles per normalised unit.
    """
    return deviation * torch.randn(count, ndim, generator=generator)


def octave_frequencies(ndim: int, highest: float) -> tuple[Tensor, Tensor]:
    """List the frequencies 1/2, 1, 2, 4 ... along each axis.

    Args:
        ndim: The number of coordinates, d.
        highest: The last octave is the one nearest to it, in cycles per normalised unit.

    Returns:
        (frequencies, octave): (octaves · d, d) in cycles per normalised unit, and the number of
        each one's octave.
    """
    octaves = max(1, 1 + round(math.log2(2 * highest)))
    scales = 0.5 * 2.0 ** torch.arange(octaves)
    # no torch.eye: where memory is counted it imports the compiler, which takes a second
    frequencies = torch.cat([torch.diag(torch.full((ndim,), float(f))) for f in scales])
    return frequencies, torch.arange(octaves).repeat_interleave(ndim)
