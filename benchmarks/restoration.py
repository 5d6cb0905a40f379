"""Restoration table: an INR beside the classical methods, real photographs, several seeds, one thread.

    python benchmarks/restoration.py deblur inpaint denoise super_resolution     [--seeds 3] [--crop 128]
    python benchmarks/restoration.py border boundary_value gradient register     [--seeds 3]

Photographs are kodim04 and kodim23 (folder: INVERSE_INR_DATA, or ../shared/data), their central `crop` pixels. Seeds
change the noise or the mask, and the solver. "oracle" rows were tuned on the truth, "held-out" rows on measurements
that no fit saw. PSNR in dB for a data range of the truth's own span, as `Solution.metrics` gives it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from real_data import DATA

import inverse_inr as ii
from inverse_inr import baselines, metrics, optimizers, priors
from inverse_inr.operators import folded_fraction
from inverse_inr.problems.fields import boundary_value, poisson_edit
from inverse_inr.problems.registration import register
from inverse_inr.problems.registration.deformable import displacement_error
from inverse_inr.problems.restoration import (
    classical,
    deblur,
    deconvolution,
    denoise,
    inpaint,
    super_resolution,
)
from inverse_inr.regularizers import TotalVariation
from inverse_inr.selection import choose_weight
from inverse_inr.stopping import HeldOut

Method = Callable[[ii.Problem], ii.Solution]
IMAGES = ("kodim04", "kodim23")


def psnr(solution: ii.Solution) -> float:
    return solution.metrics()["PSNR"]


def oracle(fits: list[ii.Solution]) -> ii.Solution:
    return max(fits, key=psnr)


def hash_tv(weights: list[float], steps: int = 200) -> Method:
    """Hash at half the Nyquist frequency with joint total variation; weight by held-out measurements."""

    def method(problem: ii.Problem) -> ii.Solution:
        def fit(weight: float) -> ii.Solution:
            penalty = weight * TotalVariation(grid=problem.grid, joint=True)
            prior = priors.create(
                "hash",
                problem.box,
                problem.channels,
                bandwidth=0.5 * priors.bandwidth_of(problem.grid),
            )
            return ii.solve(
                problem,
                prior,
                optimizer="adam",
                stopping=HeldOut(),
                steps=steps,
                regularizers=[penalty],
                callbacks=[],
            )

        return choose_weight(weights, fit)

    return method


def as_suggested(problem: ii.Problem) -> ii.Solution:
    """The problem's own prior, penalties, optimizer and number of steps."""
    return ii.solve(problem, callbacks=[])


def tv(
    name: str, weights: list[float], method: Callable[..., ii.Solution] = baselines.tv
) -> dict[str, Method]:
    """TV with the weight that the truth likes best."""
    return {name: lambda p: method(p, "oracle", weights=weights, iterations=300)}


DEBLUR: dict[str, Method] = {
    "Wiener, oracle": lambda p: oracle([deconvolution.wiener(p, 10.0**k) for k in range(-2, 4)]),
    "Richardson-Lucy, oracle": lambda p: oracle(
        [deconvolution.richardson_lucy(p, k) for k in (1, 2, 3, 5, 8, 12)]
    ),
    **tv("TV, mirrored, oracle", [30.0, 60.0, 120.0]),
    **tv("TV, boundary-free, oracle", [15.0, 30.0, 60.0], deconvolution.tv_beyond_the_frame),
    "grid, first fit": as_suggested,
    "grid + patch models": as_suggested,
}


TASKS: dict[str, tuple[Callable[..., ii.Problem], dict[str, Method]]] = {
    "deblur": (deblur, DEBLUR),
    "inpaint": (
        inpaint,
        {
            "biharmonic": classical.biharmonic,
            **tv("TV, oracle", [2.5, 5.0, 10.0]),
            "hash + joint TV": hash_tv([10.0]),
            "grid, first fit": as_suggested,
            "grid + patch models": as_suggested,
        },
    ),
    "denoise": (
        denoise,
        {
            "non-local means, oracle": lambda p: oracle(
                [classical.nonlocal_means(p, h) for h in (0.6, 0.8, 1.0)]
            ),
            "hash + joint TV, held-out": hash_tv([0.7, 1.4, 2.8]),
            "grid, first fit": as_suggested,
            "grid + patch models": as_suggested,
        },
    ),
    "super_resolution": (
        super_resolution,
        {
            "bicubic": classical.bicubic,
            "hash, no regularizer": hash_tv([5e-9]),
            "hash + joint TV": hash_tv([2.5]),
            "grid, first fit": as_suggested,
            "grid + patch models": as_suggested,
        },
    ),
}
"""A "first fit" is the suggestion without the rounds that follow it."""


def border_ratio(solution: ii.Solution) -> float:
    """Root mean square error in the outer 16 pixels over that inside."""
    problem = solution.problem
    assert isinstance(problem.reference, ii.SampledField)
    off = (solution.sample(problem.grid) - problem.reference.sample(problem.grid)).square().mean(-1)
    inside = torch.zeros_like(off, dtype=torch.bool)
    inside[16:-16, 16:-16] = True
    return float((off[~inside].mean() / off[inside].mean()).sqrt())


def border(seeds: int, crop: int) -> None:
    """The same pixels deblurred from their frame alone, and from one that goes on 16 pixels beyond it."""
    print(
        f"\nborder: error in the outer 16 pixels over that inside, {crop} pixels, mean of seeds",
        flush=True,
    )
    for image in IMAGES:
        alone, beyond = [], []
        for seed in range(seeds):
            small, large = (
                deblur(str(DATA / f"{image}.png"), crop=n, seed=seed) for n in (crop, crop + 32)
            )
            alone.append(border_ratio(ii.solve(small, callbacks=[])))
            fit = ii.solve(large, callbacks=[])  # its pixels are counted from 16 further out
            moved = replace(fit, field=lambda x, field=fit.field: field(x + 16.0), problem=small)
            beyond.append(border_ratio(moved))
        print(
            f"{image} alone {sum(alone) / seeds:.2f}, data beyond {sum(beyond) / seeds:.2f}",
            flush=True,
        )


def photographs(task: str, seeds: int, crop: int, only: list[str] | None) -> None:
    make, methods = TASKS[task]
    for image in IMAGES:
        print(
            f"\n{task}, {image}, {crop} pixels: PSNR (dB) for seeds 0..{seeds - 1}, mean, wall seconds",
            flush=True,
        )
        for name, method in methods.items():
            if only and not any(word in name for word in only):
                continue
            values, began, last = [], time.perf_counter(), None
            rounds = {"rounds": 0} if "first fit" in name else {}
            for seed in range(seeds):
                last = method(make(str(DATA / f"{image}.png"), crop=crop, seed=seed, **rounds))
                values.append(psnr(last))
            seconds = (time.perf_counter() - began) / seeds
            extra = (
                f"  border / inside {border_ratio(last):.2f}" if task == "deblur" and last else ""
            )
            listed = " ".join(f"{v:6.2f}" for v in values)
            print(
                f"{name:28s} {listed}   {sum(values) / seeds:6.2f} dB  {seconds:6.1f} s{extra}",
                flush=True,
            )


def equations(seeds: int) -> None:
    print("\nboundary_value: relative L2 error, CPU seconds", flush=True)
    for equation in ("poisson", "helmholtz"):
        for seed in range(seeds):
            problem, began = boundary_value(equation, seed=seed), time.process_time()
            fit = ii.solve(
                problem, steps=100, optimizer=optimizers.LBFGS(), seed=seed, callbacks=[]
            )
            seconds = time.process_time() - began
            beside = problem.suggested.baselines["finite differences"](problem)
            print(
                f"{equation:10s} seed {seed}: SIREN {fit.metrics()['relative error']:.1e} ({seconds:.1f} s), "
                f"finite differences {beside.metrics()['relative error']:.1e}",
                flush=True,
            )


def from_gradient(crop: int) -> None:
    print("\ngradient: PSNR (dB) after fixing the mean", flush=True)
    for image in IMAGES:
        problem = poisson_edit(str(DATA / f"{image}.png"), source=None, crop=crop)
        assert isinstance(problem.reference, ii.SampledField)
        truth = problem.reference.values
        fit = ii.solve(problem, callbacks=[])
        for solution in (problem.suggested.baselines["sparse Poisson solver"](problem), fit):
            seen = solution.sample(problem.grid)
            seen = seen + (truth - seen).mean((0, 1))
            print(
                f"{image} {solution.method:24s} {metrics.psnr(seen, truth, data_range=1.0):6.2f} dB",
                flush=True,
            )


def registration(seeds: int, volume: bool) -> None:
    options = {"bin": 6, "volume": True} if volume else {"bin": 3}
    print(
        f"\nregister, MNI152 {options}: mean error in pixels inside the head, part folded",
        flush=True,
    )
    for seed in range(seeds):
        problem = register("mni152", amplitude=1.5 if volume else 3.0, seed=seed, **options)  # type: ignore[arg-type]
        began = time.perf_counter()
        fit = ii.solve(problem, points=256, seed=seed, callbacks=[])
        seconds = time.perf_counter() - began
        names = (
            ("no registration", "B-spline grid") if volume else tuple(problem.suggested.baselines)
        )
        for solution in [problem.suggested.baselines[n](problem) for n in names] + [fit]:
            folds = (
                f"{folded_fraction(solution.field, problem.grid):.4f}"
                if solution.method != "TV-L1 flow"
                else "-"
            )
            print(
                f"seed {seed} {solution.method:16s} {displacement_error(solution):.3f} px, folded {folds}",
                flush=True,
            )
        print(f"   ({seconds:.1f} s for the last)", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "tasks",
        nargs="+",
        choices=[*TASKS, "border", "boundary_value", "gradient", "register", "volume"],
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--crop", type=int, default=128)
    parser.add_argument("--only", nargs="+", help="methods whose names contain one of these words")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for task in arguments.tasks:
        if task in TASKS:
            photographs(task, arguments.seeds, arguments.crop, arguments.only)
        elif task == "border":
            border(arguments.seeds, arguments.crop)
        elif task == "boundary_value":
            equations(arguments.seeds)
        elif task == "gradient":
            from_gradient(arguments.crop)
        else:
            registration(arguments.seeds, task == "volume")


if __name__ == "__main__":
    main()
