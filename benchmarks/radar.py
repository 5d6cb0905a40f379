"""FMCW volumes: INRs against backprojection, least squares and L1, on scatterers off the grid.

    python benchmarks/radar.py [--case standard sparse noisy] [--seeds 3] [--only hash]

The radar sends 8 to 12 GHz from 24 azimuths and 8 heights on a cylinder of 0.5 m, with 20 dB of
signal to noise. "sparse" has 12 azimuths, "noisy" 5 dB. The scene is a toy aeroplane of 6000
scatterers that lie on no grid; voxels are 6.25 mm wide. All methods are run to convergence. The
rule of L1 and all settings of the INRs are the same in every case.

Chamfer distance, F1 (within a voxel) and 95 % Hausdorff distance are taken against the scatterers.
"best" is at the best threshold of each measure, chosen by the truth; "fixed" is at 0.15 of the
maximum. "held-out" is the relative error of 60 noise-free pulses at other azimuths and heights.
Times are CPU seconds of the fit on one thread.

A variance field has two lines: its posterior mean, and its amplitude (the standard deviations),
which is a shape only.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch

import inverse_inr as ii
from inverse_inr.baselines import l1
from inverse_inr.operators import FMCW
from inverse_inr.operators.radar.operator import RadarOperator
from inverse_inr.problems.radar import fmcw
from inverse_inr.problems.radar.fmcw import cylinder, echoes
from inverse_inr.problems.radar.imaging import backprojection, least_squares
from inverse_inr.problems.radar.scenes import aeroplane
from inverse_inr.problems.radar.variance_field import variance_field
from inverse_inr.surfaces import best, occupied, shape_errors, volume_errors

FIXED = 0.15
"""The fixed threshold, as a fraction of the volume's maximum."""

CASES = {"standard": {}, "sparse": {"azimuths": 12}, "noisy": {"snr": 5.0}}
Method = Callable[[ii.Problem, int], ii.Solution]


def inr(**keywords: Any) -> Method:
    """The problem's own prior, solved with these keywords of `solve`."""
    return lambda p, seed: ii.solve(p, seed=seed, callbacks=[], **keywords)


METHODS: dict[str, Method] = {
    "backprojection": lambda p, _: backprojection(p),
    "least squares, 80 iterations": lambda p, _: least_squares(p),
    "L1, residual": lambda p, _: l1(p, "residual"),
    "L1, x >= 0, residual": lambda p, _: l1(p, "residual", nonnegative=True),
    "L1, x >= 0, 0.002 of the largest": lambda p, _: l1(p, 0.002, nonnegative=True, iterations=300),
    "hash, softplus, L1": inr(batch=48),
    "variance field": lambda p, seed: variance_field(p, seed=seed),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--case", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", help="methods whose names contain one of these words")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for case in arguments.case:
        print(
            f"\n{case}: Chamfer mm, F1, Hausdorff mm (best); "
            f"Chamfer, F1 (fixed); held-out; CPU seconds",
            flush=True,
        )
        for seed in range(arguments.seeds):
            for name, method in METHODS.items():
                if not arguments.only or any(word in name for word in arguments.only):
                    row(name, method, case, seed)


def row(name: str, method: Method, case: str, seed: int) -> None:
    """Solve one case by one method and print its line, or two for a variance field."""
    problem = fmcw(**CASES[case], seed=seed)  # pyright: ignore[reportArgumentType]
    truth = aeroplane()
    began = time.process_time()
    solution = method(problem, seed)
    seconds = time.process_time() - began
    volume = solution.sample(problem.grid)
    tail = f"{unseen(problem, volume, truth):.3f}  {seconds:5.1f} s  {solution.stopped}"
    shape_row(name, problem, volume, truth, seed, tail)
    if "variance" in solution.details:
        shape_row("   its amplitude", problem, solution.details["variance"].sqrt(), truth, seed, "")


def shape_row(
    name: str, problem: ii.Problem, volume: torch.Tensor, truth: torch.Tensor, seed: int, tail: str
) -> None:
    """Print the shape errors of a volume against the scatterers `truth`, and then `tail`."""
    reach = problem.grid.spacing[0]
    errors = best(volume_errors(volume, problem.grid, truth, reach))
    fixed = shape_errors(occupied(volume, problem.grid, FIXED), truth, reach)
    print(
        f"{name:34s} seed {seed}  {1e3 * errors.chamfer:5.2f} {errors.f1:.3f} "
        f"{1e3 * errors.hausdorff95:5.1f}   "
        f"{1e3 * fixed.chamfer:5.2f} {fixed.f1:.3f}   {tail}",
        flush=True,
    )


def unseen(problem: ii.Problem, volume: torch.Tensor, truth: torch.Tensor) -> float:
    """Relative error of noise-free pulses between the measured azimuths, at other heights."""
    operator = problem.terms[0].operator
    assert isinstance(operator, FMCW)
    other: RadarOperator = operator.with_geometry(cylinder(20, 3, 0.5, 0.33, offset=0.5))
    y = echoes(other, truth) / problem.notes["gain of y"]
    with torch.no_grad():
        seen = other(torch.arange(len(other)))[1](volume)
    return float(torch.linalg.vector_norm(seen - y) / torch.linalg.vector_norm(y))


if __name__ == "__main__":
    main()
