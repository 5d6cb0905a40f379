"""What a receiver makes of the echoes of one pulse: sums over delays, exact, and their adjoints.

    y_k = Σ_x w_x W_k(tau_x)        w_x = amplitude · exp(j 2π · carrier turns), W_k slow against the carrier

`DFTBins` is the closed-form spectrum of a linear frequency ramp, `Tones` the samples of it (or of stepped frequencies).
Carrier turns are counted in float64 and wrapped before they are cast (error 1e-7 rad at any range).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from inverse_inr.operators.radar.binned_tones import BinnedTones
from inverse_inr.operators.radar.geometry import KeepsPrecision

COSINE_WINDOWS = {
    "rect": (1.0,),
    "hann": (0.5, 0.25),
    "hamming": (0.54, 0.23),
    "blackman": (0.42, 0.25, 0.04),
}
"""w[n] = a_0 + 2 Σ_m (-1)^m a_m cos(2π m n / N), periodic."""


class DelayTransform(KeepsPrecision, ABC):
    """delays (b, n) in s, float64, relative to the reference -> K values for each of b pulses."""

    carrier: float
    """Hz, at which turns are counted."""
    slope: float = 0.0
    """Hz/s of a ramp whose residual video phase -π S (tau² - tau_0²) is kept; 0 for none."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count, self.fast = count, None

    def turns(self, delay: Tensor, reference: Tensor) -> Tensor:
        """Carrier phase in turns: carrier · delay, minus the residual video phase. `reference`: (b, 1) in s."""
        turns = self.carrier * delay
        return turns - 0.5 * self.slope * delay * (delay + 2 * reference) if self.slope else turns

    fast: BinnedTones | None
    """Serves many points of a pulse at a cost that does not depend on K; `response` stays the definition."""

    @property
    @abstractmethod
    def bandwidth(self) -> float:
        """Hz that the values span: delays closer than its inverse look alike."""

    @property
    def width(self) -> int:
        """Numbers in memory for each point of a pulse, which sets the tile size."""
        return self.count

    def is_quick(self, delay: Tensor) -> bool:
        """Many points, and nothing to learn about their delays."""
        return self.quick_for(delay.shape[-1]) and not delay.requires_grad

    def quick_for(self, points: int) -> bool:
        """The fast transform costs a point as much as 5 numbers of the kernel, and each of its cells as much as 10."""
        return self.fast is not None and points * (self.width - 5) > 10 * self.fast.cells

    def quick(self, delay: Tensor, weights: Tensor) -> Tensor:
        """`forward` by the fast transform."""
        raise NotImplementedError

    def quick_adjoint(self, delay: Tensor, y: Tensor) -> Tensor:
        """`adjoint` by the fast transform."""
        raise NotImplementedError

    @abstractmethod
    def response(self, delay: Tensor, dtype: torch.dtype) -> Tensor:
        """W_k(tau), (b, n, K), in the real or complex `dtype`'s precision: the definition."""

    @property
    def phasors(self) -> Tensor | None:
        """(K,) complex factors that do not depend on the delay and multiply the sums."""
        return None

    def forward(self, delay: Tensor, weights: Tensor) -> Tensor:
        """Σ_x w_x W_k(tau_x): (b, n), (b, n) complex -> (b, K)."""
        if self.is_quick(delay):
            return self.quick(delay, weights)
        return self._sum(weights, self.response(delay, weights.dtype))

    def adjoint(self, delay: Tensor, y: Tensor) -> Tensor:
        """Σ_k conj(W_k(tau_x)) y_k: (b, n), (b, K) -> (b, n)."""
        if self.is_quick(delay):
            return self.quick_adjoint(delay, y)
        return self._spread(y, self.response(delay, y.dtype))

    def table_step(self, oversampling: int) -> float:
        """Seconds between entries of a `table` with `oversampling` of them to a resolution cell 1 / B."""
        return 1 / (oversampling * self.bandwidth)

    def table(self, first: float, step: float, count: int, y: Tensor) -> Tensor:
        """`adjoint` at the delays first + m step, m < count, the same for all pulses: (b, K) -> (b, count)."""
        delays = first + step * torch.arange(count, dtype=torch.float64, device=y.device)
        weights = y if self.phasors is None else y * self.phasors.conj().to(y.dtype)
        some = max(1, 2**18 // self.width)
        parts = [
            self.response(d[None], y.dtype)[0].conj().to(y.dtype).mT for d in delays.split(some)
        ]
        return torch.cat([weights @ part for part in parts], -1)

    def _sum(self, weights: Tensor, response: Tensor) -> Tensor:
        if response.is_complex():
            total = (weights[:, None] @ response)[:, 0]
        else:  # two real rows cost half of a complex one
            pair = torch.view_as_real(weights).transpose(1, 2) @ response
            total = torch.complex(pair[:, 0], pair[:, 1])
        return total if self.phasors is None else total * self.phasors.to(total.dtype)

    def _spread(self, y: Tensor, response: Tensor) -> Tensor:
        y = y if self.phasors is None else y * self.phasors.conj().to(y.dtype)
        if response.is_complex():
            return (response @ y.conj()[..., None])[..., 0].conj()
        pair = response @ torch.view_as_real(y)
        return torch.view_as_complex(pair.contiguous())


class Tones(DelayTransform):
    """Frequencies one by one: W_k = exp(j 2π (f_k - f_mid) tau). Hz, ascending, float64.

    Where they are uniform and points are many, a transform of its own kind of non-uniform FFT (`BinnedTones`).
    """

    frequencies: Tensor

    def __init__(self, frequencies: Tensor, slope: float = 0.0) -> None:
        f = frequencies.detach().double()
        if (
            f.ndim != 1
            or not len(f)
            or not bool(torch.isfinite(f).all())
            or not bool((f >= 0).all())
        ):
            raise ValueError(
                f"frequencies must be (K,) finite values in Hz, not negative, got {frequencies!r}."
            )
        if bool((f.diff() <= 0).any()):
            k = int((f.diff() <= 0).nonzero()[0])
            raise ValueError(
                f"frequencies must ascend: f[{k}] = {float(f[k]):.10g} Hz is not below f[{k + 1}] = "
                f"{float(f[k + 1]):.10g} Hz. A ramp down? Flip frequencies and data together."
            )
        super().__init__(len(f))
        self.frequencies, self.slope, self.carrier = (
            nn.Buffer(f.clone()),
            slope,
            float(f[len(f) // 2]),
        )
        even = torch.linspace(float(f[0]), float(f[-1]), len(f), dtype=torch.float64)
        self.step = float(f[-1] - f[0]) / max(1, len(f) - 1)
        uniform = bool((f.cpu() - even).abs().max() <= 1e-9 * self.step + 4e-16 * float(f[-1]))
        self.fast = BinnedTones(len(f)) if uniform and len(f) >= BinnedTones.worthwhile else None

    @property
    def bandwidth(self) -> float:
        return max(self.step * self.count, 1.0)

    def response(self, delay: Tensor, dtype: torch.dtype) -> Tensor:
        return phasor(delay[..., None] * (self.frequencies - self.carrier), dtype)

    def table_step(self, oversampling: int) -> float:
        return (
            super().table_step(oversampling)
            if self.fast is None
            else 1 / (self.step * self._padded(oversampling))
        )

    def _padded(self, oversampling: int) -> int:
        from scipy.fft import next_fast_len

        return int(next_fast_len(oversampling * self.count))  # pyright: ignore[reportArgumentType]

    def table(self, first: float, step: float, count: int, y: Tensor) -> Tensor:
        size = round(1 / (self.step * step))
        if self.fast is None or abs(self.step * step * size - 1) > 1e-9:
            return super().table(first, step, count, y)
        index = torch.arange(self.count, dtype=torch.float64, device=y.device) - self.count // 2
        spectrum = torch.fft.fft(
            y * phasor(-index * self.step * first, y.dtype), size
        )  # of uniform tones: one FFT
        m = torch.arange(count, device=y.device)
        return spectrum[:, m % size] * phasor(
            (m * (self.count // 2) % size).double() / size, y.dtype
        )

    def quick(self, delay: Tensor, weights: Tensor) -> Tensor:
        assert self.fast is not None
        return self.fast(self.step * delay, weights)

    def quick_adjoint(self, delay: Tensor, y: Tensor) -> Tensor:
        assert self.fast is not None
        return self.fast.adjoint(self.step * delay, y)


class DFTBins(DelayTransform):
    """Bins of the DFT of a ramp's samples, in closed form: a real Dirichlet kernel a bin (times a window's phases).

    X[k] = Σ_x w_x exp(-jπ k (N-1)/n_fft) D(S tau / fs - k / n_fft), D(u) = sin(π N u) / (N sin(π u)), the carrier at
    the middle of the ramp. A cosine window is a sum of shifted D. Divided by the window's sum: a unit point on a bin
    has modulus 1.
    """

    bins: Tensor

    def __init__(
        self,
        bins: Tensor,
        samples: int,
        size: int,
        rate: float,
        carrier: float,
        slope: float,
        window: str = "rect",
    ) -> None:
        super().__init__(len(bins))
        self.bins, self.samples, self.size = nn.Buffer(bins.clone()), samples, size
        self.rate, self.carrier, self.slope = rate, carrier, slope
        first, *others = COSINE_WINDOWS[window]
        self.window = [a / first for a in others]
        self.fast = BinnedTones(samples) if samples >= BinnedTones.worthwhile else None

    @property
    def width(self) -> int:
        return self.count * (2 + 4 * len(self.window))

    @property
    def bandwidth(self) -> float:
        return self.slope / self.rate * self.samples

    def dft(self, dtype: torch.dtype) -> Tensor:
        """The windowed DFT as a matrix: (samples, K)."""
        n = torch.arange(self.samples, dtype=torch.float64, device=self.bins.device)
        w = torch.ones_like(n)
        for m, a in enumerate(self.window, 1):
            w = w + (-1) ** m * 2 * a * (2 * math.pi * m * n / self.samples).cos()
        turns = -(n[:, None] * self.bins % self.size) / self.size
        return (phasor(turns, torch.complex128) * w[:, None] / self.samples).to(dtype)

    def _half_step(self, delay: Tensor, dtype: torch.dtype) -> Tensor:
        """From the ramp's middle to the nearest sample, the carrier of the fast transform."""
        return phasor(
            (0.5 * (self.samples - 1) - self.samples // 2) * self.slope / self.rate * delay, dtype
        ).conj()

    def quick(self, delay: Tensor, weights: Tensor) -> Tensor:
        assert self.fast is not None
        weights = weights if self.samples % 2 else weights * self._half_step(delay, weights.dtype)
        return self.fast(self.slope / self.rate * delay, weights) @ self.dft(weights.dtype)

    def quick_adjoint(self, delay: Tensor, y: Tensor) -> Tensor:
        assert self.fast is not None
        echo = self.fast.adjoint(self.slope / self.rate * delay, y @ self.dft(y.dtype).mH)
        return echo if self.samples % 2 else echo * self._half_step(delay, y.dtype).conj()

    @property
    def phasors(self) -> Tensor:
        turns = -0.5 * self.bins.double() * (self.samples - 1) / self.size
        return phasor(turns, torch.complex128)

    def response(self, delay: Tensor, dtype: torch.dtype) -> Tensor:
        real, n = dtype.to_real(), self.samples
        u = (self.slope / self.rate) * delay[..., None] - self.bins.double() / self.size
        total = _dirichlet(u, n, real)
        if not self.window:
            return total
        total = torch.complex(total, torch.zeros_like(total))
        for m, a in enumerate(
            self.window, 1
        ):  # shifted kernels carry the phase of the window's middle
            for shift in (m, -m):
                turn = complex(
                    math.cos(math.pi * shift * (n - 1) / n), math.sin(math.pi * shift * (n - 1) / n)
                )
                total = total + (-1) ** m * a * turn * _dirichlet(u + shift / n, n, real)
        return total


def _dirichlet(u: Tensor, n: int, dtype: torch.dtype) -> Tensor:
    """sin(π n u) / (n sin(π u)) without 0 / 0, in value and gradient: u (cycles a sample) wrapped in float64."""
    turns = u.detach().round()
    u = (u - turns).to(dtype)
    value = torch.sinc(n * u) / torch.sinc(u)
    return value if n % 2 else value * (1 - 2 * turns.remainder(2)).to(dtype)


def phasor(turns: Tensor, dtype: torch.dtype) -> Tensor:
    """exp(j 2π turns) in the precision of `dtype`; turns in float64 are wrapped before they are cast."""
    angle = (2 * math.pi) * (turns - turns.detach().round()).to(dtype.to_real())
    return torch.complex(angle.cos(), angle.sin())
