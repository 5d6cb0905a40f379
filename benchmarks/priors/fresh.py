"""FreSh against grid search: is its bandwidth as good as the best of ten trained ones?

    python benchmarks/priors/fresh.py [--priors siren fourier wire] [--size 128] [--steps 400]
                               [--width 64] [--out results.json]

Six signals of different spatial spectra are fitted on a size x size grid: every pixel, full batch,
Adam, last state. The truth is known at twice the resolution.

FreSh picks the bandwidth before training: it sees the grid's values and untrained fields only.

The printed numbers are:
    fit       PSNR (dB) on the grid that was fitted, as published.
    held-out  PSNR (dB) on the three grids half a pixel away, which no step saw.
    loses     how many dB the picked bandwidth falls short of the best of the ten.
    cost      CPU time of FreSh, as a percentage of the time of the ten fits.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import skimage.data
import skimage.transform
import torch
from torch import Tensor

import inverse_inr as ii
from inverse_inr import metrics, phantoms, priors
from inverse_inr.analysis import fresh
from inverse_inr.analysis.spectrum import Variant
from inverse_inr.stopping import Never

BOX = ii.Box((-1.0, -1.0), (1.0, 1.0))
VARIANTS: dict[str, tuple[Variant, int, int]] = {
    "published": ("published", 1, 10),
    "windowed": ("windowed", 1, 10),
    "refine=2": ("published", 2, 5),
}
"""For each form of FreSh: how spectra are taken, `refine`, and the number of untrained fields."""


class PointSamples:
    """The trivial operator: the field's values at given points."""

    def __init__(self, points: Tensor) -> None:
        self.points = points

    def __len__(self) -> int:
        return len(self.points)

    def __call__(self, rows: Tensor) -> ii.Query:
        return ii.Query(self.points[rows], lambda values: values[..., 0])


# --- signals: functions of the size that return (2 size, 2 size) values in [0, 1] ---------------


def photograph(name: str) -> Callable[[int], Tensor]:
    """A grey picture of `skimage.data`, its upper left square."""

    def load(size: int) -> Tensor:
        image = getattr(skimage.data, name)()
        if image.ndim == 3:
            image = image.mean(-1)
        side = min(image.shape)
        image = image[:side, :side].astype(np.float64) / 255
        resized = skimage.transform.resize(image, (2 * size, 2 * size), anti_aliasing=True)
        return torch.from_numpy(resized).float()

    return load


def analytic(make: Callable[[ii.Box], ii.Field]) -> Callable[[int], Tensor]:
    """A phantom, averaged over each pixel."""

    def load(size: int) -> Tensor:
        grid = ii.Grid(BOX, (2 * size, 2 * size))
        return ii.sample(make(BOX), grid, average=4)[..., 0].float()

    return load


def band_limited(cycles: float) -> Callable[[int], Tensor]:
    """Noise whose spatial spectrum is flat below `cycles` per box and zero above."""

    def make(size: int) -> Tensor:
        white = torch.randn(2 * size, 2 * size, generator=torch.Generator().manual_seed(0))
        noise = torch.fft.fft2(white)
        f = torch.fft.fftfreq(2 * size, 1 / (2 * size))
        image = torch.fft.ifft2(noise * (torch.hypot(f[:, None], f[None]) <= cycles)).real
        return (image - image.min()) / (image.max() - image.min())

    return make


SIGNALS: dict[str, Callable[[int], Tensor]] = {
    "blobs": analytic(phantoms.gaussian_blobs),
    "noise below 8 cycles": band_limited(8),
    "noise below 32 cycles": band_limited(32),
    "Shepp-Logan": analytic(phantoms.shepp_logan),
    "camera": photograph("camera"),
    "page of text": photograph("page"),
}


# --- the fits, and what is printed of them ------------------------------------------------------


def fit(truth: Tensor, prior: priors.Prior, steps: int) -> tuple[float, float]:
    """PSNR (dB), fit and held-out, of the prior trained on every second pixel of `truth`."""
    grid = ii.Grid(BOX, tuple(truth.shape))
    points = grid.points()
    y = truth[::2, ::2].reshape(-1)
    operator = PointSamples(points[::2, ::2].reshape(-1, 2))
    coarse = ii.Grid(BOX, tuple(n // 2 for n in grid.shape))
    problem = ii.Problem([ii.Term(operator, y, ii.fidelity.L2())], BOX, coarse)
    solution = ii.solve(
        problem,
        prior,
        steps=steps,
        batch=len(y),
        regularizers=[],
        stopping=Never(every=steps),
        callbacks=[],
    )
    with torch.no_grad():
        image = solution.field(points)[..., 0]
    seen = torch.zeros(grid.shape, dtype=torch.bool)
    seen[::2, ::2] = True
    return (
        metrics.psnr(image, truth, data_range=1.0, mask=seen),
        metrics.psnr(image, truth, data_range=1.0, mask=~seen),
    )


def candidates(size: int, count: int = 10) -> list[float]:
    """Bandwidths from an eighth of the grid's Nyquist frequency to four times it.

    They are a constant factor apart.
    """
    nyquist = priors.bandwidth_of(ii.Grid(BOX, (size, size)))
    return [nyquist * 2.0 ** (5 * k / (count - 1) - 3) for k in range(count)]


def ten_fits(signal: str, name: str, options: argparse.Namespace) -> dict[str, Any]:
    """The grid search: the PSNR of every bandwidth, and the CPU seconds of all fits together."""
    truth = SIGNALS[signal](options.size)
    tried = candidates(options.size)
    began = time.process_time()
    scores = [
        fit(truth, priors.create(name, BOX, bandwidth=b, width=options.width), options.steps)
        for b in tried
    ]
    return {
        **key(signal, name, options),
        "bandwidths": tried,
        "grid seconds": time.process_time() - began,
        "fit": [s[0] for s in scores],
        "held-out": [s[1] for s in scores],
    }


def add_choices(result: dict[str, Any], options: argparse.Namespace) -> None:
    """Add to `result` the choice of each variant of FreSh, and its CPU seconds."""
    image = SIGNALS[result["signal"]](options.size)[::2, ::2, None]
    lattice = ii.Grid(BOX, (options.size, options.size))

    def make(bandwidth: float, seed: int) -> priors.Prior:
        return priors.create(
            result["prior"], BOX, bandwidth=bandwidth, seed=seed, width=options.width
        )

    for label, (variant, refine, seeds) in VARIANTS.items():
        began = time.process_time()
        choice = fresh(
            image, lattice, make, result["bandwidths"], variant=variant, refine=refine, seeds=seeds
        )
        result[label] = {
            "index": choice.index,
            "seconds": time.process_time() - began,
            "distances": choice.distances.tolist(),
        }


def key(signal: str, name: str, options: argparse.Namespace) -> dict[str, Any]:
    """All that a grid search depends on, to find it again in the file of results."""
    return {
        "signal": signal,
        "prior": name,
        "size": options.size,
        "steps": options.steps,
        "width": options.width,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--priors", nargs="+", default=["siren"])
    parser.add_argument("--signals", nargs="+", default=list(SIGNALS))
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument(
        "--out", type=Path, help="JSON file of all numbers; fits that it holds are not done again"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = []
    if options.out and options.out.exists():
        results = json.loads(options.out.read_text())
    for name in options.priors:
        for signal in options.signals:
            wanted = key(signal, name, options)
            result = next((r for r in results if wanted.items() <= r.items()), None)
            if result is None:
                result = ten_fits(signal, name, options)
                results.append(result)
            add_choices(result, options)
            show(result)
            if options.out:
                options.out.write_text(json.dumps(results, indent=1))


def show(result: dict[str, Any]) -> None:
    print(f"\n{result['prior']}, {result['signal']}: {result['grid seconds']:.0f} s for ten fits")
    print("  bandwidth", *(f"{b:7.1f}" for b in result["bandwidths"]))
    for kind in ("fit", "held-out"):
        print(f"  {kind:9s}", *(f"{v:7.2f}" for v in result[kind]))
    for variant in VARIANTS:
        found = result[variant]
        index = found["index"]
        cost = 100 * found["seconds"] / result["grid seconds"]
        loss = [max(result[kind]) - result[kind][index] for kind in ("fit", "held-out")]
        print(
            f"  {variant:9s} picks {result['bandwidths'][index]:6.1f}: "
            f"loses {loss[0]:.2f} dB fit, {loss[1]:.2f} dB held-out; cost {cost:.1f} %",
            flush=True,
        )


if __name__ == "__main__":
    main()
