"""The sparse code of weights beside the plain entropy-coded quantiser, at equal size.

    python benchmarks/codec/sparse.py

A SIREN of 3 layers of 64 is fitted to 64 x 64 grey pixels in 600 steps. Its weights are written by
both methods, without finishing, in files of the same size at most. Bits per weight count the whole
file; PSNR against the picture in dB, peak 1. A second table says the same of independent Gaussian
numbers, all of which count as much: signal to noise in dB, by the codes alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from pictures import picture

from inverse_inr import Solution, codec, priors
from inverse_inr.codec.coin import problem_of
from inverse_inr.codec.integers import Contexts, encode_integers
from inverse_inr.codec.range_coder import Encoder
from inverse_inr.codec.searching import first_below
from inverse_inr.codec.sparse import allotted, encode_sparse, joined, pursued
from inverse_inr.domain import pixel_grid
from inverse_inr.families import fit_many

BITS = (4.0, 5.0)
GAUSSIAN = 6144
"""Gaussian numbers of each seed."""

Code = Callable[[float], tuple[float, float]]
"""Bits per number and signal to noise in dB, by step size."""


def main() -> None:
    """Measure, and print a table."""
    torch.set_num_threads(1)
    image = torch.from_numpy(picture("camera", 64, shrink=4)).float()
    grid = pixel_grid((64, 64))
    problem = problem_of(image, grid)
    prior = priors.siren(grid.box, 1, width=64, depth=3, omega0=30.0, seed=0)
    (solution,) = fit_many([problem], prior, steps=600, seed=0)
    assert isinstance(solution, Solution)
    weights = sum(parameter.numel() for parameter in prior.parameters())

    def psnr(found: torch.Tensor) -> float:
        return -10 * math.log10(float((found - image).square().mean()))

    with torch.no_grad():
        print(f"{weights} weights, not rounded: {psnr(solution.sample(grid)):.1f} dB")
    print("| bits/weight at most | plain | sparse |\n|---|---|---|")
    for bits in BITS:
        rate = bits * weights / grid.numel
        plain = codec.encode(solution, bits_per_sample=rate, finish=0)
        sparse = codec.encode(solution, bits_per_sample=rate, method="sparse")
        cells = [f"{psnr(codec.decode_image(data)):.1f}" for data in (plain, sparse)]
        print(f"| {bits:g} | {' | '.join(cells)} |", flush=True)


def gaussian_codes(seed: int) -> tuple[Code, Code]:
    """The plain and the sparse code of independent Gaussian numbers."""
    numbers = np.random.default_rng(seed).standard_normal(GAUSSIAN)
    felt = np.ones(GAUSSIAN)
    pursuits = pursued(numbers, felt)

    def told(encoder: Encoder, found: np.ndarray) -> tuple[float, float]:
        noise = float(((found - numbers) ** 2).mean())
        return 8 * len(encoder.finish()) / GAUSSIAN, -10 * math.log10(noise)

    def plain(step: float) -> tuple[float, float]:
        encoder, whole = Encoder(), np.round(numbers / step).astype(np.int64)
        encode_integers(encoder, whole.tolist(), Contexts())
        return told(encoder, whole * step)

    def sparse(step: float) -> tuple[float, float]:
        encoder, columns = Encoder(), allotted(numbers, felt, pursuits, step)
        encode_sparse(encoder, columns)
        return told(encoder, joined(columns, GAUSSIAN) * step)

    return plain, sparse


def at_most(code: Code, bits: float) -> float:
    """Signal to noise of a code of so many bits per number at most."""
    found = first_below(lambda exponent: code(2 ** (exponent / 32))[0], bits, -320, 96)
    return code(2 ** (found / 32))[1]


def compare_gaussian() -> None:
    """Measure codes of Gaussian numbers, and print a table."""
    print("| bits/number at most | seed | plain | sparse | 6.02 dB a bit |\n|---|---|---|---|---|")
    for seed in range(3):
        codes = gaussian_codes(seed)
        for bits in (2.0, *BITS):
            cells = [f"{at_most(code, bits):.1f}" for code in codes]
            print(f"| {bits:g} | {seed} | {' | '.join(cells)} | {6.02 * bits:.1f} |", flush=True)


if __name__ == "__main__":
    main()
    compare_gaussian()
