"""Fields of a simulation at parameters that it was not run at, in one pass (HyperINR).

    python benchmarks/families/parameters.py [--seeds 0 1 2] [--steps 1500]

The field is the intensity of two interfering point sources in the plane, |e^ikr₁ + c e^ikr₂|² / 4,
whose distance d, wave number k and contrast c are the parameters. 100 random ones, each seen at
32 x 32 places, teach a generator of the weights of a SIREN (3 layers of 32, omega0 15); 8 others
judge it. "fitted" is the same network fitted to each of the 8. "cubic" interpolates the images
between the 100 parameters by cubic radial functions, and "nearest" takes the nearest. PSNR in dB,
peak 1. One thread.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

import torch
from scipy.interpolate import RBFInterpolator
from torch import Tensor

import inverse_inr as ii
from inverse_inr import families
from inverse_inr.fidelity import L2

BOX = ii.Box((-1.0, -1.0), (1.0, 1.0))
GRID = ii.Grid(BOX, (32, 32))
OPTIONS = {"width": 32, "depth": 3, "omega0": 15.0}
NAMES = ("distance", "wave_number", "contrast")
LOW, HIGH = torch.tensor([0.3, 6.0, 0.2]), torch.tensor([1.0, 12.0, 1.0])
RATE = 3e-3
"""Learning rate of the shared start, tried on seed 7, which is not reported."""


def same(image: Tensor) -> Tensor:
    """The identity, as a map of images."""
    return image


WHOLE = ii.OnGrid(same, GRID, GRID.shape)


def simulated(parameters: Tensor) -> ii.Problem:
    """The field of some parameters, (3,), seen on the grid."""
    distance, wave_number, contrast = (float(p) for p in parameters)
    places = GRID.points(torch.float64).reshape(-1, 2)
    ways = [
        (places - torch.tensor([side * distance / 2, -1.2])).norm(dim=1) for side in (-1.0, 1.0)
    ]
    waves = [torch.polar(torch.ones_like(way), wave_number * way) for way in ways]
    y = (waves[0] + contrast * waves[1]).abs().square() / 4
    notes: dict[str, Any] = dict(zip(NAMES, (distance, wave_number, contrast), strict=True))
    return ii.Problem([ii.Term(WHOLE, y.float(), L2())], BOX, GRID, average=1, notes=notes)


def psnr(images: Sequence[Tensor], problems: Sequence[ii.Problem]) -> float:
    """Mean PSNR in dB, peak 1."""
    values = [
        -10 * (i.reshape(-1) - p.terms[0].y).square().mean().log10()
        for i, p in zip(images, problems, strict=True)
    ]
    return float(torch.stack(values).mean())


def measure(seed: int, steps: int) -> None:
    """Print the PSNR of each method as it comes."""

    def note(name: str, value: float) -> None:
        print(f"seed {seed}  {name:32s} {value:7.2f}", flush=True)

    generator = torch.Generator().manual_seed(seed)
    known = LOW + (HIGH - LOW) * torch.rand(100, 3, generator=generator)
    asked = LOW + (HIGH - LOW) * torch.rand(8, 3, generator=generator)
    seen, fresh = ([simulated(p) for p in group] for group in (known, asked))
    images = torch.stack([p.terms[0].y for p in seen])
    unit = [(group - LOW) / (HIGH - LOW) for group in (known, asked)]
    nearest = torch.cdist(unit[1], unit[0]).argmin(1)
    cubic = RBFInterpolator(unit[0].numpy(), images.numpy(), kernel="cubic")(unit[1].numpy())
    note("nearest", psnr(list(images[nearest]), fresh))
    note("cubic", psnr(list(torch.from_numpy(cubic).float()), fresh))
    began = time.process_time()
    family = families.Generated(families.Parameters(NAMES), "siren", OPTIONS)
    taught = families.train(family, seen, steps=steps, tasks=8, lr=RATE, seed=seed, callbacks=[])
    note("CPU seconds of the training", time.process_time() - began)
    note("generated, one pass", psnr([taught.solve(p).sample() for p in fresh], fresh))
    for count in (100, 500, 2000):
        fits = families.fit_many(fresh, options=OPTIONS, steps=count, lr=1e-3, seed=seed)
        note(f"fitted, {count} steps", psnr([fit.sample() for fit in fits], fresh))


def main() -> None:
    """Print the table of each seed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=1500)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for seed in arguments.seeds:
        measure(seed, arguments.steps)


if __name__ == "__main__":
    main()
