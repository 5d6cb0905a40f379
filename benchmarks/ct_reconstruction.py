"""Reconstruction table: INRs beside FBP, CGLS and TV, Shepp-Logan, blobs, a brain; several seeds, one thread.

    python benchmarks/ct_reconstruction.py [--seeds 3] [--phantom shepp_logan gaussian_blobs mni152]

128 x 128, 60 views, exact bin-averaged line integrals, 0.5 % noise. "oracle" rows were tuned on the truth; all others
saw measurements only. The truth is used for this table and nothing else.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable

import torch

import inverse_inr as ii
from inverse_inr import baselines, optimizers, priors, regularizers
from inverse_inr.problems.ct import ct, filtered_backprojection
from inverse_inr.selection import choose, choose_weight


def on_raster(problem: ii.Problem) -> ii.Problem:
    """The same measurements, seen as a map of the sampled image."""
    term = problem.terms[0]
    operator = term.operator.on(problem.grid)  # pyright: ignore[reportAttributeAccessIssue]
    return ii.Problem(
        [ii.Term(operator, term.y, term.fidelity)],
        problem.box,
        problem.grid,
        reference=problem.reference,
    )


def hash_rays(problem: ii.Problem) -> ii.Solution:
    return ii.solve(problem, "hash", steps=900, regularizers=[], callbacks=[])


def chosen_rays(problem: ii.Problem) -> ii.Solution:
    """Cubic grid on rays: its cells (fewest first, the simplest) chosen by held-out rays, one standard error."""
    longest = max(problem.grid.shape)
    fits = []
    for cells in (0.375, 0.5, 0.625, 0.75, 1.0):
        prior = priors.create("grid", problem.box, cells=float(round(cells * longest)), order=3)
        fits.append(ii.solve(problem, prior, steps=900, regularizers=[], callbacks=[]))
    return choose(fits)


def hash_tv(problem: ii.Problem) -> ii.Solution:
    """Hash prior on rays with total variation of a lattice twice as fine as the shown one; weight by held-out rays.

    Chosen on another slice of MNI152 (60, seed 5) and by held-out rays there: total variation of the shown pixels
    themselves predicted worse, and so did 1800 steps.
    """
    scale = (
        float(baselines.cgls(problem).sample().abs().quantile(0.99)) / problem.box.diagonal
    )  # of a gradient

    def fit(weight: float) -> ii.Solution:
        penalty = weight / scale * regularizers.TotalVariation(grid=problem.grid.refined(2))
        return ii.solve(problem, "hash", steps=900, regularizers=[penalty], callbacks=[])

    return choose_weight([2.0**k for k in (-6, -4, -2)], fit)


def cubic_rays(problem: ii.Problem) -> ii.Solution:
    prior = priors.grid(problem.box, cells=64.0, order=3)
    return ii.solve(problem, prior, steps=900, regularizers=[], callbacks=[])


def grid_tv(problem: ii.Problem) -> ii.Solution:
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


def slice_of_mni152(folder: str) -> str:
    """The MNI152 T1 template that nilearn carries, as a NIfTI file (offline)."""
    import nibabel
    from nilearn.datasets import load_mni152_template

    path = f"{folder}/mni152.nii.gz"
    nibabel.save(load_mni152_template(resolution=1), path)  # pyright: ignore[reportPrivateImportUsage]
    return path


METHODS: dict[str, Callable[[ii.Problem], ii.Solution]] = {
    "FBP": filtered_backprojection,
    "CGLS, held-out iterations": baselines.cgls,
    "CGLS, oracle": lambda p: baselines.cgls(p, "oracle"),
    "TV, held-out weight": baselines.tv,
    "TV, oracle": lambda p: baselines.tv(p, "oracle"),
    "hash on rays, held-out stop": hash_rays,
    "cubic grid on rays, held-out stop": cubic_rays,
    "cubic grid on rays, held-out cells": chosen_rays,
    "hash + TV on rays, held-out weight": hash_tv,
    "grid + TV on the raster, held-out weight": grid_tv,
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
            table(
                phantom,
                slice_of_mni152(folder) if phantom == "mni152" else phantom,
                arguments.seeds,
                arguments.only,
            )


def table(name_of_phantom: str, phantom: str, seeds: int, only: list[str] | None) -> None:
    print(f"\n{name_of_phantom}: PSNR (dB) for seeds 0..{seeds - 1}, mean, CPU seconds", flush=True)
    for name, method in METHODS.items():
        if only and not any(word in name for word in only):
            continue
        values, began = [], time.process_time()
        for seed in range(seeds):
            values.append(method(ct(phantom, seed=seed)).metrics()["PSNR"])
        seconds = (time.process_time() - began) / seeds
        listed = " ".join(f"{v:6.2f}" for v in values)
        print(
            f"{name:42s} {listed}   {sum(values) / len(values):6.2f} dB  {seconds:6.1f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
