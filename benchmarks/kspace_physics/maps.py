"""Maps of T1, T2, T2*, B0 and fat, beside pixel-wise fits of the images and of denoised ones.

    python benchmarks/kspace_physics/maps.py [--sequences spin_echo --noise 0.02 --seeds 0 1 2]

Errors are taken over the pixels that lie in one tissue as a whole.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

from torch import Tensor

import inverse_inr as ii
from inverse_inr import baselines
from inverse_inr.problems.kspace import kspace_maps
from inverse_inr.problems.kspace.maps.fits import maps_fit, pixelwise, rate_channel
from inverse_inr.problems.kspace.maps.phantom import Tissues
from inverse_inr.problems.kspace.maps.simulated import sequence_of

NOISE = {"spin_echo": 0.035, "inversion_recovery": 0.05, "gradient_echoes": 0.01}
"""Noise levels; pixel-wise fits of T1 and T2 of the tuning seeds err by about 6 % on average."""
FINE = 4
"""Points along each side of a pixel by which it is told whether it lies in one tissue."""


def within_tissue(problem: ii.Problem) -> Tensor:
    """Pixels that lie in one tissue as a whole, (*shape) of bool."""
    assert isinstance(problem.reference, Tissues)
    labels = problem.reference.labels(problem.grid.refined(FINE).points())
    parts = labels.unflatten(0, (-1, FINE)).unflatten(2, (-1, FINE)).movedim(1, 2).flatten(2)
    return (parts == parts[..., :1]).all(-1) & (parts[..., 0] > 0)


def errors(solution: ii.Solution) -> str:
    """Errors of the time 1/R in %, and of fat in points of % and B0 in Hz where there are any."""
    problem = solution.problem
    assert problem.reference is not None
    inside = within_tissue(problem)
    truth = ii.sample(problem.reference, problem.grid)[inside]
    found = ii.sample(solution.field, problem.grid)[inside]
    rate = rate_channel(problem.channels)
    wrong = 100 * (truth[:, rate] / found[:, rate] - 1)
    size = wrong.abs()
    rms = wrong.square().mean().sqrt()
    text = f"mean {size.mean():5.2f} median {size.median():5.2f} rms {rms:6.2f} %"
    if problem.channels > 2:
        share = [100 * v[:, 1] / (v[:, 0] + v[:, 1]) for v in (found, truth)]
        text += f"  fat {(share[0] - share[1]).abs().mean():5.2f} points"
        text += f"  B0 {(found[:, 3] - truth[:, 3]).abs().mean():5.2f} Hz"
    return text


def denoised(problem: ii.Problem, finer: int = 1) -> ii.Solution:
    """Pixel-wise fits of images of least total variation, whose weight the true images choose.

    With `finer=2` the images have half pixels, as the fit of maps has, and fits are of their means.
    """
    assert isinstance(problem.reference, Tissues)
    began = time.perf_counter()
    equation = sequence_of(problem.reference.sequence)
    maps = problem.reference

    def echoes(points: Tensor) -> Tensor:
        return equation(maps(points))

    operator = problem.terms[0].operator.operator  # pyright: ignore[reportAttributeAccessIssue]
    grid = problem.grid.refined(finer)
    if finer > 1:
        operator = operator.resampled(grid)
    images = replace(
        problem,
        grid=grid,
        terms=[replace(problem.terms[0], operator=operator)],
        channels=len(equation.times),
        reference=echoes,
        is_complex=problem.channels > 2,
    )
    found = baselines.tv(images, "oracle", iterations=60, search=20)
    fit = pixelwise(problem, found.sample(problem.grid))  # a pixel's middle is its halves' mean
    return replace(fit, method="TV, pixel-wise", seconds=time.perf_counter() - began)


def measure(sequence: str, noise: float, seed: int, only: list[str] | None) -> None:
    """Print the errors of all methods on one scan."""
    problem = kspace_maps(sequence, noise_level=noise, seed=seed)  # pyright: ignore[reportArgumentType]
    print(f"{sequence}, noise {noise:g}, seed {seed}", flush=True)
    for name, method in (
        ("pixel-wise", pixelwise),
        ("pixel-wise after TV, oracle", denoised),
        ("the same on half pixels", lambda given: denoised(given, 2)),
        ("maps", maps_fit),
    ):
        if only and name not in only:
            continue
        solution = method(problem)
        print(f"  {name:28s} {errors(solution)}  {solution.seconds:4.0f} s", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--sequences", nargs="+", default=list(NOISE))
    parser.add_argument("--noise", type=float)
    parser.add_argument("--only", nargs="+", help="names of methods")
    given = parser.parse_args()
    for kind in given.sequences:
        for number in given.seeds:
            measure(kind, given.noise or NOISE[kind], number, given.only)
