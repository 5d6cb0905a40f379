"""Novel SAR views of a box on the ground: an INR against tomography, voxels and the nearest view.

    python benchmarks/sar_views.py [--seeds 3] [--only hash]

The measurements are 24 views at incidences of 50 and 60 degrees, with pixels of 0.3 m and 4-look
speckle. The methods are judged at 8 azimuths half a step away and at an incidence of 55 degrees,
against exact noise-free images (amplitudes) and closed-form shadow lengths. The voxels follow the
same physics as the INR. The truth is used for this table and for nothing else.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from torch import Tensor

import inverse_inr as ii
from inverse_inr import priors
from inverse_inr.operators import SarImage
from inverse_inr.problems.radar import sar_views
from inverse_inr.problems.radar.box_scene import BoxOnGround
from inverse_inr.problems.radar.novel_views import nearest_views, novel_radar, render, view_errors
from inverse_inr.problems.radar.tomography import tomography

STEPS = 600
BATCH = 48


def fit(problem: ii.Problem, prior: str, seed: int) -> ii.Solution:
    """Solve by the problem's own prior, or by another of the catalogue with its defaults.

    The prior `grid` has one voxel per pixel of the problem's grid.
    """
    options = {}
    if prior == "hash":
        options = problem.suggested.options
    elif prior == "grid":
        options = {"cells": float(problem.grid.shape[0])}
    made = priors.create(prior, problem.box, problem.channels, seed=seed, **options)
    return ii.solve(problem, made, steps=STEPS, batch=BATCH, seed=seed, callbacks=[])


def images_of(
    solve: Callable[[ii.Problem, int], ii.Solution],
) -> Callable[[ii.Problem, SarImage, int], Tensor]:
    """A method that solves the problem and renders the solution's field at the novel views."""
    return lambda problem, novel, seed: render(novel, solve(problem, seed).field)


METHODS: dict[str, Callable[[ii.Problem, SarImage, int], Tensor]] = {
    "exact images": lambda _, novel, seed: BoxOnGround().images(novel).float(),
    "nearest measured view": lambda problem, novel, _: nearest_views(problem, novel),
    "nearest view without speckle": lambda problem, novel, _: clean_nearest(problem, novel),
    "tomography (TV), no occlusion": images_of(lambda problem, _: tomography(problem)),
    "voxels, same physics": images_of(lambda problem, seed: fit(problem, "grid", seed)),
    "hash (preset)": images_of(lambda problem, seed: fit(problem, "hash", seed)),
}


def clean_nearest(problem: ii.Problem, novel: SarImage) -> Tensor:
    """The view that a radar without noise would have from the nearest measured direction.

    Its error is that of the direction alone.
    """
    radar = problem.terms[0].operator
    assert isinstance(radar, SarImage)
    directions = [r.frame(torch.arange(r.shape[0]))[0] for r in (novel, radar)]
    return BoxOnGround().images(radar)[(directions[0] @ directions[1].T).argmax(1)].float()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", help="methods whose names contain one of these words")
    parser.add_argument("--degree", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'':32s} {'PSNR of amplitude':22s}  shadow length - closed form (pixels)", flush=True)
    for name, method in METHODS.items():
        if arguments.only and not any(word in name for word in arguments.only):
            continue
        rows: list[dict[str, float]] = []
        began = time.process_time()
        for seed in range(arguments.seeds):
            problem = sar_views(seed=seed, degree=arguments.degree)
            radar = problem.terms[0].operator
            assert isinstance(radar, SarImage)
            novel = novel_radar(radar)
            rows.append(view_errors(BoxOnGround(), novel, method(problem, novel, seed)))
        seconds = (time.process_time() - began) / arguments.seeds
        mean = {key: sum(r[key] for r in rows) / len(rows) for key in rows[0]}
        worst = max((r["shadow, worst view"] for r in rows), key=abs)
        listed = " ".join(f"{r['PSNR']:5.2f}" for r in rows)
        shadow = (
            f"mean {mean['shadow, mean']:+.2f}, "
            f"median |.| {mean['shadow, median of |error|']:.2f}, "
            f"within 1: {100 * mean['shadow, within 1 pixel']:.0f} %, worst view {worst:+.2f}"
        )
        print(f"{name:32s} {listed} dB  {shadow}  {seconds:5.0f} s", flush=True)


if __name__ == "__main__":
    main()
