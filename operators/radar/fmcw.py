"""FMCW radar: the beat signal's spectrum in closed form, or its samples.

FMCW means frequency-modulated continuous wave. A ramp f0 + S t is sent and its echo is mixed with
it, tx · conj(rx), for sign +1 and t in [t_s, t_s + (N - 1) / fs]:

    s_p(t) = Σ_x sigma(x) a_p(x) exp{ j 2π ( f0 tau + S tau t - S tau² / 2 ) }

The last term, the residual video phase, is kept. Each bin of the DFT is one complex exponential
per point, at the ramp's middle frequency, times a real Dirichlet kernel. Units are SI throughout.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from inverse_inr import Box, Grid, memory
from inverse_inr.operators.radar.amplitudes import Pattern, Spreading
from inverse_inr.operators.radar.dft_bins import DFTBins, Window
from inverse_inr.operators.radar.geometry import SPEED_OF_LIGHT, RadarGeometry
from inverse_inr.operators.radar.kinds import Basis, Degree
from inverse_inr.operators.radar.operator import RadarOperator
from inverse_inr.operators.radar.tones import Tones
from inverse_inr.operators.radar.unit_checks import check_frequency, check_slope
from inverse_inr.ranges import Count, Finite, NonNegative, Positive, WholeNumber, checked


@checked
@dataclass(frozen=True)
class Chirp:
    """A linear ramp as it is sampled.

    Use Python floats, never float32 tensors: `linspace(77e9, 80e9)` in float32 is off by 4 kHz.

    A ramp that runs down has a negative slope, and `start_frequency` then is its highest one. The
    beat signal is the same formula. (Its samples reversed in time are those of a ramp up from its
    lowest frequency, but for the residual video phase.)

    Args:
        start_frequency: Frequency at the ramp's start in Hz.
        slope: In Hz/s, negative if the ramp runs down.
        sample_rate: In Hz.
        samples: Number of samples.
        start_time: Time of the first sample in s from the ramp's start.

    Raises:
        ValueError: If a value is not finite and positive (start_frequency and start_time may be
            0, slope negative), samples is not whole, a ramp runs below 0 Hz, or frequencies are
            none of a radar: in another unit than Hz.
    """

    start_frequency: NonNegative
    slope: Finite
    sample_rate: Positive
    samples: Count
    start_time: NonNegative = 0.0

    def __post_init__(self) -> None:
        may_be_zero = ("start_frequency", "start_time")
        for name in ("start_frequency", "slope", "sample_rate", "samples", "start_time"):
            value = getattr(self, name)
            allowed = value > 0 or (value == 0 and name in may_be_zero)
            if name == "slope":
                allowed = value != 0
            if not (math.isfinite(value) and allowed):
                kind = "finite and not 0" if name == "slope" else "positive and finite"
                raise ValueError(f"Chirp: {name} must be {kind}, got {value}.")
        if self.samples != int(self.samples):
            raise ValueError(f"Chirp: samples must be a whole number, got {self.samples}.")
        if self.start_time > 100 * self.samples / self.sample_rate:
            raise ValueError(
                f"Chirp: the first sample is {self.start_time:.6g} s after the ramp's start, and "
                f"all are taken within {self.samples / self.sample_rate:.4g} s. A start_time in "
                "µs, or a rate in MHz? They are in s and Hz here."
            )
        check_frequency("Chirp: start_frequency", self.start_frequency)
        ends = [self.frequency_at(self.start_time), self.frequency_at(self._last_time)]
        if min(ends) < 0:
            raise ValueError(
                f"Chirp: a ramp down from {self.start_frequency:.6g} Hz with {self.slope:.6g} Hz/s "
                f"is at {min(ends):.6g} Hz when the last sample is taken. start_frequency is that "
                "at the ramp's start, the highest of a ramp down."
            )
        check_frequency("Chirp: its highest frequency", max(ends))

    @property
    def _last_time(self) -> float:
        """Time of the last sample in s from the ramp's start."""
        return self.start_time + (self.samples - 1) / self.sample_rate

    @checked
    def frequency_at(self, time: Finite) -> float:
        """The ramp's frequency at some time.

        Args:
            time: In s from the ramp's start.

        Returns:
            In Hz.
        """
        return self.start_frequency + self.slope * time

    @property
    def bandwidth(self) -> float:
        """Hz that are sampled, |slope| · samples / sample_rate: it sets the resolution."""
        return abs(self.slope) * self.samples / self.sample_rate

    @property
    def center_frequency(self) -> float:
        """Hz in the middle of the samples: the carrier of every bin."""
        return self.frequency_at(self.start_time + 0.5 * (self.samples - 1) / self.sample_rate)

    @property
    def wavelength(self) -> float:
        """Metres at the centre frequency."""
        return SPEED_OF_LIGHT / self.center_frequency

    @property
    def range_resolution(self) -> float:
        """C / 2B in metres: one bin."""
        return SPEED_OF_LIGHT / (2 * self.bandwidth)

    @property
    def range_max(self) -> float:
        """Unambiguous range fs c / 2S in metres with complex samples; with real ones it is half."""
        return self.sample_rate * SPEED_OF_LIGHT / (2 * abs(self.slope))

    @property
    def frequencies(self) -> Tensor:
        """The ramp's frequency at each sample: (N,) in Hz, float64."""
        memory.require(f"Chirp: {self.samples} samples", 24 * self.samples, "Fewer samples.")
        times = self.start_time + torch.arange(self.samples, dtype=torch.float64) / self.sample_rate
        return self.start_frequency + self.slope * times

    @checked
    def bins_for(
        self, box: Box, geometry: RadarGeometry, margin: WholeNumber = 2, size: Count | None = None
    ) -> Tensor:
        """DFT bins that echoes from a box fall into, and some more on both sides.

        Args:
            box: The scene's box in metres.
            geometry: Antennas and reference paths.
            margin: Further bins of an unpadded DFT on each side.
            size: Points of the DFT; None for the number of samples.

        Returns:
            (K,) whole numbers, in the order of range, modulo `size`.
        """
        if size is None:
            size = self.samples
        near, far = geometry.path_limits(box)
        per_metre = self.slope * size / (self.sample_rate * SPEED_OF_LIGHT)
        pad = margin * math.ceil(size / self.samples)
        ends = [
            float((near - geometry.reference_path).min()) * per_metre,
            float((far - geometry.reference_path).max()) * per_metre,
        ]
        first = math.floor(min(ends)) - pad
        last = math.ceil(max(ends)) + pad
        memory.require(f"Chirp: {last - first + 1} bins", 16 * (last - first + 1), "Fewer bins.")
        return torch.arange(first, min(last, first + size - 1) + 1) % size


class FMCW(RadarOperator):
    """Beat signal of a linear ramp: rows are pulses of K complex values each.

    A unit point on a bin has modulus 1 before spreading. For sign -1 everything is conjugated:
    bin k then is bin -k of the DFT of the conjugate samples.

    Args:
        box: The scene's box in metres.
        geometry: Antennas of each pulse.
        chirp: The ramp and its samples.
        bins: (K,) DFT bins to predict; None for those of the box and two more on either side.
        window: "rect", "hann", "hamming" or "blackman" (periodic), by which the samples are
            multiplied before the DFT.
        readout: "bins" for fft(window · samples, size)[bins] / sum(window), or "samples" for the
            samples themselves.
        size: Points of the zero-padded DFT; None for the number of samples.
        points: As in `RadarOperator`.
        basis: As in `RadarOperator`.
        spreading: As in `RadarOperator`.
        pattern: As in `RadarOperator`.
        degree: As in `RadarOperator`.

    Raises:
        ValueError: If ranges are beyond the unambiguous one, a window or readout is unknown, or
            bins do not fit the DFT; and as `RadarGeometry.check`.
    """

    @checked
    def __init__(
        self,
        box: Box,
        geometry: RadarGeometry,
        chirp: Chirp,
        *,
        bins: Tensor | None = None,
        window: Window = "rect",
        readout: Literal["bins", "samples"] = "bins",
        size: Count | None = None,
        points: Grid | Tensor | None = None,
        basis: Basis = "point",
        spreading: Spreading = "product",
        pattern: Pattern | None = None,
        degree: Degree = 0,
    ) -> None:
        if size is None:
            size = chirp.samples
        if size < chirp.samples:
            raise ValueError(
                f"FMCW: size={size} of the DFT is less than the chirp's {chirp.samples} samples."
            )
        geometry.check(box, chirp.wavelength)
        _check_range(box, geometry, chirp)
        check_slope(
            chirp.range_resolution, 0.5 * float(geometry.path_limits(box)[1].max()), chirp.slope
        )
        if readout == "samples":
            transform = _sampled(chirp, bins, window)
        else:
            if bins is None:
                bins = chirp.bins_for(box, geometry, size=size)
            transform = _binned(chirp, bins, size, window)
        self.chirp = chirp
        self.window = window
        super().__init__(
            box,
            geometry,
            transform,
            points=points,
            basis=basis,
            spreading=spreading,
            pattern=pattern,
            degree=degree,
            shortest=SPEED_OF_LIGHT / float(chirp.frequencies.max()),
        )

    @property
    def bins(self) -> Tensor | None:
        """The DFT bins (K,) of the columns; None for samples."""
        if isinstance(self.transform, DFTBins):
            return self.transform.bins
        return None


def _sampled(chirp: Chirp, bins: Tensor | None, window: str) -> Tones:
    """The transform of a chirp to its samples; raises ValueError if bins or a window are given."""
    if bins is not None or window != "rect":
        raise ValueError("FMCW: bins and window belong to readout='bins'.")
    return Tones(chirp.frequencies, chirp.slope)


def _binned(chirp: Chirp, bins: Tensor, size: int, window: Window) -> DFTBins:
    """The transform of a chirp to some bins; raises ValueError for bins outside the DFT."""
    if bins.ndim != 1 or bins.is_floating_point() or bins.is_complex():
        raise ValueError(
            f"FMCW: bins must be (K,) whole numbers, got {bins.dtype} of shape {tuple(bins.shape)}."
        )
    bins = bins.long()
    if not len(bins) or int(bins.min()) < 0 or int(bins.max()) >= size:
        raise ValueError(f"FMCW: bins must lie in 0 .. {size - 1}, got {bins.tolist()}.")
    return DFTBins(
        bins,
        chirp.samples,
        size,
        chirp.sample_rate,
        chirp.center_frequency,
        chirp.slope,
        window,
    )


def _check_range(box: Box, geometry: RadarGeometry, chirp: Chirp) -> None:
    """Raise ValueError where the box reaches beyond the chirp's unambiguous range."""
    near, far = geometry.path_limits(box)
    if bool((geometry.reference_path != 0).any()):
        what = "The box spans ranges of"
        reach = 0.5 * float((far - near).max())
    else:
        what = "The box reaches to a range of"
        reach = 0.5 * float(far.max())
    if reach >= chirp.range_max:
        raise ValueError(
            f"{what} {reach:.4g} m, beyond the chirp's unambiguous {chirp.range_max:.4g} m "
            "(fs c / 2S): echoes would fold over. A smaller box, a higher sample rate, or a wrong "
            "unit of the slope (Hz/s)?"
        )
