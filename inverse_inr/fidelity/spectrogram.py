"""A fidelity that compares what frequencies sound when, and is blind to their phases."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr.ranges import Count, NonNegative, checked

FLOOR = 1e-4
"""Magnitude, as a fraction of the largest of y, below which nothing is heard."""


@checked
@dataclass(frozen=True)
class MultiResolutionSTFT:
    """Magnitudes of short-time Fourier transforms by windows of several lengths.

    For the magnitudes S of each window |S_p - S_y| / |S_y| + logarithms · mean |log(S_p / S_y)|;
    their mean over the windows. Long windows tell frequencies, short ones times. It depends on no
    unit. Signs and phases are not compared: a second term of the same operator with `fidelity.L1`
    does that.

    It needs all rows in order: pass batch=len(operator) and a stopping rule that holds none out.

    Args:
        samples: Number of rows, evenly spaced in time.
        windows: Samples in each window; windows overlap by three quarters.
        logarithms: Weight of the logarithms, which hear what is quiet.

    Raises:
        ValueError: There is no window, one is shorter than 4 samples or longer than the signal, or
            (when called) the number of measurements is another.

    Source:
        Yamamoto et al. 2020 (Parallel WaveGAN), eqs. 3 to 6.
    """

    samples: Count
    windows: tuple[Count, ...] = (64, 256, 1024)
    logarithms: NonNegative = 1.0

    def __post_init__(self) -> None:
        if not self.windows or min(self.windows) < 4 or max(self.windows) > self.samples:
            raise ValueError(
                f"MultiResolutionSTFT: windows={self.windows} must be of 4 samples at least, and "
                f"none longer than the signal of samples={self.samples}."
            )

    def __call__(self, prediction: Tensor, y: Tensor) -> Tensor:
        if prediction.shape != y.shape or len(y) != self.samples:
            raise ValueError(
                f"MultiResolutionSTFT of samples={self.samples} needs all rows in order; got "
                f"{tuple(prediction.shape)} and {tuple(y.shape)}. "
                "Pass batch=len(operator) and stopping=Never()."
            )
        return torch.stack([self._distance(prediction, y, n) for n in self.windows]).mean()

    def _distance(self, prediction: Tensor, y: Tensor, window: int) -> Tensor:
        """The two parts for one window."""
        own, other = _power(prediction, window), _power(y, window)
        floor = FLOOR**2 * other.max() + torch.finfo(y.dtype).tiny
        mine, theirs = (own + floor).sqrt(), (other + floor).sqrt()
        convergence = (mine - theirs).square().sum().sqrt() / theirs.square().sum().sqrt()
        return convergence + self.logarithms * (mine / theirs).log().abs().mean()


def _power(values: Tensor, window: int) -> Tensor:
    """Squared magnitudes (channels, frequencies, times) of all windows that lie in the signal."""
    shape = torch.hann_window(window, dtype=values.dtype, device=values.device)
    signals = values.reshape(len(values), -1).T
    spectra = torch.stft(
        signals,
        window,
        hop_length=window // 4,
        window=shape,
        center=False,
        return_complex=True,
    )
    return spectra.real.square() + spectra.imag.square()
