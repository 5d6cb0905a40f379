"""How far the state that is kept stands below the best iterate, and what an average of them gives.

    python benchmarks/solving/kept_state.py [--seeds 3] [--priors hash siren] [--steps 1000]

Fits without a regularizer, which go on to follow the noise: there stopping matters most. At every
check stand the PSNR of the iterate, and that of an exponential average of the iterates, which is
judged by the same held-out rows. The truth only judges; the kept state is the one that held-out
rows choose. The seeds are ones on which no setting was chosen.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

import inverse_inr as ii
from inverse_inr.problems.ct import ct
from inverse_inr.problems.kspace import kspace
from inverse_inr.problems.restoration import inpaint
from inverse_inr.solver import Solver

PROBLEMS: dict[str, Callable[[int], ii.Problem]] = {
    "CT, 30 views, 2 %": lambda seed: ct(
        "shepp_logan", size=64, views=30, noise_level=0.02, seed=seed
    ),
    "CT, 90 views, 0.5 %": lambda seed: ct(
        "gaussian_blobs", size=64, views=90, noise_level=0.005, seed=seed
    ),
    "CT, 45 views, 10000 photons": lambda seed: ct(
        "shepp_logan", size=64, views=45, photons=1e4, seed=seed
    ),
    "inpainting, 30 %, 5 % noise": lambda seed: inpaint(
        "camera", crop=64, keep=0.3, noise_level=0.05, held_out=0.1, seed=seed
    ),
    "k-space": lambda seed: kspace("shepp_logan", size=64, seed=seed),
}


class Averaged:
    """An exponential average of the iterates' parameters, and the course of both.

    Args:
        horizon: The number of steps that the average looks back.
    """

    def __init__(self, horizon: int) -> None:
        self.horizon = horizon
        self.average: nn.Module | None = None
        self.steps = 0
        self.course: list[tuple[float, float, float, float]] = []

    def between_steps(self, solver: Any) -> None:
        """Take the present parameters into the average."""
        average = self.average or copy.deepcopy(solver.prior)
        self.average = average
        self.steps += 1
        share = 1 / min(self.steps, self.horizon)
        with torch.no_grad():
            for mine, now in zip(average.parameters(), solver.prior.parameters(), strict=True):
                mine.lerp_(now, share)

    def __call__(self, solver: Any, record: dict[str, Any]) -> None:
        """Judge the iterate and the average, by held-out rows and by the truth."""
        if self.average is None or solver.stopping.label not in record:
            return
        with torch.no_grad():
            value = solver.stopping.value(
                solver.objective.terms, solver.fit_rows, solver.watched_rows, self.average.eval()
            )
        psnr = [ii.Solution(f, solver.problem, "").psnr() for f in (solver.prior, self.average)]
        self.course.append((record[solver.stopping.label], psnr[0], float(value), psnr[1]))


def measure(problem: ii.Problem, prior: str, steps: int, seed: int) -> dict[str, float]:
    """Fit once, and find what was kept, what was best, and the same of the average."""
    watching = Averaged(horizon=max(10, steps // 10))
    solver = Solver(problem, prior, regularizers=[], steps=steps, seed=seed, callbacks=[watching])
    solver.run()
    kept = min(watching.course)
    averaged = min(watching.course, key=lambda row: row[2])
    either = kept[1]
    if averaged[2] < kept[0]:
        either = averaged[3]
    return {
        "kept": kept[1],
        "best": max(row[1] for row in watching.course),
        "averaged": averaged[3],
        "best average": max(row[3] for row in watching.course),
        "either": either,
    }


def main() -> None:
    """Print one row a run, and the part of the runs within 0.3 dB of the best iterate."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--priors", nargs="*", default=["hash", "siren"])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--only", default="")
    words = parser.parse_args()
    torch.set_num_threads(1)
    gaps: dict[str, list[float]] = {"kept": [], "averaged": [], "either": []}
    print("| problem | prior | seed | best iterate | kept | averaged | either |", flush=True)
    for name, make in PROBLEMS.items():
        for prior in words.priors:
            for seed in range(100, 100 + words.seeds):
                if words.only not in name:
                    continue
                found = measure(make(seed), prior, words.steps, seed)
                for key, column in gaps.items():
                    column.append(found["best"] - found[key])
                print(
                    f"| {name} | {prior} | {seed} | {found['best']:.2f} | {found['kept']:.2f} | "
                    f"{found['averaged']:.2f} | {found['either']:.2f} |",
                    flush=True,
                )
    for key, column in gaps.items():
        near = sum(gap <= 0.3 for gap in column)
        print(f"{key}: {near} of {len(column)} within 0.3 dB, worst {max(column):.2f} dB below")


if __name__ == "__main__":
    main()
