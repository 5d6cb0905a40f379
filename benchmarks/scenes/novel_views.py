"""Views that nobody took of a simulated scene, whole and without one of its objects.

    python benchmarks/scenes/novel_views.py [--size 40] [--views 40] [--steps 600] [--seeds 0 1 2]

PSNR in dB of eight views between the measured ones, against exact pictures, with white as the
range. Beside the fits stand the measured view that is nearest, and no network: density and colours
on a grid. Nothing was chosen by these views.
"""

from __future__ import annotations

import argparse
import math
import time

import torch
from torch import Tensor, nn

from inverse_inr import Box, Field, Problem, Solver, regularizers
from inverse_inr.operators import Cameras, VolumeRendering
from inverse_inr.problems.scene import Removed, Solids, pictures, scene
from inverse_inr.problems.scene.simulated import around, photographed, table_top

BALL = Box((-0.8, -0.7, -0.43), (-0.02, 0.05, 0.3))
"""A region that holds the ball and nothing else."""

HEADS = ("softplus", "sigmoid", "sigmoid", "sigmoid")


def exact(solids: Solids, cameras: Cameras) -> Tensor:
    return photographed(solids, cameras, torch.ones(3), 3).reshape(*cameras.shape, 3)


def decibels(seen: Tensor, truth: Tensor) -> float:
    return -10 * math.log10(float((seen - truth).square().mean()))


def nearest_view(problem: Problem, cameras: Cameras) -> Tensor:
    """The measured picture of the camera that stands nearest, for each new one."""
    operator = problem.terms[0].operator
    assert isinstance(operator, VolumeRendering)
    own = operator.cameras
    assert isinstance(own, Cameras)
    distance = torch.cdist(cameras.poses[:, :, 3].double(), own.poses[:, :, 3].double())
    return problem.terms[0].y.reshape(*operator.shape, 3)[distance.argmin(1)]


def fits(problem: Problem, steps: int, seed: int) -> dict[str, tuple[Field, float]]:
    """The field and the seconds of each method."""
    smooth = 1e-3 * regularizers.TotalVariation()
    chosen = {
        "hash": {"prior": None, "regularizers": ()},
        "grid with TV": {"prior": "grid", "regularizers": (smooth,)},
        "fourier (as NeRF)": {"prior": "fourier", "regularizers": ()},
    }
    found = {}
    for name, words in chosen.items():
        began = time.process_time()
        solver = _solver(problem, words, steps, seed)
        found[name] = (solver.run().field, time.process_time() - began)
    return found


def _solver(problem: Problem, words: dict, steps: int, seed: int) -> Solver:
    from inverse_inr import priors

    prior = words["prior"]
    if prior is not None:
        prior = priors.create(prior, problem.box, 4, head=HEADS, seed=seed, bandwidth=20.0)
    regularizers = words["regularizers"]
    return Solver(problem, prior, regularizers=regularizers, steps=steps, batch=1024, seed=seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=40)
    parser.add_argument("--views", type=int, default=40)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    words = parser.parse_args()
    torch.set_num_threads(1)
    for seed in words.seeds:
        problem = scene(size=words.size, views=words.views, seed=seed)
        operator = problem.terms[0].operator
        assert isinstance(operator, VolumeRendering)
        cameras = Cameras(around(8, phase=0.5), (words.size, words.size), 1.25 * words.size)
        whole = exact(table_top(), cameras)
        without = exact(table_top().without(1), cameras)
        print(f"seed {seed}: nearest view {decibels(nearest_view(problem, cameras), whole):.1f} dB")
        for name, (field, seconds) in fits(problem, words.steps, seed).items():
            assert isinstance(field, nn.Module)
            seen = decibels(pictures(field, operator, cameras), whole)
            removed = decibels(pictures(Removed(field, BALL), operator, cameras), without)
            said = f"{seen:6.1f} dB, ball removed {removed:6.1f} dB, {seconds:.0f} s"
            print(f"  {name:20s} {said}", flush=True)


if __name__ == "__main__":
    main()
