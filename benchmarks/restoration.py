"""Restoration table: an INR against the classical methods on real photographs, one thread.

    python benchmarks/restoration.py deblur inpaint denoise super_resolution [--seeds 3]
                                     [--crop 128]
    python benchmarks/restoration.py border boundary_value gradient register volume [--seeds 3]

The photographs are the central `crop` pixels of kodim04 and kodim23 (folder: INVERSE_INR_DATA, or
../shared/data). Seeds change the noise or the mask, and the solver. The lines marked "oracle" were
tuned on the truth, those marked "held-out" on measurements that no fit saw. PSNR is in dB, with the
truth's own span as data range, as `Solution.metrics` gives it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

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
from inverse_inr.problems.restoration.trained import plug_and_play, trained_network
from inverse_inr.regularizers import TotalVariation
from inverse_inr.selection import choose_weight
from inverse_inr.solver import Solver
from inverse_inr.stopping import HeldOut

Method = Callable[[ii.Problem], ii.Solution]
IMAGES = ("kodim04", "kodim23")


def psnr(solution: ii.Solution) -> float:
    return solution.metrics()["PSNR"]


def oracle(fits: list[ii.Solution]) -> ii.Solution:
    """The fit that is nearest to the truth."""
    return max(fits, key=psnr)


def hash_tv(weights: list[float], steps: int = 200) -> Method:
    """Hash at half the Nyquist frequency with joint total variation.

    Held-out measurements choose the weight.
    """

    def method(problem: ii.Problem) -> ii.Solution:
        def fit(weight: float) -> ii.Solution:
            penalty = weight * TotalVariation(grid=problem.grid, joint=True)
            bandwidth = 0.5 * priors.bandwidth_of(problem.grid)
            prior = priors.create("hash", problem.box, problem.channels, bandwidth=bandwidth)
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
    return Solver(problem).run()


def tv(
    name: str, weights: list[float], method: Callable[..., ii.Solution] = baselines.tv
) -> dict[str, Method]:
    """An entry of a table of methods: TV with the weight that is best by the truth."""
    return {name: lambda p: method(p, "oracle", weights=weights, iterations=300)}


DEBLUR: dict[str, Method] = {
    "Wiener, oracle": lambda p: deconvolution.wiener(p, "oracle"),
    "Richardson-Lucy, oracle": lambda p: deconvolution.richardson_lucy(p, "oracle"),
    **tv("TV, mirrored, oracle", [30.0, 60.0, 120.0]),
    **tv("TV, boundary-free, oracle", [15.0, 30.0, 60.0], deconvolution.tv_beyond_the_frame),
    "grid, first fit": as_suggested,
    "plug-and-play": plug_and_play,
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
            "plug-and-play": plug_and_play,
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
            "trained network": trained_network,
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
            "plug-and-play": plug_and_play,
            "grid + patch models": as_suggested,
        },
    ),
}
"""For each task, the function that makes its problem, and the methods.

A "first fit" is the problem's suggestion without the rounds that follow it.
"""


def border_ratio(solution: ii.Solution) -> float:
    """Root mean square error in the outer 16 pixels, divided by that inside."""
    problem = solution.problem
    assert isinstance(problem.reference, ii.SampledField)
    off = (solution.sample(problem.grid) - problem.reference.sample(problem.grid)).square().mean(-1)
    inside = torch.zeros_like(off, dtype=torch.bool)
    inside[16:-16, 16:-16] = True
    return float((off[~inside].mean() / off[inside].mean()).sqrt())


def border(seeds: int, crop: int) -> None:
    """Print the border error of pixels deblurred from their own frame, and from a larger one."""
    print(
        f"\nborder: error in the outer 16 pixels over that inside, {crop} pixels, mean of seeds",
        flush=True,
    )
    for image in IMAGES:
        alone: list[float] = []
        beyond: list[float] = []
        for seed in range(seeds):
            file = str(DATA / f"{image}.png")
            small = deblur(file, crop=crop, seed=seed)
            large = deblur(file, crop=crop + 32, seed=seed)
            alone.append(border_ratio(ii.solve(small, callbacks=[])))
            fit = ii.solve(large, callbacks=[])  # its pixels are counted from 16 further out
            moved = replace(fit, field=lambda x, field=fit.field: field(x + 16.0), problem=small)
            beyond.append(border_ratio(moved))
        print(
            f"{image} alone {sum(alone) / seeds:.2f}, data beyond {sum(beyond) / seeds:.2f}",
            flush=True,
        )


def photographs(task: str, seeds: int, crop: int, only: list[str] | None) -> None:
    """Print the PSNR of every method of one task, for both photographs."""
    make, methods = TASKS[task]
    for image in IMAGES:
        print(
            f"\n{task}, {image}, {crop} pixels: "
            f"PSNR (dB) for seeds 0..{seeds - 1}, mean, wall seconds",
            flush=True,
        )
        for name, method in methods.items():
            if only and not any(word in name for word in only):
                continue
            options = {}
            if "first fit" in name:
                options = {"rounds": 0}
            values: list[float] = []
            last = None
            began = time.perf_counter()
            for seed in range(seeds):
                last = method(make(str(DATA / f"{image}.png"), crop=crop, seed=seed, **options))
                values.append(psnr(last))
            seconds = (time.perf_counter() - began) / seeds
            extra = ""
            if task == "deblur" and last:
                extra = f"  border / inside {border_ratio(last):.2f}"
            listed = " ".join(f"{v:6.2f}" for v in values)
            print(
                f"{name:28s} {listed}   {sum(values) / seeds:6.2f} dB  {seconds:6.1f} s{extra}",
                flush=True,
            )


def equations(seeds: int) -> None:
    """Print the errors of boundary-value problems, of SIREN and of finite differences."""
    print("\nboundary_value: relative L2 error, CPU seconds", flush=True)
    for equation in ("poisson", "helmholtz"):
        for seed in range(seeds):
            problem = boundary_value(equation, seed=seed)
            began = time.process_time()
            fit = ii.solve(
                problem, steps=100, optimizer=optimizers.LBFGS(), seed=seed, callbacks=[]
            )
            seconds = time.process_time() - began
            beside = problem.suggested.baselines["finite differences"](problem)
            print(
                f"{equation:10s} seed {seed}: "
                f"SIREN {fit.metrics()['relative error']:.1e} ({seconds:.1f} s), "
                f"finite differences {beside.metrics()['relative error']:.1e}",
                flush=True,
            )


def from_gradient(crop: int) -> None:
    """Print the PSNR of photographs that were reconstructed from their gradient."""
    print("\ngradient: PSNR (dB) after fixing the mean", flush=True)
    for image in IMAGES:
        problem = poisson_edit(str(DATA / f"{image}.png"), source=None, crop=crop)
        assert isinstance(problem.reference, ii.SampledField)
        truth = problem.reference.values
        fit = ii.solve(problem, callbacks=[])
        for solution in (problem.suggested.baselines["sparse Poisson solver"](problem), fit):
            seen = solution.sample(problem.grid)
            seen = seen + (truth - seen).mean((0, 1))
            value = metrics.psnr(seen, truth, data_range=1.0)
            print(f"{image} {solution.method:24s} {value:6.2f} dB", flush=True)


def registration(seeds: int, volume: bool) -> None:
    """Print the displacement errors of deformed MNI152 slices, or of the whole volume."""
    options: dict[str, Any] = {"bin": 3}
    amplitude = 3.0
    if volume:
        options = {"bin": 6, "volume": True}
        amplitude = 1.5
    title = f"register, MNI152 {options}: mean error in pixels inside the head, part folded"
    print(f"\n{title}", flush=True)
    for seed in range(seeds):
        problem = register("mni152", amplitude=amplitude, seed=seed, **options)
        began = time.perf_counter()
        fit = ii.solve(problem, points=256, seed=seed, callbacks=[])
        seconds = time.perf_counter() - began
        names = tuple(problem.suggested.baselines)
        if volume:
            names = ("no registration", "B-spline grid")
        for solution in [problem.suggested.baselines[n](problem) for n in names] + [fit]:
            folds = "-"
            if solution.method != "TV-L1 flow":
                folds = f"{folded_fraction(solution.field, problem.grid):.4f}"
            error = displacement_error(solution)
            print(f"seed {seed} {solution.method:16s} {error:.3f} px, folded {folds}", flush=True)
        print(f"   ({seconds:.1f} s for the last)", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    others = ["border", "boundary_value", "gradient", "register", "volume"]
    parser.add_argument("tasks", nargs="+", choices=[*TASKS, *others])
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
