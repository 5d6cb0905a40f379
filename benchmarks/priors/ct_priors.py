"""Does the architecture matter once the measurements chose bandwidth and regularizer? A CT problem.

    python benchmarks/priors/ct_priors.py [--only siren finer ...] [--size 64] [--views 40]
                                          [--steps 150] [--optimizer lbfgs] [--fresh]

The measurements are exact bin-averaged line integrals of Shepp-Logan with 0.5 % noise, seed 0.
Everything runs on one thread.

Every prior solves the same regularised problem on the sampled image. The total-variation weight is
the one that held-out rows choose for the convex solver. The bandwidth is the grid's Nyquist
frequency by default; with --fresh it is FreSh's choice from the spatial spectrum of the CGLS image
(tables keep the bandwidth of the grid).

The objective is deterministic, so L-BFGS with ten updates per step brings every prior near its
optimum. Adam and Muon at their learning rates show what a fixed number of steps leaves undone.
"objective" is the regularised loss at the end; compare it with that of the convex optimum in the
first line. The truth is used for the table only.
"""

from __future__ import annotations

import argparse
import time

import torch

import inverse_inr as ii
from inverse_inr import baselines, optimizers, priors, regularizers
from inverse_inr.problems.ct import ct
from inverse_inr.regularizers import Weighted
from inverse_inr.selection import choose_bandwidth
from inverse_inr.stopping import HeldOut, hold_out

DEFAULT = [
    "grid",
    "siren",
    "finer",
    "finer_plus",
    "hosc",
    "staf",
    "gaussian",
    "sinc",
    "raised_cosine",
    "wire",
    "fourier",
    "fr",
    "fourier_net",
    "bacon",
    "incode",
    "separable",
    "hash",
    "relu",
]
OPTIMIZERS: dict[str, optimizers.Optimizer] = {
    "lbfgs": optimizers.LBFGS(iterations=10),
    "adam": optimizers.Adam(),
    "muon": optimizers.Muon(lr=2e-2),
}
TABLES = ("grid", "hash")
"""Priors whose bandwidth is that of the grid itself: an untrained table has a white spectrum."""


def objective(problem: ii.Problem, solution: ii.Solution, penalty: Weighted) -> float:
    """The regularised loss on the rows that the fits see."""
    fit = hold_out(HeldOut(), problem.terms).fit
    with torch.no_grad():
        loss = problem.terms[0].loss(solution.field, fit[0])
        return float(loss + penalty(solution.field, solution.sample()))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", default=DEFAULT)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--views", type=int, default=40)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--optimizer", choices=sorted(OPTIMIZERS), default="lbfgs")
    parser.add_argument("--fresh", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    problem = ct(size=arguments.size, views=arguments.views, seed=0)
    nyquist = priors.bandwidth_of(problem.grid)
    classic = baselines.tv(problem)
    weight = classic.details["weight"]
    term = problem.terms[0]
    gridded = term.operator.on(problem.grid)  # pyright: ignore[reportAttributeAccessIssue]
    on_pixels = ii.Term(gridded, term.y, term.fidelity)
    raster = ii.Problem([on_pixels], problem.box, problem.grid, reference=problem.reference)
    penalty = weight * regularizers.TotalVariation(grid=problem.grid)
    best = objective(raster, classic, penalty)
    print(
        f"{'TV, primal-dual':16s} weight {weight:.4g} by held-out rows   "
        f"PSNR {classic.metrics()['PSNR']:6.2f}   "
        f"held-out {classic.held_out():.3f}   objective {best:.3f}",
        flush=True,
    )
    for name in arguments.only:
        began = time.process_time()
        bandwidth = nyquist
        if arguments.fresh and name not in TABLES:
            bandwidth = choose_bandwidth(problem, name).value
        prior = priors.create(name, problem.box, bandwidth=bandwidth)
        solution = ii.solve(
            raster,
            prior,
            steps=arguments.steps,
            regularizers=[penalty],
            optimizer=OPTIMIZERS[arguments.optimizer],
            callbacks=[],
        )
        print(
            f"{name:16s} bandwidth {bandwidth / nyquist:5.2f} Nyquist   "
            f"PSNR {solution.metrics()['PSNR']:6.2f}   "
            f"held-out {solution.held_out():.3f}   "
            f"objective {objective(raster, solution, penalty):.3f}   "
            f"{time.process_time() - began:6.1f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
