"""The spectrum of a linear frequency ramp: bins of the DFT of its samples, in closed form."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from inverse_inr.operators.radar.binned_tones import BinnedTones
from inverse_inr.operators.radar.delay import DelayTransform
from inverse_inr.operators.radar.precision import phasor
from inverse_inr.ranges import Count, Finite, NonNegative, Positive, checked

Window = Literal["rect", "hann", "hamming", "blackman"]
"""Names of windows, periodic ones."""
COSINE_WINDOWS: dict[Window, tuple[float, ...]] = {
    "rect": (1.0,),
    "hann": (0.5, 0.25),
    "hamming": (0.54, 0.23),
    "blackman": (0.42, 0.25, 0.04),
}
"""Coefficients a_m by name: w[n] = a_0 + 2 Σ_m (-1)^m a_m cos(2π m n / N), periodic."""


class DFTBins(DelayTransform):
    """Bins of the DFT of a ramp's samples, in closed form.

    Each bin is a real Dirichlet kernel, times a window's phases:

        X[k] = Σ_x w_x exp(-jπ k (N-1) / n_fft) D(S tau / fs - k / n_fft)
        D(u) = sin(π N u) / (N sin(π u))

    The carrier is at the middle of the ramp. A cosine window is a sum of shifted D. Bins are
    divided by the window's sum, so that a unit point on a bin has modulus 1.

    Args:
        bins: (K,) bins k.
        samples: Number N of samples of the ramp.
        size: Points n_fft of the zero-padded DFT.
        rate: Sampling rate fs in Hz.
        carrier: Frequency at the middle of the ramp in Hz.
        slope: S in Hz/s, negative for a ramp that runs down.
        window: A name in `COSINE_WINDOWS`.
    """

    bins: Tensor

    @checked
    def __init__(
        self,
        bins: Tensor,
        samples: Count,
        size: Count,
        rate: Positive,
        carrier: NonNegative,
        slope: Finite,
        window: Window = "rect",
    ) -> None:
        super().__init__(len(bins))
        self.bins = nn.Buffer(bins.clone())
        self.samples = samples
        self.size = size
        self.rate = rate
        self.carrier = carrier
        self.slope = slope
        first, *others = COSINE_WINDOWS[window]
        self.window = [a / first for a in others]
        if samples >= BinnedTones.worthwhile:
            self.fast = BinnedTones(samples)

    @property
    def width(self) -> int:
        return self.count * (2 + 4 * len(self.window))

    @property
    def bandwidth(self) -> float:
        return abs(self.slope) / self.rate * self.samples

    def dft(self, dtype: torch.dtype) -> Tensor:
        """The windowed DFT as a matrix.

        Args:
            dtype: Complex dtype of the result.

        Returns:
            (samples, K) complex, for the K bins that are kept.
        """
        n = torch.arange(self.samples, dtype=torch.float64, device=self.bins.device)
        w = torch.ones_like(n)
        for m, a in enumerate(self.window, 1):
            w = w + (-1) ** m * 2 * a * (2 * math.pi * m * n / self.samples).cos()
        turns = -(n[:, None] * self.bins % self.size) / self.size
        return (phasor(turns, torch.complex128) * w[:, None] / self.samples).to(dtype)

    def _half_step(self, delay: Tensor, dtype: torch.dtype) -> Tensor:
        """Phase from the ramp's middle to the nearest sample, the fast transform's carrier."""
        return phasor(
            (0.5 * (self.samples - 1) - self.samples // 2) * self.slope / self.rate * delay, dtype
        ).conj()

    @property
    def _is_odd(self) -> bool:
        """True if the middle of the ramp is a sample."""
        return self.samples % 2 == 1

    def quick(self, delay: Tensor, weights: Tensor) -> Tensor:
        assert self.fast is not None
        if not self._is_odd:
            weights = weights * self._half_step(delay, weights.dtype)
        return self.fast(self.slope / self.rate * delay, weights) @ self.dft(weights.dtype)

    def quick_adjoint(self, delay: Tensor, y: Tensor) -> Tensor:
        assert self.fast is not None
        echo = self.fast.adjoint(self.slope / self.rate * delay, y @ self.dft(y.dtype).mH)
        if self._is_odd:
            return echo
        return echo * self._half_step(delay, y.dtype).conj()

    @property
    def phasors(self) -> Tensor:
        turns = -0.5 * self.bins.double() * (self.samples - 1) / self.size
        return phasor(turns, torch.complex128)

    def response(self, delay: Tensor, dtype: torch.dtype) -> Tensor:
        real = dtype.to_real()
        n = self.samples
        u = (self.slope / self.rate) * delay[..., None] - self.bins.double() / self.size
        total = _dirichlet(u, n, real)
        if not self.window:
            return total
        total = torch.complex(total, torch.zeros_like(total))
        # shifted kernels carry the phase of the window's middle
        for m, a in enumerate(self.window, 1):
            for shift in (m, -m):
                angle = math.pi * shift * (n - 1) / n
                turn = complex(math.cos(angle), math.sin(angle))
                total = total + (-1) ** m * a * turn * _dirichlet(u + shift / n, n, real)
        return total


def _dirichlet(u: Tensor, n: int, dtype: torch.dtype) -> Tensor:
    """sin(π n u) / (n sin(π u)) without 0 / 0, in value and gradient.

    u is in cycles per sample and is wrapped in float64.
    """
    turns = u.detach().round()
    u = (u - turns).to(dtype)
    value = torch.sinc(n * u) / torch.sinc(u)
    if n % 2:
        return value
    return value * (1 - 2 * turns.remainder(2)).to(dtype)
