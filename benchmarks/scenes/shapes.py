"""Shapes from point clouds and meshes, beside simple surfaces through the same points.

    python benchmarks/scenes/shapes.py [--steps 1500] [--seeds 0 1 2] [--noise 0 0.01]

IoU at 200,000 random places, Chamfer distance in thousandths of the box's half side and the
consistency of normals, against shapes known in closed form, which nobody was tuned on but the torus
of seed 10. The bowl is open: the height of the highest corner of its mesh shows whether it stayed
so, where the true rim stands at 0.
"""

from __future__ import annotations

import argparse
import time

import torch

from inverse_inr import Problem, Solution, Solver
from inverse_inr.problems.shapes import as_distance, cloud_on, shape_cloud, shape_mesh, surface_of
from inverse_inr.surfaces import intersection_over_union, mesh_errors, normal_consistency

NAMES = ("sphere", "box", "torus")


def judged(problem: Problem, solution: Solution, name: str) -> str:
    exact = problem.reference
    assert exact is not None
    mesh = surface_of(solution, 2)
    truth, normals = cloud_on(name, 20_000, 99)
    half = 0.5 * max(problem.box.lengths)
    errors = mesh_errors(mesh, exact, truth)
    said = f"Chamfer {1000 * errors.chamfer / half:5.2f}"
    said += f", normals {normal_consistency(mesh, truth, normals):.3f}"
    if name == "bowl":
        return f"{said}, highest {float(mesh.vertices[:, 2].max()):+.3f}, {mesh.components} part(s)"
    overlap = intersection_over_union(as_distance(solution), exact, problem.box)
    return f"IoU {overlap:.4f}, {said}, closed: {mesh.is_closed}"


def run(problem: Problem, name: str, seed: int, what: str) -> None:
    for title, method in problem.suggested.baselines.items():
        print(f"  {name:7s} {title:16s} {judged(problem, method(problem), name)}", flush=True)
    began = time.process_time()
    solution = Solver(problem, seed=seed).run()
    seconds = time.process_time() - began
    print(f"  {name:7s} {what:16s} {judged(problem, solution, name)}, {seconds:.0f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--noise", type=float, nargs="*", default=[0.0, 0.01])
    parser.add_argument("--names", nargs="*", default=list(NAMES))
    parser.add_argument("--kinds", nargs="*", default=["occupancy", "signed", "unsigned"])
    words = parser.parse_args()
    torch.set_num_threads(1)
    for seed in words.seeds:
        for noise in words.noise:
            print(f"seed {seed}, cloud of 3000 points, noise {noise}", flush=True)
            given = {"noise_level": noise, "steps": words.steps, "seed": seed}
            for name in words.names:
                run(shape_cloud(name, **given), name, seed, "siren")
        print(f"seed {seed}, exact insides and distances", flush=True)
        for name in words.names:
            for kind in (k for k in words.kinds if k != "unsigned"):
                problem = shape_mesh(name, kind=kind, steps=words.steps, seed=seed)
                run(problem, name, seed, kind)
        if "unsigned" in words.kinds:
            run(shape_mesh("bowl", steps=words.steps, seed=seed), "bowl", seed, "unsigned")


if __name__ == "__main__":
    main()
