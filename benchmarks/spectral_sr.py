"""Spectra from three colours, and fused with a coarse cube: prior beside classical methods, three seeds, one thread.

    python benchmarks/spectral_sr.py [--size 64] [--seeds 3]

28 bands from 420 to 700 nm, generated scenes, 1 % noise; nothing is tuned on the truth but the defaults of
`spectral_basis`, which were set on the astronaut.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch

import inverse_inr as ii
from inverse_inr import metrics
from inverse_inr.problems.spectral import fusion, spectral_sr


def scores(solution: ii.Solution) -> tuple[float, float, float]:
    """Mean PSNR of bands (dB), spectral angle (degrees), seconds."""
    problem = solution.problem
    assert problem.reference is not None
    truth, cube = ii.sample(problem.reference, problem.grid)[..., 0], solution.sample()[..., 0]
    return (
        float(metrics.band_psnr(cube, truth).mean()),
        metrics.spectral_angle(cube, truth),
        solution.seconds,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    makers: tuple[Callable[..., ii.Problem], ...] = (spectral_sr, fusion)
    for make in makers:
        for scene in ("astronaut", "coffee", "cat"):
            problems = [
                make(scene, size=arguments.size, seed=seed) for seed in range(arguments.seeds)
            ]
            methods = dict(problems[0].suggested.baselines)
            methods["spectral_basis"] = lambda p: ii.solve(p, callbacks=[])
            for name, method in methods.items():
                rows = torch.tensor([scores(method(p)) for p in problems])
                psnr, angle, seconds = rows.mean(0).tolist()
                spread = float(rows[:, 0].max() - rows[:, 0].min())
                print(
                    f"{make.__name__:12s} {scene:10s} {name:18s} {psnr:6.2f} dB (spread {spread:.2f})  "
                    f"SAM {angle:5.2f}  {seconds:5.1f} s",
                    flush=True,
                )


if __name__ == "__main__":
    main()
