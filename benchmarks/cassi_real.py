"""Measured snapshots: which camera, which cube, and which held-out pixels tell?

    python benchmarks/cassi_real.py --registration
    python benchmarks/cassi_real.py --simulated [--scenes 0 1 2]
    python benchmarks/cassi_real.py --criteria [--scenes 0 1 2]
    python benchmarks/cassi_real.py [--rows 350 470] [--seeds 0] [--iterations 30]
                                    [--figure docs/cassi_real.png]

--registration: what is found of three cameras, each of a dark and a bright scene.
--simulated: snapshots whose truth is known (`cassi_uncalibrated`), behind four cameras: as filed,
found before the cube, learnt further with the image, and the true one. PSNR and spectral angle of
`separable`, GAP-TV and ADMM-TV, which choose strength and iteration by held-out blocks.
--criteria: cubes of several methods, behind the true camera, ranked by four kinds of held-out
pixels and by a second snapshot; rank correlation with the PSNR, and what the first choice loses.

Otherwise the snapshot of TSA-Net's camera, where there is no truth. "held-out" is the mean squared
standardised residual of blocks that no method saw; 1 would be noise alone, as `shot_noise`
estimates it. Times are CPU seconds on one thread. For the data see INVERSE_INR_DATA.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from cassi_criteria import compared
from real_data import DATA

import inverse_inr as ii
from inverse_inr.metrics import psnr_of_span, spectral_angle
from inverse_inr.problems.spectral import TrueCamera, cassi_real, cassi_uncalibrated
from inverse_inr.problems.spectral.figures import spectral_figure
from inverse_inr.problems.spectral.gap_tv import gap_tv
from inverse_inr.problems.spectral.measured import STRENGTHS, Modelling

FILES = str(DATA / "tsa_real_scene1.mat"), str(DATA / "tsa_real_mask.mat")
Solve = Callable[[ii.Problem], ii.Solution]

CAMERAS = {
    "of the files": Modelling(register=False),
    "found": Modelling(),
    "found, learnt": Modelling(calibrate=("mask", "psf")),
}
"""How much of the camera a problem knows, but for the true one."""


TRUE = (
    TrueCamera((0.9, 0.0), 0.3, 0.004, 0.6, 0.0),
    TrueCamera((-0.6, 0.4), 0.5, -0.003, 0.5, 0.02),
    TrueCamera((0.3, -0.3), -0.4, 0.002, 0.75, 0.01),
)
"""The cameras of --registration."""


def registration() -> None:
    """Print what is found of simulated cameras, before their cube."""
    for k, camera in enumerate(TRUE):
        for ground in ("dark", "bright"):
            began = time.process_time()
            problem = cassi_uncalibrated(ground, scene=20 + k, seed=k, camera=camera)
            notes = problem.notes
            grey = cassi_uncalibrated(
                ground, scene=20 + k, seed=k, camera=camera, modelling=CAMERAS["of the files"]
            ).notes["background"]
            print(
                f"{ground:7} {20 + k}  {camera}\n    {notes['mask lies lower by']}; blur "
                f"{notes['camera blurs by']}; background {notes['background']:.4f} (true "
                f"{camera.background / (1 + camera.background):.4f}, of a grey scene {grey:.4f})  "
                f"{time.process_time() - began:.0f} s",
                flush=True,
            )


def true_camera(problem: ii.Problem) -> ii.Problem:
    """The problem behind the camera that measured, on the light that it coded."""
    camera = problem.notes["true camera"]
    operator = camera.on(camera.bands)
    return replace(problem, terms=[replace(problem.terms[0], operator=operator)])


def simulated(scenes: list[int]) -> None:
    """Print what every camera and method makes of simulated snapshots."""
    for ground in ("dark", "bright"):
        for scene in scenes:
            problems = {
                name: cassi_uncalibrated(ground, scene=scene, seed=scene, modelling=modelling)
                for name, modelling in CAMERAS.items()
            }
            fraction = problems["found"].notes["true background"]
            light = Modelling(register=False, background=fraction)
            exact = cassi_uncalibrated(ground, scene=scene, seed=scene, modelling=light)
            problems["true"] = true_camera(exact)
            for name, problem in problems.items():
                methods = {"separable": partial(ii.solve, callbacks=[])}
                if name != "found, learnt":
                    methods |= problem.suggested.baselines
                for method, solve in methods.items():
                    began = time.process_time()
                    psnr, angle = quality(problem, solve(problem))
                    print(
                        f"{ground:7} {scene}  camera {name:14} {method:10} {psnr:6.2f} dB "
                        f"{angle:5.1f}°  {time.process_time() - began:4.0f} s  background "
                        f"{problem.notes['background']:.4f}",
                        flush=True,
                    )


def quality(problem: ii.Problem, solution: ii.Solution) -> tuple[float, float]:
    """PSNR, and spectral angle where the truth is brighter than a tenth of its brightest."""
    assert problem.reference is not None
    truth = ii.sample(problem.reference, problem.grid)[..., 0]
    cube = solution.sample()[..., 0]
    light = truth.mean(-1)
    there = light > 0.1 * light.max()
    return float(psnr_of_span(cube, truth)), float(spectral_angle(cube[there], truth[there]))


def timed(name: str, seed: int, problem: ii.Problem, solve: Solve) -> ii.Solution:
    """Solve the problem, print the held-out error, the time and what was learnt of the camera."""
    began = time.process_time()
    solution = replace(solve(problem), method=name)
    print(
        f"seed {seed}  {name:28s} held-out {2 * (solution.held_out() or 0.0):.3f}  "
        f"{time.process_time() - began:4.0f} s  {solution.stopped or ''}",
        flush=True,
    )
    return solution


def measured(arguments: argparse.Namespace) -> None:
    """Print who explains the held-out blocks of the measured snapshot, and draw the cubes."""
    rows = tuple(arguments.rows) if arguments.rows else None
    began = time.process_time()
    problem = cassi_real(*FILES, rows=rows)
    print(f"camera found in {time.process_time() - began:.0f} s")
    as_filed = cassi_real(*FILES, rows=rows, register=False)
    for name, note in problem.notes.items():
        print(f"{name}: {note}", flush=True)
    for seed in arguments.seeds:
        classical = partial(gap_tv, strengths=STRENGTHS, iterations=arguments.iterations, seed=seed)
        prior = partial(ii.solve, steps=arguments.steps, seed=seed, callbacks=[])
        solutions = [
            timed("separable", seed, problem, prior),
            timed("GAP-TV, camera found", seed, problem, classical),
            timed("GAP-TV, camera of the files", seed, as_filed, classical),
        ]
        if arguments.figure is not None and seed == arguments.seeds[0]:
            figure = spectral_figure(problem, solutions[::-1])
            figure.savefig(arguments.figure, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--registration", action="store_true")
    parser.add_argument("--simulated", action="store_true")
    parser.add_argument("--criteria", action="store_true")
    parser.add_argument("--scenes", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--rows", type=int, nargs=2, help="first and last (exclusive); default: all 660"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--steps", type=int)
    parser.add_argument("--iterations", type=int, default=30)
    parser.add_argument("--figure", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.registration:
        registration()
    elif arguments.criteria:
        compared(arguments.scenes, quality)
    elif arguments.simulated:
        simulated(arguments.scenes)
    else:
        measured(arguments)


if __name__ == "__main__":
    main()
