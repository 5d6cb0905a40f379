"""Every prior fits one natural image with about the same number of parameters: PSNR, and how true its slopes are.

    python benchmarks/image_fitting.py [--image ../shared/data/kodim23.png] [--seeds 3] [--first 0] [--only siren finer]

512 x 512 grey values (by default scikit-image's "camera"), 1000 Adam steps of 2048 random pixels at the prior's own
learning rate, about 200 000 parameters, one thread. Networks get a quarter of the grid's Nyquist frequency as bandwidth
(omega0 = 31 for `siren`, as published for images of this size), tables and blocks all of it. Gradient and Laplacian are
differences of the fitted pixels beside those of the image, as signal-to-error ratios in dB. There is no noise and no
held-out pixel here: this is the field's usual table of capacity, not of reconstruction.
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
SIZED_BY: dict[str, str] = {
    "grid": "cells",
    "hash": "log2_table",
    "planes": "features",
    "tensor": "rank",
    "gaussian_mixture": "count",
    "acorn": "features",
}
"""What makes a prior larger, where it is not `width`."""
FULL_BAND = ("grid", "hash", "planes", "tensor", "gaussian_mixture", "miner", "acorn")


def natural_image(path: str | None, size: int = 512) -> tuple[Tensor, ii.Grid]:
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
    """The prior whose parameter count is nearest to the budget, found by bisection over its size."""
    option = SIZED_BY.get(name, "width")
    shared: dict[str, Any] = {
        "bandwidth": nyquist if name in FULL_BAND else nyquist / 4,
        "seed": seed,
    }
    low, high = (8, 22) if option == "log2_table" else (2, 40_000 if option == "count" else 1024)

    def made(size: int) -> priors.Prior:
        return priors.create(name, box, **shared, **{option: size})

    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if made(middle).parameter_count <= BUDGET else (low, middle)
    return made(low)


def differences(image: Tensor) -> tuple[Tensor, Tensor]:
    """Central gradient (n, n, 2) and five-point Laplacian of the pixels inside the frame."""
    inner = image[1:-1, 1:-1]
    up, down, left, right = image[:-2, 1:-1], image[2:, 1:-1], image[1:-1, :-2], image[1:-1, 2:]
    return torch.stack([down - up, right - left], -1) / 2, up + down + left + right - 4 * inner


def ratio(truth: Tensor, fit: Tensor) -> float:
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
        f"{'prior':18s} {'parameters':>10s} {'PSNR of each seed':>24s} {'gradient':>9s} {'Laplacian':>9s} {'s':>7s}"
    )
    for name in arguments.only:
        psnr, along, curved, began, count = [], [], [], time.process_time(), 0
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
