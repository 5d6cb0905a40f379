"""Families taught by cubes against linear regression and the mean spectrum, scene by scene.

    python benchmarks/trained_spectra.py [--scene astronaut coffee cat rocket] [--bands 28]
                                         [--steps 800 300]

Every scene is left out once: the families are trained on the other scenes and judged on the one
that no training saw. Scenes are generated from 24 pigments, with 1 % noise. SINR sees CASSI
snapshots behind TSA-Net's mask (from the data folder, see INVERSE_INR_DATA); the hypernetwork sees
colour images. "fitted" is the problem's own prior, which learns from the one measurement alone.
PSNR is the mean over the bands, with peak 1. Everything runs on one thread.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from types import ModuleType

import torch
from real_data import DATA

import inverse_inr as ii
from inverse_inr import metrics
from inverse_inr.problems.spectral import Optics, cassi, hyper_spectra, sinr, spectral_sr


def scores(solution: ii.Solution) -> tuple[float, float]:
    """Mean PSNR of the bands (dB), spectral angle (degrees)."""
    problem = solution.problem
    assert problem.reference is not None
    truth = ii.sample(problem.reference, problem.grid)[..., 0]
    cube = solution.sample()[..., 0]
    return float(metrics.band_psnr(cube, truth).mean()), metrics.spectral_angle(cube, truth)


def left_out(
    label: str,
    kind: ModuleType,
    make: Callable[[str, int], ii.Problem],
    scenes: Sequence[str],
    steps: int,
) -> None:
    """Print the scores of every scene when it is left out of the training, and their means.

    Args:
        label: Name of the network in the table.
        kind: Module of the network, with `train`, `reconstruct` and the classical methods.
        make: The problem of a scene and a seed.
        scenes: Names of the scenes.
        steps: Training steps.
    """
    found: dict[str, list[tuple[float, float]]] = {}
    for k, name in enumerate(scenes):
        seen = [make(other, j) for j, other in enumerate(scenes) if other != name]
        unseen = make(name, 100 + k)
        began = time.process_time()
        model = kind.train(seen, steps=steps, crop=32)
        seconds = time.process_time() - began
        fit = ii.solve(unseen, steps=unseen.suggested.steps, callbacks=[])
        solutions = {
            label: kind.reconstruct(model, unseen),
            "linear regression": kind.linear_regression(seen, unseen),
            "mean spectrum": kind.mean_spectrum(seen, unseen),
            f"{fit.method}, fitted": fit,
        }
        for method, solution in solutions.items():
            found.setdefault(method, []).append(scores(solution))
            psnr, angle = found[method][-1]
            print(
                f"{label:12s} without {name:10s} {method:22s} {psnr:6.2f} dB  SAM {angle:5.2f}  "
                f"trained in {seconds:.0f} s",
                flush=True,
            )
    for method, rows in found.items():
        psnr, angle = torch.tensor(rows).mean(0).tolist()
        print(
            f"{label:12s} mean of {len(scenes)} splits    {method:22s} "
            f"{psnr:6.2f} dB  SAM {angle:5.2f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scene", nargs="+", default=["astronaut", "coffee", "cat", "rocket"])
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--bands", type=int, default=28)
    parser.add_argument(
        "--steps", type=int, nargs=2, default=[800, 300], help="of hypernetwork and SINR; 0: none"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    options = {"size": arguments.size, "bands": arguments.bands}
    # one camera for all scenes; only the noise has a seed
    optics = Optics(mask=str(DATA / "tsa_sim_mask_256.mat"))
    of_colours, of_snapshots = arguments.steps
    if of_colours:
        left_out(
            "hypernetwork",
            hyper_spectra,
            lambda name, seed: spectral_sr(name, seed=seed, noise_level=0.01, **options),
            arguments.scene,
            of_colours,
        )
    if of_snapshots:
        left_out(
            "SINR",
            sinr,
            lambda name, seed: cassi(name, optics=optics, seed=seed, **options),
            arguments.scene,
            of_snapshots,
        )


if __name__ == "__main__":
    main()
