"""SAR chips of generated targets, recognised from three labelled views of each class.

    python benchmarks/reading/sar.py [--seeds 0 1 2]

Four boxes of different sizes on the ground, chips of 40 x 40 pixels of 0.3 m at an incidence of 55
degrees, 4 looks. The three labelled views of a class are 120 degrees apart from a random azimuth;
48 others (12 a class) at random azimuths judge, displaced by up to 0.6 m, as chips are that a
detector cut out. "rendered" fits the field of `sar_views` to the three views of each class (hash
prior, 200 steps) and adds its image from 24 azimuths. "plain" adds shifts, mirrors along azimuth
and fresh speckle. All training sets have equally many chips. "24 true ones" has true views in place
of rendered ones. The classifier is the same in all rows: logistic regression, its penalty fixed, on
log amplitudes averaged over 2 x 2 pixels. One thread.
"""

from __future__ import annotations

import argparse
import math
import time

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

import inverse_inr as ii
from inverse_inr import noise
from inverse_inr.operators import SarImage
from inverse_inr.problems.radar.box_scene import BoxOnGround
from inverse_inr.problems.radar.novel_views import render
from inverse_inr.problems.radar.sar_views import BOX, PRIOR
from inverse_inr.stopping import Never

SIZES = ((4.6, 2.2, 1.8), (3.2, 2.4, 1.4), (5.6, 2.0, 1.2), (4.2, 2.8, 2.3))
PIXELS, PITCH = 40, 0.3
SPECKLE = noise.Gamma(4.0, 0.003)
INCIDENCE = math.radians(55.0)
COPIES = 72
"""Chips of a class in each training set, after augmentation."""


def radar_at(azimuth: Tensor) -> SarImage:
    """The radar that looks from some azimuths (radians)."""
    incidence = torch.full((len(azimuth),), INCIDENCE, dtype=torch.float64)
    return SarImage(
        BOX, incidence, azimuth.double(), (PIXELS, PIXELS), PITCH, degree=2, law="log", lines=2
    )


def chips(kind: int, azimuth: Tensor, center: tuple[float, float]) -> Tensor:
    """Exact intensities of a class from some azimuths, (views, azimuths, ranges)."""
    scene = BoxOnGround(SIZES[kind], center=center, heading=0.0)
    return scene.images(radar_at(azimuth), lines=4, heights=16).float()


def fitted(images: Tensor, azimuth: Tensor, wanted: Tensor, seed: int) -> Tensor:
    """Images from wanted azimuths of the field that is fitted to speckled ones."""
    radar = radar_at(azimuth).float()
    grid = ii.Grid(BOX, tuple(round(n / PITCH) for n in BOX.lengths))
    term = ii.Term(radar, images.reshape(len(radar), PIXELS), SPECKLE)
    problem = ii.Problem([term], BOX, grid, channels=radar.channels)
    prior = ii.priors.create("hash", BOX, radar.channels, seed=seed, **PRIOR)
    solver = ii.Solver(problem, prior, steps=200, batch=48, seed=seed, stopping=Never(every=200))
    return render(radar_at(wanted).float(), solver.run().field)


def augmented(images: Tensor, plain: bool, generator: torch.Generator) -> Tensor:
    """So many copies of chips; `plain`: each shifted, mirrored and with speckle of its own."""
    picked = images[torch.arange(COPIES) % len(images)]
    if not plain:
        return picked
    made = []
    for image in picked:
        shift = torch.randint(-2, 3, (2,), generator=generator).tolist()
        own = torch.roll(image, shift, (0, 1))
        if torch.rand((), generator=generator) < 0.5:
            own = own.flip(0)
        made.append(own)
    return SPECKLE.sample(torch.stack(made).clamp(min=0), generator)


def seen(images: Tensor) -> np.ndarray:
    """What the classifier sees of chips: log amplitudes of 2 x 2 pixels, (n, 400)."""
    small = torch.nn.functional.avg_pool2d(images[:, None], 2).clamp(min=0)
    return (small + 0.01).log().flatten(1).double().numpy()


def measure(seed: int) -> dict[str, float]:
    """Percent of the judging chips that each training set makes recognisable."""
    generator = torch.Generator().manual_seed(seed)
    sets: dict[str, list[Tensor]] = {}
    fresh, told = [], []
    thirds = torch.arange(3) * (2 * math.pi / 3)
    all_around = torch.arange(24) * (2 * math.pi / 24)
    for kind in range(len(SIZES)):
        first = thirds + float(torch.rand((), generator=generator)) * 2 * math.pi
        views = SPECKLE.sample(chips(kind, first, (0.0, 0.0)), generator)
        rendered = torch.cat([views, fitted(views, first, all_around, seed)])
        more = torch.cat([views, chips(kind, all_around, (0.0, 0.0))])
        for name, own, plain in (
            ("3 views", views, False),
            ("3 views, plain", views, True),
            ("3 views and rendered", rendered, False),
            ("3 views and rendered, plain", rendered, True),
            ("3 views and 24 true ones, plain", more, True),
        ):
            sets.setdefault(name, []).append(augmented(own, plain, generator))
        for _ in range(12):
            azimuth = torch.rand(1, generator=generator) * 2 * math.pi
            x, y = (1.2 * torch.rand(2, generator=generator) - 0.6).tolist()
            fresh.append(SPECKLE.sample(chips(kind, azimuth, (x, y)), generator))
            told.append(kind)
    judged = seen(torch.cat(fresh))
    labels = np.repeat(np.arange(len(SIZES)), COPIES)
    found = {}
    for name, parts in sets.items():
        model = LogisticRegression(C=0.01, max_iter=2000).fit(seen(torch.cat(parts)), labels)
        found[name] = 100 * float(model.score(judged, told))
    return found


def main() -> None:
    """Print a row for each training set and seed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for seed in arguments.seeds:
        began = time.process_time()
        for name, value in measure(seed).items():
            print(f"seed {seed}  {name:34s} {value:5.1f} %", flush=True)
        print(f"seed {seed}  {time.process_time() - began:.0f} CPU s", flush=True)


if __name__ == "__main__":
    main()
