"""The sparse code of weights beside the plain entropy-coded quantiser, at equal size.

    python benchmarks/codec/sparse.py

A SIREN of 3 layers of 64 is fitted to 64 x 64 grey pixels in 600 steps. Its weights are written by
both methods, without finishing, in files of the same size at most. Bits per weight count the whole
file; PSNR against the picture in dB, peak 1.
"""

from __future__ import annotations

import math

import torch
from pictures import picture

from inverse_inr import Solution, codec, priors
from inverse_inr.codec.coin import problem_of
from inverse_inr.domain import pixel_grid
from inverse_inr.families import fit_many

BITS = (4.0, 5.0)


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


if __name__ == "__main__":
    main()
