"""CT reconstruction table: INRs against FBP, CGLS and TV on simulated measurements, one thread.

    python benchmarks/ct_reconstruction.py [--seeds 3]
                                           [--phantom shepp_logan gaussian_blobs mni152]

The images have 128 x 128 pixels. The measurements are exact bin-averaged line integrals of 60 views
with 0.5 % noise; seeds draw the noise. The lines marked "oracle" were tuned on the truth; all
others saw measurements only. The truth is used for this table and for nothing else.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable

import torch
from real_data import mni152

import inverse_inr as ii
from inverse_inr import baselines, optimizers, priors, regularizers
from inverse_inr.problems.ct import ct, filtered_backprojection
from inverse_inr.selection import choose, choose_weight


def on_raster(problem: ii.Problem) -> ii.Problem:
    """The same measurements, with the operator as a map of the sampled image."""
    term = problem.terms[0]
    operator = term.operator.on(problem.grid)  # pyright: ignore[reportAttributeAccessIssue]
    return ii.Problem(
        [ii.Term(operator, term.y, term.fidelity)],
        problem.box,
        problem.grid,
        reference=problem.reference,
    )


def hash_rays(problem: ii.Problem) -> ii.Solution:
    """Hash prior on rays without a regularizer; held-out rays choose the state."""
    return ii.solve(problem, "hash", steps=900, regularizers=[], callbacks=[])


def chosen_rays(problem: ii.Problem) -> ii.Solution:
    """Cubic grid on rays; held-out rays choose the number of cells by the one-standard-error rule.

    The fits are listed from few cells to many, because the rule prefers the simplest, i.e. first.
    """
    longest = max(problem.grid.shape)
    fits = []
    for cells in (0.375, 0.5, 0.625, 0.75, 1.0):
        prior = priors.create("grid", problem.box, cells=float(round(cells * longest)), order=3)
        fits.append(ii.solve(problem, prior, steps=900, regularizers=[], callbacks=[]))
    return choose(fits)


def hash_tv(problem: ii.Problem) -> ii.Solution:
    """Hash prior on rays with total variation on a grid twice as fine as the image's.

    Held-out rays choose the weight. These settings were chosen by held-out rays on another slice of
    MNI152 (60, seed 5): total variation of the image's own pixels predicted worse there, and so did
    1800 steps.
    """
    brightest = float(baselines.cgls(problem).sample().abs().quantile(0.99))
    scale = brightest / problem.box.diagonal  # the size of a typical gradient

    def fit(weight: float) -> ii.Solution:
        penalty = weight / scale * regularizers.TotalVariation(grid=problem.grid.refined(2))
        return ii.solve(problem, "hash", steps=900, regularizers=[penalty], callbacks=[])

    return choose_weight([2.0**k for k in (-6, -4, -2)], fit)


def cubic_rays(problem: ii.Problem) -> ii.Solution:
    """Cubic grid of 64 cells on rays without a regularizer; held-out rays choose the state."""
    prior = priors.grid(problem.box, cells=64.0, order=3)
    return ii.solve(problem, prior, steps=900, regularizers=[], callbacks=[])


def grid_tv(problem: ii.Problem) -> ii.Solution:
    """One grid value per pixel with total variation; held-out rays choose the weight."""
    raster = on_raster(problem)
    penalty = regularizers.TotalVariation(grid=problem.grid)

    def fit(weight: float) -> ii.Solution:
        prior = priors.grid(problem.box, cells=float(problem.grid.shape[0]))
        optimizer = optimizers.Adam(lr=1e-2)
        return ii.solve(
            raster,
            prior,
            steps=1200,
            optimizer=optimizer,
            regularizers=[weight * penalty],
            callbacks=[],
        )

    return choose_weight([2.0**k for k in range(-5, 4)], fit)


METHODS: dict[str, Callable[[ii.Problem], ii.Solution]] = {
    "FBP, ramp": lambda p: filtered_backprojection(p, "ramp"),
    "FBP, Hann": filtered_backprojection,
    "CGLS, held-out iterations": baselines.cgls,
    "CGLS, oracle": lambda p: baselines.cgls(p, "oracle"),
    "TV, held-out weight": baselines.tv,
    "TV, oracle": lambda p: baselines.tv(p, "oracle"),
    "hash on rays, held-out stop": hash_rays,
    "cubic grid on rays, held-out stop": cubic_rays,
    "cubic grid on rays, held-out cells": chosen_rays,
    "hash + TV on rays, held-out weight": hash_tv,
    "grid + TV on the raster, held-out weight": grid_tv,
    "solve, no knobs": ii.solve,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--phantom", nargs="+", default=["shepp_logan", "gaussian_blobs"])
    parser.add_argument("--only", nargs="+", help="methods whose names contain one of these words")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        for phantom in arguments.phantom:
            source = phantom
            if phantom == "mni152":
                source = mni152(folder)
            table(phantom, source, arguments.seeds, arguments.only)


def table(name_of_phantom: str, phantom: str, seeds: int, only: list[str] | None) -> None:
    """Print one line per method; `phantom` is the name or the file that `ct` takes."""
    print(f"\n{name_of_phantom}: PSNR (dB) for seeds 0..{seeds - 1}, mean, CPU seconds", flush=True)
    for name, method in METHODS.items():
        if only and not any(word in name for word in only):
            continue
        began = time.process_time()
        values = [method(ct(phantom, seed=seed)).metrics()["PSNR"] for seed in range(seeds)]
        seconds = (time.process_time() - began) / seeds
        listed = " ".join(f"{v:6.2f}" for v in values)
        print(
            f"{name:42s} {listed}   {sum(values) / len(values):6.2f} dB  {seconds:6.1f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
