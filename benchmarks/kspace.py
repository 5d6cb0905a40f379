"""MRI: joint image and coil maps against SENSE, wavelets and TV; ray integrals against the NUFFT.

    python benchmarks/kspace.py cartesian [--seeds 3]
    python benchmarks/kspace.py radial [--seeds 3]
    python benchmarks/kspace.py scan [--seeds 2]

The parts are:
    cartesian  a slice of MNI152, 8 coils, R = 4 and 6 together with 24 calibration lines.
    radial     Shepp-Logan with closed-form k-space on 24 golden-angle spokes.
    scan       the real 8-coil brain: some samples judge the methods, others choose weights.

The lines marked "oracle" were tuned on the truth; all others saw measurements only.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import torch
from kspace_methods import chosen, finer_fit, joint, tv_of_least_misfit
from real_data import DATA, mni152
from torch import Tensor

import inverse_inr as ii
from inverse_inr.problems.kspace import kspace, kspace_scan
from inverse_inr.problems.kspace.simulated import sense, tv_sense, wavelet_sense, zero_filled
from inverse_inr.problems.kspace.suggestions import WeightOfHeldOut, suggesting

ONLY: list[str] = []
"""Words of --only: a method runs if its name contains one of them, or if there are none."""

WHITEN = "none"
"""The real scan's coils are taken as equally noisy, as the table of docs/kspace.md has them."""

ACCELERATIONS = [4.0, 6.0]
"""Accelerations of the Cartesian part, set by --acceleration."""


def cartesian(seeds: int) -> None:
    """Print the table of the Cartesian simulation for each acceleration."""
    with tempfile.TemporaryDirectory() as folder:
        path = mni152(folder)
        for acceleration in ACCELERATIONS:

            def case(seed: int, acceleration: float = acceleration, **options) -> ii.Problem:
                return kspace(
                    path, size=128, slice=100, acceleration=acceleration, seed=seed, **options
                )

            net = case(0).grid.numel / len(case(0).terms[0].y)
            print(
                f"\nMNI152 slice, 8 coils, 2 % noise, "
                f"R = {acceleration:g} beside 24 calibration lines (net {net:.2f})"
            )
            table(
                {
                    "zero-filled": lambda s: zero_filled(case(s)),
                    "CG-SENSE, held-out iterations": lambda s: sense(case(s)),
                    "CG-SENSE, oracle": lambda s: sense(case(s), "oracle"),
                    "L1-wavelet, held-out weight": lambda s: wavelet_sense(case(s)),
                    "L1-wavelet, oracle": lambda s: wavelet_sense(case(s), "oracle"),
                    "TV, held-out weight": lambda s: tv_sense(case(s)),
                    "TV, oracle": lambda s: tv_sense(case(s), "oracle"),
                    "grid + TV, complex, maps fixed": lambda s: joint(
                        case(s, phase="image", penalty="total_variation")
                    ),
                    "grid + TV, real, maps fixed": lambda s: joint(
                        case(s, phase="coils", penalty="total_variation")
                    ),
                    "grid + TV, real, maps learnt": lambda s: joint(
                        case(s, phase="coils", learn_coils="grid")
                    ),
                    "grid + patches, no other argument": lambda s: ii.solve(case(s), callbacks=[]),
                },
                seeds,
            )


def radial(seeds: int) -> None:
    """Print the table of the radial simulation, and how far the NUFFT and ray integrals differ."""

    def case(seed: int, **options) -> ii.Problem:
        return kspace(
            sampling="radial",
            spokes=24,
            coils=4,
            phase="coils",
            penalty="total_variation",
            seed=seed,
            **options,
        )

    @cache
    def converged(seed: int, rays: bool) -> ii.Solution:
        return finer_fit(case(seed, rays=rays), 2, steps=1200)

    print("\nShepp-Logan 128 x 128, 4 coils, 24 golden-angle spokes of 256 samples, 2 % noise")
    table(
        {
            "gridding": lambda s: zero_filled(case(s)),
            "CG-SENSE, held-out iterations": lambda s: sense(case(s)),
            "L1-wavelet, held-out weight": lambda s: wavelet_sense(case(s)),
            "TV, held-out weight": lambda s: tv_sense(case(s)),
            "grid + TV through the NUFFT": lambda s: finer_fit(case(s)),
            "finer grid + TV, NUFFT": lambda s: converged(s, False),
            "finer grid + TV, ray integrals": lambda s: converged(s, True),
            "finer grid + TV, 4 spokes a step": lambda s: finer_fit(
                case(s, rays=True), 2, steps=1200, batch=4
            ),
        },
        seeds,
    )
    if not ONLY or any(word in "finer grid + TV, NUFFT, ray integrals" for word in ONLY):
        for seed in range(seeds):
            images = [converged(seed, rays).sample() for rays in (False, True)]
            rms = float((images[0] - images[1]).square().mean().sqrt())
            losses = ", ".join(
                f"{converged(seed, rays).history[-1]['loss']:.5f}" for rays in (False, True)
            )
            print(
                f"seed {seed}: NUFFT and ray integrals differ by {rms:.5f} rms (image up to 1); "
                f"losses {losses}"
            )


def judges(problem: ii.Problem, seed: int) -> Tensor:
    """The rows that judge the methods: a tenth of the samples, drawn by the seed."""
    count = len(problem.terms[0].y)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(1000 + seed))
    return order[: count // 10]


def judged_misfit(solution: ii.Solution, seed: int) -> float:
    """Mean |r|² / σ² of the rows that judge."""
    term = solution.problem.terms[0]
    rows = judges(solution.problem, seed)
    assert isinstance(term.fidelity, ii.noise.ComplexGaussian)
    with torch.no_grad():
        residual = ii.predict(term.operator, solution.field, rows) - term.y[rows]
    sigma = float(torch.as_tensor(term.fidelity.sigma))
    return float(residual.abs().square().mean()) / sigma**2


def scan(seeds: int) -> None:
    """Print the table of the real scan, with the misfit of samples that no method saw."""

    def case(seed: int, **options) -> ii.Problem:
        """The scan without the tenth that judges; a tenth of the other samples chooses."""
        path = str(DATA / "brain_8ch_cartesian_ksp.npy")
        problem = kspace_scan(path, hold_out=0.1, whiten=WHITEN, **options)
        (term,) = problem.terms
        rows = torch.ones(len(term.y), dtype=torch.bool)
        rows[judges(problem, seed)] = False
        seen = replace(problem, terms=[replace(term, rows=rows.nonzero()[:, 0])])
        penalty = "patches"
        if isinstance(problem.suggested.regularizers[0], WeightOfHeldOut):
            penalty = "total_variation"
        # the weight and the guide are made anew, without the samples that judge
        model = term.fidelity
        assert isinstance(model, ii.noise.ComplexGaussian)
        return suggesting(seen, model, penalty, options.get("finer", 1))

    print(
        f"\nReal 8-coil brain, {case(0).notes['samples']}; "
        f"misfit of a tenth of them, mean |r|² / σ²"
    )
    table(
        {
            "CG-SENSE, held-out iterations": lambda s: sense(case(s), seed=s),
            "L1-wavelet, held-out weight": lambda s: wavelet_sense(case(s), seed=s),
            "TV, held-out weight": lambda s: tv_sense(case(s), seed=s),
            "TV, weight of least held-out misfit": lambda s: tv_of_least_misfit(case(s), s),
            "half pixels + TV, complex, maps fixed": lambda s: chosen(
                case(s, phase="both", finer=2), s
            ),
            "grid + TV, complex, maps fixed": lambda s: chosen(
                case(s, phase="both", penalty="total_variation"), s
            ),
            "grid + TV, complex, all its phase": lambda s: chosen(
                case(s, phase="image", penalty="total_variation"), s
            ),
            "grid + TV, complex, maps learnt": lambda s: chosen(
                case(s, phase="both", learn_coils="grid"), s
            ),
            "grid + TV, real, maps learnt": lambda s: joint(
                case(s, phase="coils", learn_coils="grid"), s
            ),
            "grid + patches": lambda s: ii.solve(case(s), seed=s, callbacks=[]),
        },
        seeds,
        judged_misfit,
    )


def table(
    methods: dict[str, Callable[[int], ii.Solution]],
    seeds: int,
    misfit: Callable[[ii.Solution, int], float] | None = None,
) -> None:
    """Print one line per method: PSNR and SSIM by default, or the `misfit` of each solution."""
    digits = 3
    if misfit is None:
        digits = 2
    for name, method in methods.items():
        if ONLY and not any(word in name for word in ONLY):
            continue
        values: list[float] = []
        similarities: list[float] = []
        began = time.process_time()
        for seed in range(seeds):
            solution = method(seed)
            if misfit is not None:
                values.append(misfit(solution, seed))
            else:
                found = solution.metrics()
                values.append(found["PSNR"])
                similarities.append(found["SSIM"])
        seconds = (time.process_time() - began) / seeds
        listed = " ".join(f"{v:6.{digits}f}" for v in values)
        ssim = ""
        if similarities:
            ssim = f"  SSIM {sum(similarities) / len(similarities):.3f}"
        print(
            f"{name:40s} {listed}   mean {sum(values) / len(values):6.{digits}f}{ssim}  "
            f"{seconds:6.1f} CPU s",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = {"cartesian": cartesian, "radial": radial, "scan": scan}
    parser.add_argument("parts", nargs="+", choices=list(parts))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--acceleration", nargs="+", type=float, default=ACCELERATIONS)
    parser.add_argument(
        "--only", nargs="+", default=[], help="methods whose names contain one of these words"
    )
    arguments = parser.parse_args()
    ONLY.extend(arguments.only)
    ACCELERATIONS[:] = arguments.acceleration
    torch.set_num_threads(1)
    for part in arguments.parts:
        parts[part](arguments.seeds)


if __name__ == "__main__":
    main()
