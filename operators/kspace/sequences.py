"""Signal equations of pulse sequences: what tissue gives at each echo or inversion.

A sequence is a module that takes tissue maps (*s, channels) to signals (*s, images). Amplitudes are
real for spin echo and inversion recovery, where the coils hold the phase, and complex for gradient
echoes. Times are in seconds, rates in 1/s, frequencies in Hz.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from inverse_inr.ranges import FiniteTensor, Positive, checked

FAT_SHIFTS = (-3.80, -3.40, -2.60, -1.94, -0.39, 0.60)
"""Frequencies of the peaks of fat against water, in parts per million of the field.

Source:
    Hamilton et al., NMR Biomed. 24, 2011; Yu et al., MRM 60, 2008.
"""
FAT_AMPLITUDES = (0.087, 0.693, 0.128, 0.004, 0.039, 0.048)
"""Their shares of fat's signal."""
GYROMAGNETIC_RATIO = 42.577
"""Of protons, over 2π, in MHz/T."""


class Sequence(nn.Module, ABC):
    """A signal equation.

    Args:
        times: (images,) echo or inversion times in s.

    Attributes:
        names: Names of the channels of the maps.
    """

    names: ClassVar[tuple[str, ...]]
    times: Tensor

    @checked
    def __init__(self, times: FiniteTensor) -> None:
        super().__init__()
        if times.ndim != 1 or not len(times) or not bool((times >= 0).all()):
            raise ValueError(
                f"{type(self).__name__}: times must be (images,) and not negative, in s; got "
                f"{tuple(times.shape)}."
            )
        if float(times.max()) > 100:
            raise ValueError(
                f"{type(self).__name__}: times reach {float(times.max()):g} s. Milliseconds?"
            )
        self.times = nn.Buffer(times.detach().clone())

    @abstractmethod
    def forward(self, maps: Tensor) -> Tensor:
        """The signals of tissue.

        Args:
            maps: (*s, channels), as `names` says.

        Returns:
            (*s, images).
        """

    def _columns(self, maps: Tensor) -> list[Tensor]:
        """The channels, (*s, 1) each."""
        if maps.shape[-1] != len(self.names):
            raise ValueError(
                f"{type(self).__name__}: maps of {maps.shape[-1]} channels; expected "
                f"{len(self.names)}: {', '.join(self.names)}."
            )
        return list(maps.split(1, -1))

    def _at(self, maps: Tensor) -> Tensor:
        """The times in the precision and on the device of the maps."""
        return self.times.to(maps.device, maps.dtype.to_real())


class SpinEcho(Sequence):
    """Echoes of a spin echo: S = m exp(-TE R2), with maps of m and R2 = 1/T2.

    Args:
        times: (images,) echo times in s.

    Source:
        Hahn, Phys. Rev. 80, 1950; Carr & Purcell 1954.
    """

    names = ("magnetisation", "R2")

    def forward(self, maps: Tensor) -> Tensor:
        m, rate = self._columns(maps)
        return m * torch.exp(-rate * self._at(maps))


class InversionRecovery(Sequence):
    """Inversion recovery: S = m (1 - 2 exp(-TI R1) + exp(-TR R1)), with maps of m and R1 = 1/T1.

    The inversion is complete, and the phase is kept: S is negative before its zero.

    Args:
        times: (images,) inversion times in s.
        repetition: TR in s; None for a full recovery.

    Source:
        Barral et al., MRM 64, 2010, with complete inversion.
    """

    names = ("magnetisation", "R1")

    @checked
    def __init__(self, times: FiniteTensor, repetition: Positive | None = None) -> None:
        super().__init__(times)
        if repetition is not None and repetition <= float(times.max()):
            raise ValueError(
                f"InversionRecovery: repetition={repetition:g} s is not longer than the last "
                f"inversion time, {float(times.max()):g} s."
            )
        self.repetition = repetition

    def forward(self, maps: Tensor) -> Tensor:
        m, rate = self._columns(maps)
        late = 0.0
        if self.repetition is not None:
            late = torch.exp(-self.repetition * rate)
        return m * (1 - 2 * torch.exp(-rate * self._at(maps)) + late)


class GradientEchoes(Sequence):
    """Multi-echo gradient echo of water and fat: S = (w + f a(TE)) exp(-TE (R2* - 2πi B0)).

    a(t) = Σ_p a_p exp(2πi δ_p t) is the known spectrum of fat. Maps are the water w, the fat f,
    R2* = 1/T2*, and the off-resonance B0 in Hz.

    Args:
        times: (images,) echo times in s.
        field: Strength of the main field in T, from which the shifts of fat follow.

    Source:
        Dixon 1984; Yu et al., MRM 60, 2008 (many peaks and one T2*).
    """

    names = ("water", "fat", "R2*", "B0")

    @checked
    def __init__(self, times: FiniteTensor, field: Positive = 3.0) -> None:
        super().__init__(times)
        shifts = times.new_tensor(FAT_SHIFTS, dtype=torch.float64) * GYROMAGNETIC_RATIO * field
        angle = 2 * math.pi * shifts * times.double()[:, None]
        peaks = torch.polar(angle.new_tensor(FAT_AMPLITUDES).expand(angle.shape), angle)
        self.spectrum = nn.Buffer(torch.view_as_real(peaks.sum(-1)))

    def forward(self, maps: Tensor) -> Tensor:
        water, fat, rate, off = self._columns(maps)
        t = self._at(maps)
        spectrum = torch.view_as_complex(self.spectrum.to(t.device, t.dtype))
        decay = torch.exp(-rate * t)
        turn = torch.polar(decay, 2 * math.pi * off * t)
        return (water + fat * spectrum) * turn
