"""Views that nobody took of a simulated scene, whole and without one of its objects.

    python benchmarks/scenes/novel_views.py [--size 40] [--views 40] [--steps 500] [--seeds 3 4 5]
    python benchmarks/scenes/novel_views.py --strewn     other solids, on which nothing was set

PSNR in dB of eight views between the measured ones, against exact pictures, with white as the
range. Beside the fits stand the measured view that is nearest, and no network: density and colours
on a grid, with total variation whose weight the held-out views choose (`scene_fits`). Nothing was
chosen by the views that judge; rates, heads and what varies were set at 24 pixels and 24 views,
seed 10. Meshes are judged above the table: of their points there, the distance to the surface of
all solids; of the solids' points there, the distance to the whole mesh.
"""

from __future__ import annotations

import argparse
import math
import time

import torch
from scipy.spatial import KDTree
from torch import Tensor, nn

from inverse_inr import Box, Field, Problem, Solution, Solver, priors
from inverse_inr.operators import Cameras, VolumeRendering
from inverse_inr.problems.scene import (
    Removed,
    Solids,
    mesh_of,
    pictures,
    surface_density,
)
from inverse_inr.problems.scene.grid_fits import HASH_RATE, hash_options, scene_fits
from inverse_inr.problems.scene.simulated import (
    BOX,
    around,
    photographed,
    problem_of,
    table_top,
    with_noise,
)

BALL = Box((-0.8, -0.7, -0.43), (-0.02, 0.05, 0.3))
"""A region that holds the ball and nothing else."""

HEADS = ("softplus", "sigmoid", "sigmoid", "sigmoid")
"""As NeRF's network has them; the density of `scene` is an exponential."""
NAMES = ("grid", "hash", "hash of softplus", "fourier")


def exact(solids: Solids, cameras: Cameras) -> Tensor:
    return photographed(solids, cameras, torch.ones(3), 3).reshape(*cameras.shape, 3)


def decibels(seen: Tensor, truth: Tensor) -> float:
    return -10 * math.log10(float((seen - truth).square().mean()))


def strewn(seed: int) -> Solids:
    """The table with six balls, eggs and blocks of any size, place and colour on it."""
    drawn = torch.rand(6, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    halves = 0.1 + 0.2 * drawn[:, :3]
    flat = 1.1 * (drawn[:, 3:5] - 0.5)
    table = table_top()
    return Solids(
        torch.cat([table.centers[:1], torch.cat([flat, halves[:, 2:] - 0.44], 1)]),
        torch.cat([table.halves[:1], halves]),
        torch.cat([table.blocks[:1], (drawn[:, 5] > 0.5).double()]),
        torch.full((7,), 30.0),
        torch.cat([table.colours[:1], drawn[:, 6:]]),
    )


def pictures_of(solids: Solids, words: argparse.Namespace, seed: int) -> Problem:
    """The problem `scene` of other solids, with 1 % noise."""
    cameras = Cameras(around(words.views), (words.size, words.size), 1.25 * words.size)
    operator = VolumeRendering(BOX, cameras, 48, background=1.0)
    taken = photographed(solids, cameras, torch.ones(3), 3).float()
    y, model = with_noise(taken, 0.01, seed)
    return problem_of(operator, y, model, 10, cells=words.size)


def mesh_errors(field: Field, problem: Problem, solids: Solids) -> str:
    """Chamfer of the mesh from the solids above the table, in thousandths, at several levels."""
    operator = problem.terms[0].operator
    assert isinstance(operator, VolumeRendering)
    truth = solids.surface_points(60_000)
    level = surface_density(field, operator)
    found = {}
    for factor in (0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8):
        try:
            mesh = mesh_of(field, operator, problem.grid, level=factor * level, factor=2)
        except ValueError:  # nothing is as dense as that
            continue
        points = mesh.sample(60_000)
        there, back = nearest(above(points), truth), nearest(above(truth), points)
        found[factor] = 0.5 * (there + back)
    oracle = min(found, key=lambda factor: found[factor])
    said = f"mesh at density {level:.1f}: Chamfer {1000 * found[1.0]:.1f}"
    return f"{said} (oracle {1000 * found[oracle]:.1f} at {oracle * level:.1f})"


def nearest(points: Tensor, others: Tensor) -> float:
    """Mean distance of points from the nearest of others."""
    return float(KDTree(others.numpy()).query(points.numpy())[0].mean())


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


def fitted(problem: Problem, name: str, words: argparse.Namespace, seed: int) -> Solution:
    """One fit: "grid" with the weight that held-out views choose, or a network without one."""
    if name == "grid":
        solution = next(scene_fits(problem, steps=words.steps)).solution
        print(f"    held out by weight: {solution.details['held-out by weight']}")
        return solution
    if name == "fourier":
        options = {"head": HEADS, "bandwidth": 20.0}
        rate = None
    else:
        options = hash_options(problem)
        rate = HASH_RATE
        if name == "hash of softplus":
            options["head"] = HEADS
    prior = priors.create(name.split()[0], problem.box, 4, seed=seed, **options)
    given = {"steps": words.steps, "batch": 1024, "lr": rate, "seed": seed}
    return Solver(problem, prior, regularizers=[], **given).run()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=40)
    parser.add_argument("--views", type=int, default=40)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--seeds", type=int, nargs="+", default=[3])
    parser.add_argument("--names", nargs="*", default=list(NAMES))
    parser.add_argument("--strewn", action="store_true", help="another scene for each seed")
    words = parser.parse_args()
    torch.set_num_threads(1)
    for seed in words.seeds:
        solids = strewn(seed) if words.strewn else table_top()
        problem = pictures_of(solids, words, seed)
        operator = problem.terms[0].operator
        assert isinstance(operator, VolumeRendering)
        cameras = Cameras(around(8, phase=0.5), (words.size, words.size), 1.25 * words.size)
        whole, without = exact(solids, cameras), exact(table_top().without(1), cameras)
        print(f"seed {seed}: nearest view {decibels(nearest_view(problem, cameras), whole):.1f} dB")
        for name in words.names:
            began = time.process_time()
            solution = fitted(problem, name, words, seed)
            seconds = time.process_time() - began
            field = solution.field
            assert isinstance(field, nn.Module)
            if name == "grid":
                name = f"grid, TV {solution.details['weight of TV']:.1f}"
            seen = decibels(pictures(field, operator, cameras), whole)
            said = f"{seen:6.1f} dB, {seconds:.0f} s"
            if not words.strewn:
                removed = decibels(pictures(Removed(field, BALL), operator, cameras), without)
                said += f", ball removed {removed:6.1f} dB"
            print(f"  {name:20s} {said}", flush=True)
            print(f"    {mesh_errors(field, problem, solids)}", flush=True)


if __name__ == "__main__":
    main()
