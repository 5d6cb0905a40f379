"""Frequencies one by one: the samples of a ramp, or of stepped frequencies, as sums over delays."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from inverse_inr.operators.radar.binned_tones import BinnedTones
from inverse_inr.operators.radar.delay import DelayTransform
from inverse_inr.operators.radar.frequency_steps import check_ascending
from inverse_inr.operators.radar.precision import phasor
from inverse_inr.ranges import Finite, checked


class Tones(DelayTransform):
    """Values at given frequencies: W_k = exp(j 2π (f_k - f_mid) tau).

    Where the frequencies are uniform and points are many, `BinnedTones` sums them.

    Args:
        frequencies: (K,) in Hz, ascending, or descending for a ramp that runs down; kept as
            float64.
        slope: Ramp in Hz/s whose residual video phase is kept; 0 for none.

    Attributes:
        step: Mean spacing of the frequencies in Hz, negative where they descend.

    Raises:
        ValueError: If frequencies are not (K,), finite, non-negative, and in order.
    """

    frequencies: Tensor

    @checked
    def __init__(self, frequencies: Tensor, slope: Finite = 0.0) -> None:
        f = frequencies.detach().double()
        _check_frequencies(f, frequencies)
        super().__init__(len(f))
        self.frequencies = nn.Buffer(f.clone())
        self.slope = slope
        self.carrier = float(f[len(f) // 2])
        even = torch.linspace(float(f[0]), float(f[-1]), len(f), dtype=torch.float64)
        self.step = float(f[-1] - f[0]) / max(1, len(f) - 1)
        rounding = 1e-9 * abs(self.step) + 4e-16 * float(f.max())
        uniform = bool((f.cpu() - even).abs().max() <= rounding)
        if uniform and len(f) >= BinnedTones.worthwhile:
            self.fast = BinnedTones(len(f))

    @property
    def bandwidth(self) -> float:
        """Hz that the frequencies span, at least 1 (a lone frequency spans none)."""
        return max(abs(self.step) * self.count, 1.0)

    def response(self, delay: Tensor, dtype: torch.dtype) -> Tensor:
        return phasor(delay[..., None] * (self.frequencies - self.carrier), dtype)

    def table_step(self, oversampling: int) -> float:
        """Step in s between the entries of a `table`; of uniform tones that of a padded FFT.

        Args:
            oversampling: Least number of entries per resolution cell 1 / B.
        """
        if self.fast is None:
            return super().table_step(oversampling)
        return 1 / (abs(self.step) * self._padded(oversampling))

    def _padded(self, oversampling: int) -> int:
        from scipy.fft import next_fast_len

        return int(next_fast_len(oversampling * self.count))  # pyright: ignore[reportArgumentType]

    def table(self, first: float, step: float, count: int, y: Tensor) -> Tensor:
        size = round(1 / (abs(self.step) * step))
        if self.fast is None or abs(abs(self.step) * step * size - 1) > 1e-9:
            return super().table(first, step, count, y)
        # uniform tones at steps of a whole fraction of 1 / df: one FFT
        index = torch.arange(self.count, dtype=torch.float64, device=y.device) - self.count // 2
        y = y * phasor(-index * self.step * first, y.dtype)
        m = torch.arange(count, device=y.device)
        middle = (m * (self.count // 2) % size).double() / size
        if self.step < 0:  # a ramp that runs down turns the other way
            return torch.fft.ifft(y, size, norm="forward")[:, m % size] * phasor(-middle, y.dtype)
        return torch.fft.fft(y, size)[:, m % size] * phasor(middle, y.dtype)

    def quick(self, delay: Tensor, weights: Tensor) -> Tensor:
        assert self.fast is not None
        return self.fast(self.step * delay, weights)

    def quick_adjoint(self, delay: Tensor, y: Tensor) -> Tensor:
        assert self.fast is not None
        return self.fast.adjoint(self.step * delay, y)


def _check_frequencies(f: Tensor, given: Tensor) -> None:
    """Raise ValueError unless float64 frequencies are (K,), finite, non-negative and in order."""
    if f.ndim != 1 or not len(f) or not bool(torch.isfinite(f).all()) or not bool((f >= 0).all()):
        raise ValueError(
            f"frequencies must be (K,) finite values in Hz, not negative, got {given!r}."
        )
    if len(f) < 2 or bool((f.diff() < 0).all()):
        return
    check_ascending(f)
