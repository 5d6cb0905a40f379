"""COIN's files on two Kodak pictures, beside ours of equal size.

    python benchmarks/codec/coin.py [--steps 800] [--width 30]

COIN's published network of 5 layers of 30 is fitted and stored in half precision, 16 bits a weight,
as its authors do, but with a shorter budget than their 50,000 steps over all pixels: Adam on random
pixels, the rate falling from 2e-3 to zero, the same for every network here. Beside it: the same
network through our quantiser and entropy coder; a network of as many bytes after coding, fitted in
as many steps; wavelets, JPEG 2000 and JPEG of as many bytes. PSNR of RGB in 8 bits, peak 255.
"""

from __future__ import annotations

import argparse
import math
import os
from pathlib import Path

import numpy as np
import torch
from photographs import best, curve, jpeg, jpeg_2000, psnr
from skimage.io import imread
from torch import Tensor

from inverse_inr import Solution, codec, priors
from inverse_inr.codec.coin import problem_of
from inverse_inr.domain import pixel_grid
from inverse_inr.priors import Prior

DATA = Path(os.environ.get("INVERSE_INR_DATA", "../shared/data"))
PICTURES = ("kodim04", "kodim23")
DEPTH = 5
BATCH = 8192
BITS = 8
"""Bits of a weight for which the network of equal size is laid out."""


def fitted(image: Tensor, width: int, steps: int) -> Prior:
    """A SIREN fitted to random pixels."""
    grid = pixel_grid(tuple(image.shape[:-1]))
    prior = priors.siren(grid.box, 3, width=width, depth=DEPTH, omega0=30.0, seed=0)
    points, values = grid.points().reshape(-1, 2), image.reshape(-1, 3)
    generator = torch.Generator().manual_seed(0)
    adam = torch.optim.Adam(prior.parameters())
    for step in range(steps):
        adam.param_groups[0]["lr"] = 1e-3 * (1 + math.cos(math.pi * step / steps))
        chosen = torch.randint(len(points), (BATCH,), generator=generator)
        loss = (prior(points[chosen]) - values[chosen]).square().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    return prior


def seen(image: Tensor) -> np.ndarray:
    """Values in 8 bits."""
    return torch.round(image.clamp(0, 1) * 255).numpy().astype(np.uint8)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--width", type=int, default=30)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| picture | file | bytes | bits/pixel | PSNR |\n|---|---|---|---|---|")
    for name in PICTURES:
        stored = imread(DATA / f"{name}.png")
        image = torch.from_numpy(stored / 255.0).float()
        grid = pixel_grid(tuple(image.shape[:-1]))
        problem = problem_of(image, grid)

        def row(
            what: str, size: int, quality: float, name: str = name, n: int = grid.numel
        ) -> None:
            print(f"| {name} | {what} | {size} | {8 * size / n:.3f} | {quality:.2f} |", flush=True)

        prior = fitted(image, options.width, options.steps)
        weights = sum(p.numel() for p in prior.parameters())
        coded = codec.encode(
            Solution(prior, problem, "siren"), bits_per_sample=7 * weights / grid.numel, finish=0
        )
        found = psnr(seen(codec.decode_image(coded)), stored)
        most = 2 * weights
        with torch.no_grad():
            for parameter in prior.parameters():
                parameter.copy_(parameter.half())
            row("COIN, half precision", most, psnr(seen(prior.sample(grid)), stored))
        row("the same network, coded", len(coded), found)
        # (DEPTH - 1) width² + (DEPTH + 5) width + 3 weights
        wide = int((-10 + math.sqrt(100 + 16 * (8 * most / BITS - 3))) / 8)
        prior = fitted(image, wide, options.steps)
        solution = Solution(prior, problem, "siren")
        coded = codec.encode(solution, bits_per_sample=8 * most / grid.numel, finish=0)
        row(f"5 layers of {wide}, coded", len(coded), psnr(seen(codec.decode_image(coded)), stored))
        coded = codec.encode(image, bits_per_sample=8 * most / grid.numel, method="wavelet")
        row("wavelet", len(coded), psnr(seen(codec.decode_image(coded)), stored))
        ratios = [3 * grid.numel / most / factor for factor in (1, 0.99, 0.97)]
        row("JPEG 2000, at most", most, best(curve(stored, jpeg_2000(ratios)), most))
        row("JPEG, at most", most, best(curve(stored, jpeg()), most))


if __name__ == "__main__":
    main()
