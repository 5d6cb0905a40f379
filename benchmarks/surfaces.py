"""Closed meshes from a sparse radar aperture, compared with the exact surface in mm.

    python benchmarks/surfaces.py [--scenes sphere box] [--seeds 3] [--only ...]
                                  [--figure meshes.png]

The radar sends 6 to 10 GHz in 12 steps (a range resolution of 37.5 mm) from 36 azimuths and 8
heights, with 20 dB of signal to noise. The methods are level sets of classical images, a fit in two
stages, and a direct fit of the surface. Settings are the same for all scenes and seeds. A "closed"
mesh is watertight, of one part, with Euler characteristic 2. The truth is used for this table
alone.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch

from inverse_inr import Grid, Problem
from inverse_inr.baselines import l1
from inverse_inr.problems.radar import surfaces
from inverse_inr.problems.radar.imaging import backprojection
from inverse_inr.problems.radar.surfaces import direct
from inverse_inr.problems.radar.two_stages import two_stages
from inverse_inr.surfaces import Mesh, MeshErrors, distance_of, level_set, mesh_errors
from inverse_inr.surfaces import plotting as plotting_3d

VOXELS = 48
"""Voxels per axis of the grid on which meshes are extracted."""


def of_modulus(
    method: Callable[[Problem], object], level: float
) -> Callable[[Problem, dict], Mesh]:
    """A method: the level set of an image's modulus, at `level` times its largest value."""

    def mesh(problem: Problem, _: dict) -> Mesh:
        image = method(problem).field  # pyright: ignore[reportAttributeAccessIssue]
        top = float(image.values.abs().max())
        return level_set(
            lambda x: image(x).abs() / top, Grid(problem.box, (VOXELS,) * 3), level, inside="above"
        )

    return mesh


def staged(problem: Problem, found: dict) -> Mesh:
    """The mesh of the two stages, whose solution is kept in `found`."""
    found["two stages"] = two_stages(problem, seed=found["seed"])
    return level_set(found["two stages"].field, Grid(problem.box, (VOXELS,) * 3))


def coupled(problem: Problem, found: dict) -> Mesh:
    """The mesh of the direct fit, which starts from the two stages."""
    if "two stages" not in found:
        staged(problem, found)
    found["direct"] = direct(problem, found["two stages"].field, batch=96, seed=found["seed"])
    return level_set(distance_of(found["direct"].field), Grid(problem.box, (VOXELS,) * 3))


METHODS: dict[str, Callable[[Problem, dict], Mesh]] = {
    "backprojection, half of its maximum": of_modulus(backprojection, 0.5),
    "L1, x ≥ 0, a fifth of its maximum": of_modulus(
        lambda p: l1(p, 0.05, nonnegative=True, iterations=100), 0.2
    ),
    "two stages": staged,
    "direct, from two stages": coupled,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scenes", nargs="+", default=["sphere", "box"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--only", nargs="+", help="methods whose names contain one of these words")
    parser.add_argument(
        "--figure", help="write the meshes of the first scene and seed to this file"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for scene in arguments.scenes:
        print(f"\n{scene}: Chamfer, 95 %, largest distance (mm); closed; CPU seconds", flush=True)
        for seed in range(arguments.first, arguments.first + arguments.seeds):
            meshes = row(scene, seed, arguments.only)
            if arguments.figure and meshes:
                draw(meshes, arguments.figure)
                arguments.figure = None


def row(scene: str, seed: int, only: list[str] | None) -> dict[str, Mesh]:
    """Print one line per method for a scene and a seed; return the meshes by method."""
    problem = surfaces(scene, seed=seed)
    found = {"seed": seed}
    meshes: dict[str, Mesh] = {}
    body = problem.notes["shape"]
    truth = body.scatterers(5000, torch.Generator().manual_seed(1000))[0]
    for name, method in METHODS.items():
        if only and not any(word in name for word in only):
            continue
        began = time.process_time()
        try:
            mesh = method(problem, found)
        except ValueError as error:
            print(f"{name:36s} seed {seed}  {error}", flush=True)
            continue
        errors = mesh_errors(mesh, body, truth)
        seconds = time.process_time() - began
        print(f"{name:36s} seed {seed}  {line(errors, mesh)}  {seconds:6.1f} s", flush=True)
        meshes[name] = mesh
    return meshes


def line(errors: MeshErrors, mesh: Mesh) -> str:
    """The errors in mm, and whether the mesh is one closed surface."""
    state = "open"
    if mesh.is_closed:
        state = "closed"
    if not mesh.is_closed or mesh.components != 1 or mesh.euler_characteristic != 2:
        state += f", {mesh.components} parts"
    values = (errors.chamfer, errors.hausdorff95, errors.hausdorff)
    return " ".join(f"{1e3 * v:6.2f}" for v in values) + f"  {state:16s}"


def draw(meshes: dict[str, Mesh], path: str) -> None:
    """Write a figure of the meshes, side by side."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.6 * len(meshes), 3.8), layout="constrained")
    for k, (name, mesh) in enumerate(meshes.items()):
        axes = figure.add_subplot(1, len(meshes), k + 1, projection="3d")
        plotting_3d.mesh(mesh, axes=axes, title=name)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
