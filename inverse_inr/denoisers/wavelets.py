"""Wavelet shrinkage as a denoiser: thresholds of each band, averaged over shifts of the image."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr.denoisers.denoiser import CheckedDenoiser
from inverse_inr.kernels.wavelets import Wavelets
from inverse_inr.ranges import Count, checked


@checked
@dataclass(frozen=True)
class WaveletShrinkage(CheckedDenoiser):
    """Soft thresholds of Daubechies wavelets, one per band, averaged over shifts (cycle spinning).

    The threshold of a band is T = sigma² / sigma_b, where sigma_b² is the variance of the band less
    that of the noise: nothing is tuned. Moduli of complex coefficients shrink. Borders are
    mirrored.

    Args:
        levels: How often the image is halved; less where it is small.
        shifts: The number of shifts.

    Source:
        Chang, Yu & Vetterli 2000 (BayesShrink); Coifman & Donoho 1995 (cycle spinning).
    """

    levels: Count = 4
    shifts: Count = 8

    def denoised(self, x: Tensor, sigma: float) -> Tensor:
        shape = x.shape[:-1]
        levels = min(self.levels, *(int(math.log2(max(1, n))) for n in shape))
        if levels < 1:
            return x
        block = 2**levels
        padded, place = _mirrored(x, block)
        psi = Wavelets(tuple(padded.shape[:-1]), levels)
        axes = list(range(len(shape)))
        total = torch.zeros_like(padded)
        count = min(self.shifts, block)
        for k in range(count):
            # odd multiples along further axes keep the shifts apart from one diagonal
            shift = [(k * block // count * (2 * axis + 1)) % block for axis in axes]
            z = psi(padded.roll(shift, axes))
            for band in _bands(psi):
                z[band] = _shrunk(z[band], sigma)
            total += psi.inverse(z).roll([-s for s in shift], axes)
        return total[place] / count


def _mirrored(x: Tensor, block: int) -> tuple[Tensor, tuple[slice, ...]]:
    """The image continued by mirrors to whole blocks, and the place of the image in it."""
    place = []
    for axis, n in enumerate(x.shape[:-1]):
        margin = min(n, block)
        whole = -(-(n + margin) // block) * block
        before = margin // 2
        index = torch.arange(-before, whole - before, device=x.device) % (2 * n)
        x = x.index_select(axis, torch.where(index < n, index, 2 * n - 1 - index))
        place.append(slice(before, before + n))
    return x, tuple(place)


def _bands(psi: Wavelets) -> Iterator[tuple[slice, ...]]:
    """The places of all bands of details among the coefficients."""
    for level in range(psi.levels):
        halves = [(slice(n >> level + 1), slice(n >> level + 1, n >> level)) for n in psi.padded]
        yield from itertools.islice(itertools.product(*halves), 1, None)


def _shrunk(band: Tensor, sigma: float) -> Tensor:
    """Soft thresholds that are best for Laplacian coefficients in noise, of each channel."""
    noise = sigma**2
    if band.is_complex():
        noise = 2 * sigma**2
    energy = band.abs().square().mean(tuple(range(band.ndim - 1)))
    signal = (energy - noise).clamp(min=0).sqrt()
    threshold = noise / signal  # infinite where there is nothing but noise
    size = band.abs()
    return band * ((size - threshold).clamp(min=0) / size.clamp(min=1e-30))
