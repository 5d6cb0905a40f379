"""Every prior fits one natural image with about the same number of parameters.

    python benchmarks/priors/image_fitting.py [--image ../shared/data/kodim23.png] [--seeds 3]
                                       [--first 0] [--only siren finer]

The image has 512 x 512 grey values (by default scikit-image's "camera"). Each prior has about
200 000 parameters and runs 1000 Adam steps of 2048 random pixels at its own learning rate, on one
thread. The bandwidth of networks is a quarter of the grid's Nyquist frequency (omega0 = 31 for
`siren`, as published for images of this size); tables and blocks get the whole Nyquist frequency.

Printed are the PSNR of each seed and how true the slopes are: "gradient" and "Laplacian" compare
differences of the fitted pixels with those of the image, as signal-to-error ratios in dB. There is
no noise and no held-out pixel here: this is the field's usual table of capacity, not of
reconstruction.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import torch
from torch import Tensor

import inverse_inr as ii
from inverse_inr import fidelity, metrics, priors
from inverse_inr.io import read_image
from inverse_inr.operators import PointSamples
from inverse_inr.stopping import Never

BUDGET = 200_000
"""Number of parameters that every prior is sized for."""
SIZED_BY: dict[str, str] = {
    "grid": "cells",
    "hash": "log2_table",
    "planes": "features",
    "tensor": "rank",
    "gaussian_mixture": "count",
    "acorn": "features",
}
"""The option that makes a prior larger, for priors where it is not `width`."""

FULL_BAND = ("grid", "hash", "planes", "tensor", "gaussian_mixture", "miner", "acorn")
"""Priors whose bandwidth is the grid's whole Nyquist frequency: tables and blocks."""


def natural_image(path: str | None, size: int = 512) -> tuple[Tensor, ii.Grid]:
    """The central size x size grey values of a picture, up to 1, and their grid."""
    if path is None:
        from skimage.data import camera

        image = torch.from_numpy(camera()).float() / 255
    else:
        image = read_image(path)[0].float().mean(-1)
        image = image / image.max()
    top, left = ((n - size) // 2 for n in image.shape)
    box = ii.Box((-1.0, -1.0), (1.0, 1.0))
    return image[top : top + size, left : left + size], ii.Grid(box, (size, size))


def sized(name: str, box: ii.Box, nyquist: float, seed: int) -> priors.Prior:
    """The largest prior whose parameter count is within the budget, found by bisection."""
    option = SIZED_BY.get(name, "width")
    bandwidth = nyquist / 4
    if name in FULL_BAND:
        bandwidth = nyquist
    shared: dict[str, Any] = {"bandwidth": bandwidth, "seed": seed}
    low, high = {"log2_table": (8, 22), "count": (2, 40_000)}.get(option, (2, 1024))

    def made(size: int) -> priors.Prior:
        return priors.create(name, box, **shared, **{option: size})

    while high - low > 1:
        middle = (low + high) // 2
        if made(middle).parameter_count <= BUDGET:
            low = middle
        else:
            high = middle
    return made(low)


def differences(image: Tensor) -> tuple[Tensor, Tensor]:
    """Central gradient (n, n, 2) and five-point Laplacian of the pixels inside the frame."""
    inner = image[1:-1, 1:-1]
    up = image[:-2, 1:-1]
    down = image[2:, 1:-1]
    left = image[1:-1, :-2]
    right = image[1:-1, 2:]
    gradient = torch.stack([down - up, right - left], -1) / 2
    return gradient, up + down + left + right - 4 * inner


def ratio(truth: Tensor, fit: Tensor) -> float:
    """Signal-to-error ratio in dB."""
    return float(10 * torch.log10(truth.square().sum() / (fit - truth).square().sum()))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--image")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--only", nargs="+", default=priors.names())
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    image, grid = natural_image(arguments.image)
    term = ii.Term(PointSamples(grid.points().reshape(-1, 2)), image.reshape(-1), fidelity.L2())
    problem = ii.Problem([term], grid.box, grid)
    slope, bend = differences(image)
    print(
        f"{'prior':18s} {'parameters':>10s} {'PSNR of each seed':>24s} "
        f"{'gradient':>9s} {'Laplacian':>9s} {'s':>7s}"
    )
    for name in arguments.only:
        psnr: list[float] = []
        along: list[float] = []
        curved: list[float] = []
        count = 0
        began = time.process_time()
        for seed in range(arguments.first, arguments.first + arguments.seeds):
            prior = sized(name, grid.box, priors.bandwidth_of(grid), seed)
            count = prior.parameter_count
            solution = ii.solve(
                problem,
                prior,
                steps=arguments.steps,
                batch=2048,
                regularizers=[],
                seed=seed,
                stopping=Never(every=arguments.steps),
                callbacks=[],
            )
            fit = solution.sample()[..., 0]
            psnr.append(metrics.psnr(fit, image, data_range=1.0))
            fitted = differences(fit)
            along.append(ratio(slope, fitted[0]))
            curved.append(ratio(bend, fitted[1]))
        seconds = (time.process_time() - began) / arguments.seeds
        listed = " ".join(f"{v:5.2f}" for v in psnr)
        mean = [sum(v) / len(v) for v in (along, curved)]
        print(
            f"{name:18s} {count:10d} {listed:>24s} {mean[0]:9.2f} {mean[1]:9.2f} {seconds:7.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
