"""SAR: a sparse simulated aperture against its truth, and GOTCHA pulses that no method saw.

    python benchmarks/radar_sar.py [--seeds 3]
    python benchmarks/radar_sar.py --gotcha FILE.mat FILE.mat [--seeds 3]

The simulated radar works in the X band with a bandwidth of 622 MHz, at four uneven elevations over
3.83 degrees of azimuth: 96 pulses x 40 frequencies, 20 dB. The scene is a car of 1200 scatterers
that lie on no grid; voxels are 0.15 m wide. Printed are Chamfer distance (m), F1 within 0.225 m and
95 % Hausdorff distance (m), at the best threshold of each (chosen by the truth) and at a fixed 0.15
of the maximum. "held-out" is the relative error of 15 noise-free pulses at other elevations. A
variance field has two lines: its posterior mean, and its amplitude, which is a shape only.

The GOTCHA images are squares of 13 m, one around two cars and one around a reflector, from 2
degrees of azimuth. One block of 0.24 degrees is kept from all methods ("unseen"); another one
chooses weights and stops ("held-out"). Printed are their relative errors. Blocks are filtered one
by one.

Times are CPU seconds on one thread.
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

FIXED = 0.15
"""The fixed threshold, as a fraction of the volume's maximum."""

REACH = 0.225
"""Points that are closer than this, in m, count as found by F1: one and a half voxels."""

REGIONS = {"two cars": (23.5, -22.5), "reflector": (-17.0, 22.0)}
"""Centres of the GOTCHA images in m."""

BLOCKS = [70, 28, 38, 28, 70]
"""Lengths of blocks of neighbouring pulses, 234 in two GOTCHA files.

The second block is held out, the fourth is unseen.
"""

Method = Callable[[ii.Problem, int], ii.Solution]


def inr(problem: ii.Problem, seed: int, batch: int = 24) -> ii.Solution:
    """The problem's own prior, `phased`."""
    return ii.solve(problem, seed=seed, batch=batch, callbacks=[])


def projected(problem: ii.Problem, seed: int) -> ii.Solution:
    """The prior `phased` with its phases in closed form."""
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
    """Solve the simulated case by one method and print its line, or two for a variance field."""
    problem = sar(seed=seed)
    truth = car()
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
    """Print the shape errors of a volume against the scatterers `truth`, and then `tail`."""
    b = best(volume_errors(volume, problem.grid, truth, REACH))
    fixed = shape_errors(occupied(volume, problem.grid, FIXED), truth, REACH)
    print(
        f"{name:34s} seed {seed}  {b.chamfer:.4f} {b.f1:.3f} {b.hausdorff95:.3f}   "
        f"{fixed.chamfer:.4f} {fixed.f1:.3f}   {tail}",
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


def held_out_weight(problem: ii.Problem, seed: int) -> ii.Solution:
    """The problem's own prior with L1; held-out pulses choose the weight."""

    def fit(weight: float) -> ii.Solution:
        penalty = weight * regularizers.L1(grid=problem.grid)
        return ii.solve(problem, regularizers=[penalty], seed=seed, batch=24, callbacks=[])

    return choose_weight((30.0, 100.0, 300.0, 1000.0), fit)


def held_out_noise(problem: ii.Problem) -> ii.Solution:
    """A variance field; held-out pulses choose by what factor the noise's variance is raised.

    Clutter and the edges of the filter are noise to a model too.
    """
    term = problem.terms[0]
    assert isinstance(term.fidelity, noise.ComplexGaussian)
    sigma = term.fidelity.sigma

    def louder(factor: float) -> ii.Solution:
        model = noise.ComplexGaussian(factor**0.5 * sigma)
        noisy = replace(problem, terms=[replace(term, fidelity=model)])
        return replace(variance_field(noisy), problem=problem)

    return choose_weight((300.0, 100.0, 30.0, 10.0), louder)


def measured_methods(problem: ii.Problem, seeds: int) -> dict[str, Callable[[], ii.Solution]]:
    """The methods for measured pulses, by name."""
    weights = [0.2 * 0.5**k for k in range(6)]
    methods: dict[str, Callable[[], ii.Solution]] = {
        "backprojection": lambda: backprojection(problem),
        "least squares, 30 iterations": lambda: least_squares(problem, 30),
        "L1, held-out weight": lambda: l1(problem, weights=weights, iterations=80),
        "variance field, held-out noise": lambda: held_out_noise(problem),
    }
    for seed in range(seeds):
        name = f"phased, held-out weight, seed {seed}"
        methods[name] = lambda seed=seed: held_out_weight(problem, seed)
    return methods


def real(region: str, paths: list[str], seeds: int, only: list[str] | None) -> None:
    """Print the errors of measured pulses: those that no method saw, and those that chose."""
    problem = gotcha(
        paths, center=REGIONS[region], size=(13.0, 13.0), pitch=0.2, every=3, blocks=BLOCKS
    )
    term = problem.terms[0]
    rows = torch.arange(len(term.y))
    block = problem.notes["block"]
    watched = rows[block == 1]
    unseen = rows[block == 3]
    problem = replace(problem, terms=[replace(term, rows=rows[block != 3])])
    shape = (
        f"{tuple(problem.grid.shape)} pixels, {len(term.y)} pulses x {term.y.shape[1]} frequencies"
    )
    print(
        f"\ngotcha, {region}, {shape}; unseen, held-out, entropy of the image, CPU seconds",
        flush=True,
    )

    for name, method in measured_methods(problem, seeds).items():
        if only and not any(word in name for word in only):
            continue
        began = time.process_time()
        solution = method()
        seconds = time.process_time() - began
        errors = [relative(problem, solution, r) for r in (unseen, watched)]
        print(
            f"{name:34s} {errors[0]:.4f} {errors[1]:.4f}  "
            f"{image_entropy(solution.sample()):.3f}  {seconds:6.1f} s  "
            f"{solution.stopped} {solution.details.get('held-out by weight', '')}",
            flush=True,
        )


@torch.no_grad()
def relative(problem: ii.Problem, solution: ii.Solution, rows: Tensor) -> float:
    """Relative error of the predicted pulses `rows`."""
    term = problem.terms[0]
    y = term.y[rows]
    seen = ii.predict(term.operator, solution.field, rows)
    return float(torch.linalg.vector_norm(seen - y) / torch.linalg.vector_norm(y))


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
