"""The measured snapshot of TSA-Net's camera: who explains detector pixels that no method saw?

    python benchmarks/cassi_real.py [--rows 350 470] [--seeds 0 1 2]
                                    [--figure docs/cassi_real.png]

The prior learns the image together with the mask's placement and the blur. GAP-TV runs twice: with
the camera as the files describe it, and with the camera as the prior's fit left it. It runs 30
iterations of strength 0.4 and 0.1; the strength and the iteration are chosen by the same held-out
pixels. A seed draws the 5 % of pixels that are held out, and the prior's start.

"held-out" is the mean squared standardised residual; 1 would be noise alone, as `shot_noise`
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
from real_data import DATA

import inverse_inr as ii
from inverse_inr.problems.spectral import cassi_real
from inverse_inr.problems.spectral.cassi_real import ITERATIONS, STRENGTHS
from inverse_inr.problems.spectral.figures import spectral_figure
from inverse_inr.problems.spectral.gap_tv import gap_tv

FILES = str(DATA / "tsa_real_scene1.mat"), str(DATA / "tsa_real_mask.mat")
Solve = Callable[[ii.Problem], ii.Solution]


def timed(name: str, seed: int, problem: ii.Problem, solve: Solve) -> ii.Solution:
    """Solve the problem, print the held-out error, the time and what was learnt of the camera."""
    began = time.process_time()
    solution = replace(solve(problem), method=name)
    learnt = {
        k.rsplit(".", 1)[-1]: [round(x, 3) for x in v.flatten().tolist()]
        for k, v in solution.learnt.items()
    }
    print(
        f"seed {seed}  {name:28s} held-out {2 * (solution.held_out() or 0.0):.3f}  "
        f"{time.process_time() - began:4.0f} s  {solution.stopped or ''}  {learnt or ''}",
        flush=True,
    )
    return solution


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--rows", type=int, nargs=2, help="first and last (exclusive); default: all 660"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--steps", type=int)
    parser.add_argument("--figure", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = tuple(arguments.rows) if arguments.rows else None
    problem = cassi_real(*FILES, rows=rows)
    as_filed = cassi_real(*FILES, rows=rows, calibrate=())
    for name, note in problem.notes.items():
        print(f"{name}: {note}", flush=True)
    for seed in arguments.seeds:
        classical = partial(gap_tv, strengths=STRENGTHS, iterations=ITERATIONS, seed=seed)
        prior = partial(ii.solve, steps=arguments.steps, seed=seed, callbacks=[])
        fit = timed("spectral_basis", seed, problem, prior)
        solutions = [
            timed("GAP-TV, camera of the files", seed, as_filed, classical),
            timed(
                "GAP-TV, learnt camera", seed, replace(problem, terms=fit.problem.terms), classical
            ),
            fit,
        ]
        if arguments.figure is not None and seed == arguments.seeds[0]:
            spectral_figure(problem, solutions).savefig(arguments.figure, dpi=110)


if __name__ == "__main__":
    main()
