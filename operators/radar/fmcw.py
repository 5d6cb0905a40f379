"""Frequency-modulated continuous-wave radar: the spectrum of the beat signal in closed form, or its samples.

A ramp f0 + S t sent, its echo mixed with it, tx · conj(rx), for sign +1 and t in [t_s, t_s + (N - 1) / fs]:

    s_p(t) = Σ_x sigma(x) a_p(x) exp{ j 2π ( f0 tau + S tau t - S tau² / 2 ) }

The last term, the residual video phase, is kept. Each bin of its DFT is one complex exponential a point, at the
ramp's middle frequency, times a real Dirichlet kernel. SI units throughout.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from inverse_inr import Box, Grid
from inverse_inr.operators.radar.delay import COSINE_WINDOWS, DFTBins, Tones
from inverse_inr.operators.radar.geometry import SPEED_OF_LIGHT, RadarGeometry
from inverse_inr.operators.radar.operator import Pattern, RadarOperator, Spreading


@dataclass(frozen=True)
class Chirp:
    """A linear ramp as it is sampled: frequencies in Hz, `slope` in Hz/s, times in s from the ramp's start.

    Python floats, never float32 tensors: `linspace(77e9, 80e9)` in float32 is off by 4 kHz.
    Raises ValueError for values that are not positive and finite.
    """

    start_frequency: float
    slope: float
    sample_rate: float
    samples: int
    start_time: float = 0.0

    def __post_init__(self) -> None:
        for name in ("start_frequency", "slope", "sample_rate", "samples", "start_time"):
            value, least = getattr(self, name), name in ("start_frequency", "start_time")
            if not (math.isfinite(value) and (value >= 0 if least else value > 0)):
                raise ValueError(
                    f"Chirp: {name} must be positive and finite, got {value}. A ramp down? Conjugate it."
                )
        if self.center_frequency > 1e15 or self.samples != int(self.samples):
            raise ValueError(f"Chirp: SI units (Hz, Hz/s, s) and whole samples, got {self}.")

    @property
    def bandwidth(self) -> float:
        """Hz that are sampled, slope · samples / sample_rate: it sets the resolution."""
        return self.slope * self.samples / self.sample_rate

    @property
    def center_frequency(self) -> float:
        """Hz in the middle of the samples: the carrier of every bin."""
        return self.start_frequency + self.slope * (
            self.start_time + 0.5 * (self.samples - 1) / self.sample_rate
        )

    @property
    def wavelength(self) -> float:
        return SPEED_OF_LIGHT / self.center_frequency

    @property
    def range_resolution(self) -> float:
        """c / 2B in metres: one bin."""
        return SPEED_OF_LIGHT / (2 * self.bandwidth)

    @property
    def range_max(self) -> float:
        """Unambiguous range in metres with complex samples, fs c / 2S (half of it with real ones)."""
        return self.sample_rate * SPEED_OF_LIGHT / (2 * self.slope)

    @property
    def frequencies(self) -> Tensor:
        """(N,) float64: the ramp's frequency at each sample, in Hz."""
        times = self.start_time + torch.arange(self.samples, dtype=torch.float64) / self.sample_rate
        return self.start_frequency + self.slope * times

    def bins_for(
        self, box: Box, geometry: RadarGeometry, margin: int = 2, size: int | None = None
    ) -> Tensor:
        """The DFT bins (of `size` points) that echoes from the box fall into, and `margin` more on both sides."""
        size = self.samples if size is None else size
        near, far = geometry.path_limits(box)
        per_metre = self.slope * size / (self.sample_rate * SPEED_OF_LIGHT)
        pad = margin * math.ceil(size / self.samples)
        first = math.floor(float((near - geometry.reference_path).min()) * per_metre) - pad
        last = math.ceil(float((far - geometry.reference_path).max()) * per_metre) + pad
        return torch.arange(first, min(last, first + size - 1) + 1) % size


class FMCW(RadarOperator):
    """Beat signal of a linear ramp: (P, K) complex, rows are pulses.

    bins       DFT bins to predict; default: those of the box and two more on either side
    window     "rect", "hann", "hamming" or "blackman" (periodic), as multiplied to the samples before the DFT
    readout    "bins": fft(window · samples, size)[bins] / sum(window); "samples": the samples themselves
    size       of the DFT, zero-padded; default: the number of samples

    A unit point on a bin has modulus 1 before spreading. For sign -1 everything is conjugated: bin k then is bin -k
    of the DFT of the conjugate samples. Keywords of `RadarOperator` besides.
    Raises ValueError for ranges beyond the unambiguous one, unknown windows and readouts.
    """

    def __init__(
        self,
        box: Box,
        geometry: RadarGeometry,
        chirp: Chirp,
        *,
        bins: Tensor | None = None,
        window: str = "rect",
        readout: Literal["bins", "samples"] = "bins",
        size: int | None = None,
        points: Grid | Tensor | None = None,
        basis: str = "point",
        spreading: Spreading = "product",
        pattern: Pattern | None = None,
        degree: int = 0,
    ) -> None:
        size = chirp.samples if size is None else size
        if window not in COSINE_WINDOWS:
            raise ValueError(
                f"FMCW: window must be one of {sorted(COSINE_WINDOWS)}, got {window!r}."
            )
        if size < chirp.samples:
            raise ValueError(
                f"FMCW: size={size} of the DFT is less than the chirp's {chirp.samples} samples."
            )
        geometry.check(box, chirp.wavelength)
        _check_range(box, geometry, chirp)
        if readout == "samples":
            if bins is not None or window != "rect":
                raise ValueError("FMCW: bins and window belong to readout='bins'.")
            transform = Tones(chirp.frequencies, chirp.slope)
        elif readout == "bins":
            bins = chirp.bins_for(box, geometry, size=size) if bins is None else bins.long()
            if not len(bins) or int(bins.min()) < 0 or int(bins.max()) >= size:
                raise ValueError(f"FMCW: bins must lie in 0 .. {size - 1}, got {bins.tolist()}.")
            transform = DFTBins(
                bins,
                chirp.samples,
                size,
                chirp.sample_rate,
                chirp.center_frequency,
                chirp.slope,
                window,
            )
        else:
            raise ValueError(f"FMCW: readout must be 'bins' or 'samples', got {readout!r}.")
        self.chirp, self.window = chirp, window
        shortest = SPEED_OF_LIGHT / float(chirp.frequencies[-1])
        super().__init__(
            box,
            geometry,
            transform,
            points=points,
            basis=basis,
            spreading=spreading,
            pattern=pattern,
            degree=degree,
            shortest=shortest,
        )

    @property
    def bins(self) -> Tensor | None:
        """The DFT bins of the columns; None for samples."""
        return self.transform.bins if isinstance(self.transform, DFTBins) else None


def _check_range(box: Box, geometry: RadarGeometry, chirp: Chirp) -> None:
    near, far = geometry.path_limits(box)
    referenced = bool((geometry.reference_path != 0).any())
    reach = 0.5 * float((far - near if referenced else far).max())
    if reach >= chirp.range_max:
        what = "The box spans ranges of" if referenced else "The box reaches to a range of"
        raise ValueError(
            f"{what} {reach:.4g} m, beyond the chirp's unambiguous {chirp.range_max:.4g} m (fs c / 2S): echoes would "
            "fold over. A smaller box, a higher sample rate, or a wrong unit of the slope (Hz/s)?"
        )
