"""FreSh against grid search: is the bandwidth that it picks before training as good as the best of ten trained ones?

    python benchmarks/fresh.py [--priors siren fourier wire] [--size 128] [--steps 400] [--width 64]

Six signals of different spectra are fitted on a size x size lattice (every pixel, full batch, Adam, last state). "fit"
is the PSNR on that lattice, as published; "held-out" the PSNR on the three lattices half a pixel away, which no step
saw: the truth is known on twice the resolution. FreSh sees the lattice and untrained fields only. "cost" is its CPU
time over that of the ten fits. Loss is how many dB the picked bandwidth falls short of the best of the ten.
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
VARIANTS: dict[str, tuple[Variant, int, int]] = {  # spectra, refine, seeds
    "published": ("published", 1, 10),
    "windowed": ("windowed", 1, 10),
    "refine=2": ("published", 2, 5),
}


class PointSamples:
    """The field's values at given points: the trivial operator."""

    def __init__(self, points: Tensor) -> None:
        self.points = points

    def __len__(self) -> int:
        return len(self.points)

    def __call__(self, rows: Tensor) -> ii.Query:
        return ii.Query(self.points[rows], lambda values: values[..., 0])


# --- signals, (2 size, 2 size) in [0, 1] ---------------------------------------------------------------------------


def photograph(name: str) -> Callable[[int], Tensor]:
    def load(size: int) -> Tensor:
        image = getattr(skimage.data, name)()
        image = image.mean(-1) if image.ndim == 3 else image
        side = min(image.shape)
        image = image[:side, :side].astype(np.float64) / 255
        return torch.from_numpy(
            skimage.transform.resize(image, (2 * size, 2 * size), anti_aliasing=True)
        ).float()

    return load


def analytic(make: Callable[[ii.Box], ii.Field]) -> Callable[[int], Tensor]:
    return lambda size: ii.sample(make(BOX), ii.Grid(BOX, (2 * size, 2 * size)), average=4)[
        ..., 0
    ].float()


def band_limited(cycles: float) -> Callable[[int], Tensor]:
    """Noise of flat spectrum below `cycles` per box, in [0, 1]."""

    def make(size: int) -> Tensor:
        noise = torch.fft.fft2(
            torch.randn(2 * size, 2 * size, generator=torch.Generator().manual_seed(0))
        )
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


# --- one fit, one row of the table ---------------------------------------------------------------------------------


def fit(truth: Tensor, prior: priors.Prior, steps: int) -> tuple[float, float]:
    """PSNR (fit, held-out) of `prior` trained on every second pixel of `truth`."""
    grid = ii.Grid(BOX, tuple(truth.shape))
    points = grid.points()
    y = truth[::2, ::2].reshape(-1)
    operator = PointSamples(points[::2, ::2].reshape(-1, 2))
    problem = ii.Problem(
        [ii.Term(operator, y, ii.fidelity.L2())],
        BOX,
        ii.Grid(BOX, tuple(n // 2 for n in grid.shape)),
    )
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
    """Bandwidths from an eighth of the lattice's Nyquist frequency to four times it, a constant factor apart."""
    nyquist = priors.bandwidth_of(ii.Grid(BOX, (size, size)))
    return [nyquist * 2.0 ** (5 * k / (count - 1) - 3) for k in range(count)]


def ten_fits(signal: str, name: str, options: argparse.Namespace) -> dict[str, Any]:
    """The grid search: PSNR of every bandwidth, CPU seconds of all."""
    truth, tried = SIGNALS[signal](options.size), candidates(options.size)
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
    """What each variant of FreSh picks, and its CPU seconds."""
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
    rows = json.loads(options.out.read_text()) if options.out and options.out.exists() else []
    for name in options.priors:
        for signal in options.signals:
            wanted = key(signal, name, options)
            found = [r for r in rows if wanted.items() <= r.items()]
            result = found[0] if found else ten_fits(signal, name, options)
            rows = rows if found else [*rows, result]
            add_choices(result, options)
            show(result)
            if options.out:
                options.out.write_text(json.dumps(rows, indent=1))


def show(result: dict[str, Any]) -> None:
    print(f"\n{result['prior']}, {result['signal']}: {result['grid seconds']:.0f} s for ten fits")
    print("  bandwidth", *(f"{b:7.1f}" for b in result["bandwidths"]))
    for kind in ("fit", "held-out"):
        print(f"  {kind:9s}", *(f"{v:7.2f}" for v in result[kind]))
    for variant in VARIANTS:
        found = result[variant]
        index, cost = found["index"], 100 * found["seconds"] / result["grid seconds"]
        loss = [max(result[kind]) - result[kind][index] for kind in ("fit", "held-out")]
        print(
            f"  {variant:9s} picks {result['bandwidths'][index]:6.1f}: loses {loss[0]:.2f} dB fit, {loss[1]:.2f} dB "
            f"held-out; cost {cost:.1f} %",
            flush=True,
        )


if __name__ == "__main__":
    main()
