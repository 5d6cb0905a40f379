"""Views at times that nobody took of a scene that moves, each picture being of another time.

    python benchmarks/scenes/moving.py [--size 32] [--views 60] [--steps 1500] [--seeds 0 1 2]

PSNR in dB of eight cameras between the measured ones, at eight times between the measured ones,
against exact pictures; once of all pixels, and once of those that differ by more than 0.05 from the
scene at half time, where something moves. `deformed` displaces a field at rest, a plain field is of
places and times, a static one sees no times; the three have the same cells and rates, those of a
grid or of `hash`. "exp" has exponential densities as `scene` has, and "TV" total variation of the
opacities of the field at rest, as the preset has it. Beside them stands the measured picture whose
camera and time are nearest. Settings were found on seed 10 at 24 pixels and 40 views.
"""

from __future__ import annotations

import argparse
import math
import time

import torch
from torch import Tensor, nn

from inverse_inr import Grid, Problem, Solver, Term, noise, priors
from inverse_inr.operators import Cameras, VolumeRendering
from inverse_inr.problems.scene import busy_table_top, pictures, scene_moving
from inverse_inr.problems.scene.grid_fits import OpacityVariation, begin_clear
from inverse_inr.problems.scene.moving import filmed, moments
from inverse_inr.problems.scene.simulated import BOX, around, problem_of

HEADS = ("softplus", "sigmoid", "sigmoid", "sigmoid")
NAMES = (
    "static grid",
    "plain grid",
    "deformed grid",
    "deformed grid exp",
    "deformed grid TV",
    "deformed grid exp TV",
    "static",
    "plain",
    "deformed",
)


def decibels(seen: Tensor, truth: Tensor, where: Tensor) -> float:
    return -10 * math.log10(float((seen - truth).square().mean(-1)[where].mean()))


def nearest_picture(problem: Problem, cameras: Cameras, times: Tensor) -> Tensor:
    """The measured picture for each new one: places in units of the scene, times in its length."""
    operator = problem.terms[0].operator
    assert isinstance(operator, VolumeRendering)
    assert operator.times is not None
    own = operator.cameras
    assert isinstance(own, Cameras)
    there = torch.cat([own.poses[:, :, 3], operator.times[:, None]], 1)
    here = torch.cat([cameras.poses[:, :, 3], times[:, None]], 1)
    nearest = torch.cdist(here, there).argmin(1)
    return problem.terms[0].y.reshape(*operator.shape, 3)[nearest]


def at_once(problem: Problem, size: int) -> Problem:
    """The same pictures as if all were taken at once."""
    operator = problem.terms[0].operator
    assert isinstance(operator, VolumeRendering)
    still = VolumeRendering(BOX, operator.cameras, operator.samples, background=1.0)
    term: Term = problem.terms[0]
    assert isinstance(term.fidelity, noise.Gaussian)
    return problem_of(still, term.y, term.fidelity, 10, size)


def fitted(problem: Problem, name: str, words: argparse.Namespace, seed: int) -> nn.Module:
    """The field of one method: "static", "plain" or "deformed", of `hash` or of a grid."""
    kind, *of_grid = name.split()
    size = words.size
    levels = {"levels": 6, "coarsest": 8.0, "finest": 2.0 * size}
    own = {"cells": float(size)} if of_grid else levels
    at_rest = "grid" if of_grid else "hash"
    if kind == "static":
        problem = at_once(problem, size)
    if kind == "deformed":
        rate = 4e-4 if of_grid else 1e-3
        own = {"at_rest": at_rest, "options": own, "motion_rate": rate}
        at_rest = "deformed"
    head = HEADS
    if "exp" in of_grid:
        head = ("exp", *HEADS[1:])
    prior = priors.create(at_rest, problem.box, 4, head=head, seed=seed, **own)
    begin_clear(BOX)(prior)
    rate = 0.2 if of_grid else 1e-2
    penalties = []
    if "TV" in of_grid:
        penalties = [words.weight * OpacityVariation(Grid(BOX, problem.grid.shape[:3]), 16, 0.5)]
    solver = Solver(
        problem, prior, regularizers=penalties, steps=words.steps, batch=512, lr=rate, seed=seed
    )
    field = solver.run().field
    assert isinstance(field, nn.Module)
    return field


class Still(nn.Module):
    """A field of places as one of places and times."""

    def __init__(self, field: nn.Module) -> None:
        super().__init__()
        self.field = field

    def forward(self, points: Tensor) -> Tensor:
        return self.field(points[..., :3])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--views", type=int, default=60)
    parser.add_argument("--samples", type=int, default=32)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--names", nargs="*", default=list(NAMES))
    parser.add_argument("--weight", type=float, default=5.0, help="of TV, in half sides")
    words = parser.parse_args()
    torch.set_num_threads(1)
    size = words.size
    cameras = Cameras(around(8, phase=0.5), (size, size), 1.25 * size)
    times = moments(8, phase=0.09)
    solids = busy_table_top()
    truth = filmed(solids, cameras, times, 3).reshape(*cameras.shape, 3)
    middle = filmed(solids, cameras, torch.full_like(times, 0.5), 3).reshape(truth.shape)
    moves = (truth - middle).abs().amax(-1) > 0.05
    whole = torch.ones_like(moves)
    print(f"{100 * float(moves.double().mean()):.0f} % of the pixels are of what moves")
    for seed in words.seeds:
        problem = scene_moving(size=size, views=words.views, samples=words.samples, seed=seed)
        operator = problem.terms[0].operator
        assert isinstance(operator, VolumeRendering)
        print(f"seed {seed}", flush=True)

        def report(name: str, seen: Tensor, seconds: float) -> None:
            said = f"{decibels(seen, truth, whole):5.1f} dB, of what moves "
            print(
                f"  {name:22s} {said}{decibels(seen, truth, moves):5.1f}, {seconds:.0f} s",
                flush=True,
            )

        report("nearest", nearest_picture(problem, cameras, times), 0.0)
        for name in words.names:
            began = time.process_time()
            field = fitted(problem, name, words, seed)
            seconds = time.process_time() - began
            if name.startswith("static"):
                field = Still(field)
            report(name, pictures(field, operator, cameras, times), seconds)


if __name__ == "__main__":
    main()
