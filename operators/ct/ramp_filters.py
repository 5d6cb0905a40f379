"""The ramp filter of filtered backprojection, and its windows."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from inverse_inr.ranges import Positive, checked

WINDOWS = {
    "ram-lak": lambda f: torch.ones_like(f),
    "shepp-logan": lambda f: torch.sinc(f),
    "cosine": lambda f: torch.cos(math.pi * f),
    "hamming": lambda f: 0.54 + 0.46 * torch.cos(2 * math.pi * f),
    "hann": lambda f: 0.5 + 0.5 * torch.cos(2 * math.pi * f),
}
"""Apodisations of the ramp, as functions of the frequency in cycles per detector bin (0 to 1/2).

"ram-lak" (Ramachandran & Lakshminarayanan 1971) is the bare ramp, also called "ramp".
"""
WINDOWS["ramp"] = WINDOWS["ram-lak"]


@checked
def ramp_filter(views: Tensor, pitch: Positive, window: str = "ramp") -> Tensor:
    """Convolve the last axis with the band-limited and windowed ramp, which has no DC bias.

    Args:
        views: (*s, detectors) line integrals.
        pitch: Width of a detector bin, in length units.
        window: The apodisation, a name in WINDOWS.

    Returns:
        (*s, detectors), filtered.

    Raises:
        ValueError: The window is unknown.

    Source:
        Kak & Slaney, eq. 3.61.
    """
    return filtered_between(views, pitch, window, 0, views.shape[-1] - 1, 1)


def filtered_between(
    views: Tensor, pitch: float, window: str, first: int, last: int, finer: int
) -> Tensor:
    """Filter views, and interpolate them by their Fourier series to finer samples.

    The filtered views go on beyond the detector, and what they add there belongs to the image.

    Args:
        views: (*s, detectors) line integrals.
        pitch: Width of a detector bin, in length units.
        window: The apodisation, a name in WINDOWS.
        first: The bin of the first sample; it may lie before the detector.
        last: The bin of the last sample; it may lie behind the detector.
        finer: Samples a bin.

    Returns:
        (*s, (last - first) * finer + 1), filtered.

    Raises:
        ValueError: The window is unknown.
    """
    check_window(window)
    count = views.shape[-1]
    # far enough for the ramp to reach from every bin to every sample without wrapping
    size = 2 * _fast(max(count, last + 1, count - first))
    n = torch.fft.fftfreq(size, 1 / size, dtype=views.dtype, device=views.device)
    kernel = torch.where(n.remainder(2) == 1, -1 / (math.pi * n * pitch) ** 2, torch.zeros_like(n))
    kernel[0] = 0.25 / pitch**2
    frequency = torch.fft.rfftfreq(size, device=n.device, dtype=n.dtype)
    response = pitch * finer * torch.fft.rfft(kernel).real * WINDOWS[window](frequency)
    if finer > 1:
        response[-1] *= 0.5  # Nyquist is one frequency in the coarse samples and two in the fine
    spectrum = torch.fft.rfft(views, size)
    spectrum *= response
    fine = torch.fft.irfft(spectrum, size * finer)
    if first < 0:
        return torch.cat([fine[..., first * finer :], fine[..., : last * finer + 1]], -1)
    return fine[..., first * finer : last * finer + 1]


def check_window(window: str) -> None:
    """Refuse a window that has no such name.

    Args:
        window: The name.

    Raises:
        ValueError: It is not in WINDOWS.
    """
    if window not in WINDOWS:
        raise ValueError(f"window must be one of {sorted(WINDOWS)}, got {window!r}.")


def _fast(n: int) -> int:
    """The least length from `n` up that the FFT handles fast."""
    from scipy.fft import next_fast_len

    return int(next_fast_len(n, real=True))  # pyright: ignore[reportArgumentType]
