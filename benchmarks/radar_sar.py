"""SAR benchmarks: a sparse simulated aperture against its truth, and measured GOTCHA pulses that no method saw.

    python benchmarks/radar_sar.py [--seeds 3] [--gotcha FILE.mat FILE.mat]

sar: X band, 622 MHz, four uneven elevations, 3.83 degrees, 96 pulses x 40 frequencies, 20 dB; a car of 1200 scatterers
on no lattice, voxels of 0.15 m. Chamfer (m), F1 within 0.225 m and 95 % Hausdorff distance (m), at the best threshold
of each (chosen by the truth) and at a fixed 0.15 of the maximum; held-out: relative error of 15 noise-free pulses at
other elevations. A variance field has two rows: its posterior mean, and its amplitude, which is a shape only.
gotcha: a 13 m square around two cars, 2 degrees; a block of 0.24 degrees is kept from all methods ("unseen"), another
one chooses weights and stops ("held-out"): relative errors. Blocks are filtered one by one. CPU seconds on one thread.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

import inverse_inr as ii
from inverse_inr import noise, priors, regularizers
from inverse_inr.baselines import l1
from inverse_inr.operators import PhaseHistory
from inverse_inr.operators.radar.matched_filter import image_entropy
from inverse_inr.problems.radar import gotcha, sar
from inverse_inr.problems.radar.fmcw import echoes
from inverse_inr.problems.radar.imaging import backprojection, least_squares
from inverse_inr.problems.radar.sar import passes
from inverse_inr.problems.radar.scenes import car
from inverse_inr.problems.radar.variance_field import variance_field
from inverse_inr.selection import choose_weight
from inverse_inr.surfaces import best, occupied, shape_errors, volume_errors

FIXED, REACH = 0.15, 0.225
REGIONS = {"two cars": (23.5, -22.5), "reflector": (-17.0, 22.0)}
"""Centres in m."""
BLOCKS = [70, 28, 38, 28, 70]
"""Neighbouring pulses of two GOTCHA files, 234; the second block is held out, the fourth unseen."""
Method = Callable[[ii.Problem, int], ii.Solution]


def inr(problem: ii.Problem, seed: int, batch: int = 24) -> ii.Solution:
    return ii.solve(problem, seed=seed, batch=batch, callbacks=[])


def projected(problem: ii.Problem, seed: int) -> ii.Solution:
    """The same with phases in closed form."""
    options = {**problem.suggested.options, "projected": True}
    prior = priors.create(
        "phased", problem.box, bandwidth=priors.bandwidth_of(problem.grid), seed=seed, **options
    )
    return ii.solve(problem, prior, seed=seed, batch=24, callbacks=[])


SIMULATED: dict[str, Method] = {
    "backprojection": lambda p, _: backprojection(p),
    "least squares, 50 iterations": lambda p, _: least_squares(p, 50),
    "L1, 0.01 of the largest": lambda p, _: l1(p, 0.01, iterations=150),
    "phased: amplitude INR, free phase": inr,
    "phased, phases projected": projected,
    "variance field": lambda p, seed: variance_field(p, seed=seed),
}


def simulated(name: str, method: Method, seed: int) -> None:
    problem, truth = sar(seed=seed), car()
    began = time.process_time()
    solution = method(problem, seed)
    seconds = time.process_time() - began
    volume = solution.sample(problem.grid)
    tail = f"{elsewhere(problem, volume, truth):.3f}  {seconds:6.1f} s  {solution.stopped}"
    shape_row(name, problem, volume, truth, seed, tail)
    if "variance" in solution.details:
        shape_row("   its amplitude", problem, solution.details["variance"].sqrt(), truth, seed, "")


def shape_row(
    name: str, problem: ii.Problem, volume: Tensor, truth: Tensor, seed: int, tail: str
) -> None:
    b = best(volume_errors(volume, problem.grid, truth, REACH))
    fixed = shape_errors(occupied(volume, problem.grid, FIXED), truth, REACH)
    print(
        f"{name:34s} seed {seed}  {b.chamfer:.4f} {b.f1:.3f} {b.hausdorff95:.3f}   {fixed.chamfer:.4f} "
        f"{fixed.f1:.3f}   {tail}",
        flush=True,
    )


def elsewhere(problem: ii.Problem, volume: Tensor, truth: Tensor) -> float:
    """Relative error of noise-free pulses at elevations between the measured ones."""
    operator = problem.terms[0].operator
    assert isinstance(operator, PhaseHistory)
    other = operator.with_geometry(passes((43.83, 44.2, 44.77), 5, 3.83, 10_158.0, offset=0.5))
    y = echoes(other, truth) / problem.notes["gain of y"]
    with torch.no_grad():
        seen = other(torch.arange(len(other)))[1](volume)
    return float(torch.linalg.vector_norm(seen - y) / torch.linalg.vector_norm(y))


def real(name: str, paths: list[str], seeds: int, only: list[str] | None) -> None:
    """Measured pulses: what no method saw, and what chose its weight."""
    problem = gotcha(
        paths, center=REGIONS[name], size=(13.0, 13.0), pitch=0.2, every=3, blocks=BLOCKS
    )
    term, rows, block = (
        problem.terms[0],
        torch.arange(len(problem.terms[0].y)),
        problem.notes["block"],
    )
    watched, unseen = rows[block == 1], rows[block == 3]
    problem = replace(problem, terms=[replace(term, rows=rows[block != 3])])
    shape = (
        f"{tuple(problem.grid.shape)} pixels, {len(term.y)} pulses x {term.y.shape[1]} frequencies"
    )
    print(
        f"\ngotcha, {name}, {shape}; unseen, held-out, entropy of the image, CPU seconds",
        flush=True,
    )

    def chosen(seed: int) -> ii.Solution:
        def fit(weight: float) -> ii.Solution:
            penalty = weight * regularizers.L1(grid=problem.grid)
            return ii.solve(problem, regularizers=[penalty], seed=seed, batch=24, callbacks=[])

        return choose_weight((30.0, 100.0, 300.0, 1000.0), fit)

    def louder(factor: float) -> ii.Solution:
        """Variances under `factor` times the noise: clutter and the edges of the filter are noise to a model too."""
        first = problem.terms[0]
        assert isinstance(first.fidelity, noise.ComplexGaussian)
        model = noise.ComplexGaussian(factor**0.5 * first.fidelity.sigma)
        noisy = replace(problem, terms=[replace(first, fidelity=model)])
        return replace(variance_field(noisy), problem=problem)

    methods: list[tuple[str, Callable[[], ii.Solution]]] = [
        ("backprojection", lambda: backprojection(problem)),
        ("least squares, 30 iterations", lambda: least_squares(problem, 30)),
        (
            "L1, held-out weight",
            lambda: l1(problem, weights=[0.2 * 0.5**k for k in range(6)], iterations=80),
        ),
        (
            "variance field, held-out noise",
            lambda: choose_weight((300.0, 100.0, 30.0, 10.0), louder),
        ),
    ]
    methods += [
        (f"phased, held-out weight, seed {seed}", lambda seed=seed: chosen(seed))
        for seed in range(seeds)
    ]
    for name, method in methods:
        if only and not any(word in name for word in only):
            continue
        began = time.process_time()
        solution = method()
        seconds = time.process_time() - began
        errors = [relative(problem, solution, r) for r in (unseen, watched)]
        print(
            f"{name:34s} {errors[0]:.4f} {errors[1]:.4f}  {image_entropy(solution.sample()):.3f}  {seconds:6.1f} s  "
            f"{solution.stopped} {solution.details.get('held-out by weight', '')}",
            flush=True,
        )


@torch.no_grad()
def relative(problem: ii.Problem, solution: ii.Solution, rows: Tensor) -> float:
    term = problem.terms[0]
    seen = ii.predict(term.operator, solution.field, rows)
    return float(
        torch.linalg.vector_norm(seen - term.y[rows]) / torch.linalg.vector_norm(term.y[rows])
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", help="methods whose names contain one of these words")
    parser.add_argument(
        "--gotcha",
        nargs="+",
        default=[],
        help="GOTCHA .mat files, in order; alone, nothing is simulated",
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.gotcha:
        for region in REGIONS:
            real(region, arguments.gotcha, arguments.seeds, arguments.only)
        return
    print(
        "sar: Chamfer m, F1, Hausdorff m (best); Chamfer, F1 (fixed); held-out; CPU seconds",
        flush=True,
    )
    for seed in range(arguments.seeds):
        for name, method in SIMULATED.items():
            if not arguments.only or any(word in name for word in arguments.only):
                simulated(name, method, seed)


if __name__ == "__main__":
    main()
