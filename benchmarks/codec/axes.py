"""Wavelets of a sound, a volume and a video beside samples that are rounded, at equal rate.

    python benchmarks/codec/axes.py

A chirp of 4,000 samples at 4 bits, and 16 x 32 x 32 samples of five Gaussian blobs, in space or as
a video in which they drift, at 1 bit. "rounded" are samples as whole numbers of as many bits
between their least and largest value, for which nothing else is counted. Signal to noise in dB.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

import inverse_inr as ii
from inverse_inr import codec


def ratio(found: Tensor, image: Tensor) -> float:
    """Signal to noise in dB."""
    return 10 * math.log10(float(image.square().sum() / (found - image).square().sum()))


def rounded(image: Tensor, bits: int) -> Tensor:
    """Samples of a few bits each."""
    low, high = image.min(), image.max()
    most = 2**bits - 1
    return torch.round((image - low) / (high - low) * most) / most * (high - low) + low


def inputs() -> dict[str, tuple[Tensor, int]]:
    """Images and bits per sample, by name."""
    t = torch.linspace(0, 0.5, 4000, dtype=torch.float64)
    chirp = torch.sin(2 * math.pi * (200 * t + 800 * t.square()))[:, None]
    box = ii.Box((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    grid = ii.Grid(box, (16, 32, 32))
    blobs = ii.phantoms.gaussian_blobs(box, count=5, width=0.05, seed=0)
    volume = ii.sample(blobs, grid).reshape(16, 32, 32, 1).double()
    frames = [torch.roll(volume[8], (k, 2 * k), (0, 1)) for k in range(16)]
    return {"chirp": (chirp, 4), "volume": (volume, 1), "video": (torch.stack(frames), 1)}


def main() -> None:
    """Measure, and print a table."""
    torch.set_num_threads(1)
    print("| input | bits/sample | wavelet | rounded |\n|---|---|---|---|")
    for name, (image, bits) in inputs().items():
        data = codec.encode(image, bits_per_sample=bits, method="wavelet")
        found = ratio(codec.decode_image(data).double(), image)
        print(f"| {name} | {bits} | {found:.1f} | {ratio(rounded(image, bits), image):.1f} |")


if __name__ == "__main__":
    main()
