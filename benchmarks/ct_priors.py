"""Does the architecture matter once the measurements chose bandwidth and regularizer? One CT problem, many priors.

    python benchmarks/ct_priors.py [--only siren finer ...] [--size 64] [--views 40] [--steps 150] [--optimizer lbfgs]

Shepp-Logan, exact bin-averaged line integrals, 0.5 % noise, seed 0, one thread. Every prior solves the same regularised
problem on the sampled image: the total-variation weight is the one that held-out rows choose for the convex solver. Its
bandwidth is the lattice's Nyquist frequency, the default, or with --fresh FreSh's choice from the spectrum of the CGLS
image (tables keep the lattice's own). The objective is deterministic, so L-BFGS (ten updates a step) brings every prior
near its optimum; Adam and Muon at their learning rates show what a fixed number of steps leaves. "objective" is the
regularised loss at the end beside that of the convex optimum. The truth is used for the table only.
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
from inverse_inr.stopping import HeldOut

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
TABLES = ("grid", "hash")  # their bandwidth is the lattice itself: an untrained table is white


def objective(problem: ii.Problem, solution: ii.Solution, penalty: Weighted) -> float:
    """The regularised loss on the rows that the fits see."""
    fit, _ = HeldOut().split(problem.terms, 0)
    with torch.no_grad():
        return float(
            problem.terms[0].loss(solution.field, fit[0])
            + penalty(solution.field, solution.sample())
        )


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
        f"{'TV, primal-dual':16s} weight {weight:.4g} by held-out rows   PSNR {classic.metrics()['PSNR']:6.2f}   "
        f"held-out {classic.held_out():.3f}   objective {best:.3f}",
        flush=True,
    )
    for name in arguments.only:
        began = time.process_time()
        fixed = name in TABLES or not arguments.fresh
        bandwidth = nyquist if fixed else choose_bandwidth(problem, name).value
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
            f"{name:16s} bandwidth {bandwidth / nyquist:5.2f} Nyquist   PSNR {solution.metrics()['PSNR']:6.2f}   "
            f"held-out {solution.held_out():.3f}   objective {objective(raster, solution, penalty):.3f}   "
            f"{time.process_time() - began:6.1f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
