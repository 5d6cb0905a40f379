"""Views that nobody took of a simulated scene, whole and without one of its objects.

    python benchmarks/scenes/novel_views.py [--size 40] [--views 40] [--steps 600] [--seeds 0 1 2]

PSNR in dB of eight views between the measured ones, against exact pictures, with white as the
range. Beside the fits stand the measured view that is nearest, and no network: density and colours
on a grid, with total variation whose weight the held-out views choose. Nothing was chosen by the
views that judge; the grid's rate and weights to choose from were set at 24 pixels and 24 views,
seed 10.
"""

from __future__ import annotations

import argparse
import math
import time

import torch
from torch import Tensor, nn

from inverse_inr import Box, Field, Problem, Solution, Solver, priors, regularizers, selection
from inverse_inr.operators import Cameras, VolumeRendering
from inverse_inr.problems.scene import (
    Removed,
    Solids,
    mesh_of,
    pictures,
    scene,
    surface_density,
)
from inverse_inr.problems.scene.simulated import around, photographed, table_top
from inverse_inr.surfaces import shape_errors

BALL = Box((-0.8, -0.7, -0.43), (-0.02, 0.05, 0.3))
"""A region that holds the ball and nothing else."""

HEADS = ("softplus", "sigmoid", "sigmoid", "sigmoid")


def exact(solids: Solids, cameras: Cameras) -> Tensor:
    return photographed(solids, cameras, torch.ones(3), 3).reshape(*cameras.shape, 3)


def decibels(seen: Tensor, truth: Tensor) -> float:
    return -10 * math.log10(float((seen - truth).square().mean()))


def mesh_errors(field: Field, problem: Problem) -> str:
    """Chamfer of the mesh from the solids above the table, in thousandths, at two levels."""
    operator = problem.terms[0].operator
    assert isinstance(operator, VolumeRendering)
    truth = above(table_top().surface_points(20_000))
    level = surface_density(field, operator)
    found = {}
    for factor in (0.125, 0.25, 0.5, 1.0, 2.0, 4.0):
        try:
            mesh = mesh_of(field, operator, problem.grid, level=factor * level, factor=2)
        except ValueError:  # nothing is as dense as that
            continue
        found[factor] = shape_errors(above(mesh.sample(20_000)), truth, 0.03).chamfer
    oracle = min(found, key=lambda factor: found[factor])
    said = f"mesh at density {level:.0f}: Chamfer {1000 * found[1.0]:.1f}"
    return f"{said} (oracle {1000 * found[oracle]:.1f} at {oracle * level:.0f})"


def above(points: Tensor) -> Tensor:
    """What no camera sees from below, the table, is left out."""
    return points[points[:, 2] > -0.4]


def nearest_view(problem: Problem, cameras: Cameras) -> Tensor:
    """The measured picture of the camera that stands nearest, for each new one."""
    operator = problem.terms[0].operator
    assert isinstance(operator, VolumeRendering)
    own = operator.cameras
    assert isinstance(own, Cameras)
    distance = torch.cdist(cameras.poses[:, :, 3].double(), own.poses[:, :, 3].double())
    return problem.terms[0].y.reshape(*operator.shape, 3)[distance.argmin(1)]


def by_grid(problem: Problem, words: argparse.Namespace, seed: int) -> Solution:
    """Density and colours on a grid with total variation, whose weight held-out views choose."""
    grid = problem.grid
    cells = float(words.cells or max(grid.shape))

    def fitted(weight: float) -> Solution:
        prior = priors.create("grid", problem.box, 4, head=HEADS, cells=cells)
        smooth = [weight * regularizers.TotalVariation(grid)] if weight else []
        began = time.process_time()
        solver = Solver(
            problem,
            prior,
            regularizers=smooth,
            steps=words.steps,
            batch=1024,
            lr=words.rate,
            seed=seed,
        )
        solution = solver.run()
        seconds = time.process_time() - began
        print(f"    weight {weight:.0e}: held out {solution.held_out():.4g}, {seconds:.0f} s")
        return solution

    return selection.choose_weight(words.weights, fitted)


def by_network(problem: Problem, name: str, words: argparse.Namespace, seed: int) -> Solution:
    prior = None
    if name != "hash":
        prior = priors.create(name, problem.box, 4, head=HEADS, seed=seed, bandwidth=20.0)
    return Solver(problem, prior, steps=words.steps, batch=1024, seed=seed).run()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=40)
    parser.add_argument("--views", type=int, default=40)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--names", nargs="*", default=["hash", "fourier", "grid"])
    parser.add_argument("--weights", type=float, nargs="+", default=[0.0, 1e-5, 1e-4, 1e-3])
    parser.add_argument("--rate", type=float, default=0.1)
    parser.add_argument("--cells", type=int)
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
        for name in words.names:
            began = time.process_time()
            if name == "grid":
                solution = by_grid(problem, words, seed)
            else:
                solution = by_network(problem, name, words, seed)
            seconds = time.process_time() - began
            field = solution.field
            assert isinstance(field, nn.Module)
            if name == "grid":
                name = f"grid, TV {solution.details['weight']:.0e}"
            seen = decibels(pictures(field, operator, cameras), whole)
            removed = decibels(pictures(Removed(field, BALL), operator, cameras), without)
            said = f"{seen:6.1f} dB, ball removed {removed:6.1f} dB, {seconds:.0f} s"
            print(f"  {name:20s} {said}", flush=True)
            print(f"    {mesh_errors(field, problem)}", flush=True)


if __name__ == "__main__":
    main()
