"""Encodings: normalised coordinates (*s, d) -> features (*s, size)."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn


class Encoding(nn.Module, ABC):
    """Maps normalised coordinates to `size` features; knows how smooth they are.

    `roles` names the kind of its own parameters for the optimiser; `fills_the_box` says that it is laid out on the
    box's shape, so that a state of another shape cannot be its own.
    """

    size: int
    smoothness: float = math.inf
    roles: ClassVar[dict[str, str]] = {}
    fills_the_box = False

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor: ...

    def on_axes(self, axes: Sequence[Tensor]) -> Tensor:
        """The features on the lattice of d normalised axes: (*shape, size)."""
        return self(torch.stack(torch.meshgrid(*axes, indexing="ij"), -1))


class Identity(Encoding):
    """The coordinates themselves."""

    def __init__(self, ndim: int) -> None:
        super().__init__()
        self.size = ndim

    def forward(self, x: Tensor) -> Tensor:
        return x


class FourierFeatures(Encoding):
    """[sin 2πBx, cos 2πBx], and x itself where `raw` (Tancik et al. 2020; log-spaced B: Mildenhall et al. 2020).

    `frequencies`: (m, d) in cycles per normalised unit. Learnable ones become a parameter. `octave` (m,) numbers the
    octave of each frequency where they are to appear one after the other while the run goes on (Lin et al. 2021, BARF,
    eq. 14); all are there at `progress` 1, as in a prior that no solver has touched.
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
        self.frequencies = nn.Parameter(frequencies) if learnable else nn.Buffer(frequencies)
        self.raw = raw
        self.size = 2 * len(frequencies) + (frequencies.shape[1] if raw else 0)
        self.octave = None if octave is None else nn.Buffer(octave.to(frequencies.dtype))
        self.progress = None if octave is None else nn.Buffer(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        phase = 2 * math.pi * (x @ self.frequencies.mT)
        return self._joined(torch.sin(phase), torch.cos(phase), x)

    def on_axes(self, axes: Sequence[Tensor]) -> Tensor:
        """exp(2πi b·x) is a product over the axes: sines of axes, not of points."""
        wave = None
        for k, axis in enumerate(axes):
            phase = 2 * math.pi * axis[:, None] * self.frequencies[:, k]
            along = torch.polar(torch.ones_like(phase), phase)
            wave = along if wave is None else wave[..., None, :] * along
        assert wave is not None
        return self._joined(
            wave.imag, wave.real, torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)
        )

    def _joined(self, sine: Tensor, cosine: Tensor, x: Tensor) -> Tensor:
        if self.octave is not None and self.progress is not None:
            count = self.octave.max() + 1
            grown = (self.progress * count - self.octave).clamp(0, 1)
            window = (1 - torch.cos(math.pi * grown)) / 2
            sine, cosine = sine * window, cosine * window
        return torch.cat([sine, cosine, x] if self.raw else [sine, cosine], -1)

    def anneal(self, progress: float) -> None:
        """All octaves are in by half of the run."""
        if self.progress is not None:
            self.progress.fill_(min(1.0, 2 * progress))


def gaussian_frequencies(
    ndim: int, count: int, deviation: float, generator: torch.Generator
) -> Tensor:
    """(count, d) from N(0, deviation²), cycles per normalised unit."""
    return deviation * torch.randn(count, ndim, generator=generator)


def octave_frequencies(ndim: int, highest: float) -> tuple[Tensor, Tensor]:
    """Per axis 1/2, 1, 2, 4 ... up to `highest` cycles per normalised unit: (octaves · d, d), and each one's octave."""
    octaves = max(1, 1 + round(math.log2(2 * highest)))
    scales = 0.5 * 2.0 ** torch.arange(octaves)
    return torch.cat([f * torch.eye(ndim) for f in scales]), torch.arange(
        octaves
    ).repeat_interleave(ndim)
