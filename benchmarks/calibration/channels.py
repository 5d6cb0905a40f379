"""Channels of an FMCW array: what is left of their errors after each method, and of the image.

    python benchmarks/calibration/channels.py [--seeds 3] [--per antennas] [--model channels]

Gains, phases and delays are rms over the channels, phases and delays without a constant and a
linear part (which turns the scene about the array). Sharpness is sum |I|^4 / (sum |I|^2)^2 of the
backprojected image, over that with the true channels. Unseen is the relative misfit to echoes
without noise of the array moved by half its length, after one complex factor. Seeds begin at 100;
settings were chosen on seeds 5 to 7.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import torch

import inverse_inr as ii
from inverse_inr.operators import ChannelErrors
from inverse_inr.operators.radar.operator import RadarOperator
from inverse_inr.problems.radar import fmcw_calibration
from inverse_inr.problems.radar.autofocus.phases import contributions
from inverse_inr.problems.radar.calibration import (
    calibrated,
    channel_misfit,
    coherence,
    reflector_bound,
    reflector_calibration,
    sparse_calibration,
)
from inverse_inr.problems.radar.calibration.classical import (
    channels_of,
    imaged,
    kept,
    uncalibrated,
)
from inverse_inr.problems.radar.calibration.simulated import Faults, Line, true_channels
from inverse_inr.problems.radar.calibration.targets import Scene, targets
from inverse_inr.problems.radar.fmcw import echoes
from inverse_inr.solver import Solver

ARRAY = Line()
HALF = 0.5 * ARRAY.transmitters * ARRAY.receivers * 0.5 * ARRAY.chirp.wavelength
"""Half the length of the virtual array in metres."""
STEPS = 300
"""Steps of learning."""
ITERATIONS = 100
"""Iterations of FISTA through channels that stay."""

Found = dict[str, ii.Solution]
"""Solutions of a case by method."""


class Case(NamedTuple):
    """A simulated array."""

    problem: ii.Problem
    true: ChannelErrors
    scene: Scene
    seed: int


def by_reflector(case: Case, _: Found) -> ii.Solution:
    """The closed form of the reflector's capture, then a sparse scene."""
    notes = case.problem.notes
    errors = reflector_calibration(
        channels_of(case.problem), notes["reflector echoes"], notes["reflector place"]
    )
    return imaged(case.problem, errors, "reflector", iterations=ITERATIONS)


def by_coherence(case: Case, _: Found) -> ii.Solution:
    """The eigenvector, then a sparse scene."""
    errors = kept(channels_of(case.problem))
    coherence(errors, case.problem.terms[0].y)
    return imaged(case.problem, errors, "coherence", iterations=ITERATIONS)


def by_learning(start: str, case: Case, found: Found) -> ii.Solution:
    """All together, from the channels that another method found."""
    errors = channels_of(found[start].problem)
    term = replace(case.problem.terms[0], operator=errors.radar)
    plain = replace(case.problem, terms=[term])
    return Solver(calibrated(plain, None, errors), steps=STEPS).run()


METHODS: dict[str, Callable[[Case, Found], ii.Solution]] = {
    "uncalibrated": lambda case, _: uncalibrated(case.problem),
    "coherence": by_coherence,
    "sparse calibration": lambda case, _: sparse_calibration(case.problem),
    "learnt from sparse": partial(by_learning, "sparse calibration"),
    "reflector": by_reflector,
    "learnt from reflector": partial(by_learning, "reflector"),
    "true channels": lambda case, _: imaged(
        case.problem, case.true, "true channels", iterations=ITERATIONS
    ),
}


@torch.no_grad()
def unseen(solution: ii.Solution, case: Case) -> float:
    """The relative misfit to the moved array's echoes, after one complex factor."""
    errors = channels_of(solution.problem)
    radar = errors.radar.with_geometry(ARRAY.geometry(HALF))
    assert isinstance(radar, RadarOperator)
    rows = torch.arange(len(errors))
    image = solution.sample(case.problem.grid)
    found = errors.factors(rows) * radar(rows)[1](image)
    wanted = case.true.factors(rows) * echoes(radar, *targets(case.scene, case.seed))
    along = (found.conj() * wanted).sum() / found.abs().square().sum().clamp(min=1e-30)
    return float((along * found - wanted).norm() / wanted.norm())


def sharpness(errors: ChannelErrors, y: torch.Tensor) -> float:
    """Sum |I|^4 / (sum |I|^2)^2 of the backprojected image."""
    power = contributions(errors.radar, errors.corrected(y)).sum(0).abs().square().double()
    return float(power.square().sum() / power.sum().square())


def measure(name: str, case: Case, found: Found, label: str) -> None:
    """Print one row, and keep the solution."""
    began = time.process_time()
    solution = found[name] = METHODS[name](case, found)
    seconds = time.process_time() - began
    errors = channels_of(solution.problem)
    misfit = channel_misfit(errors, case.true)
    y = case.problem.terms[0].y
    sharp = sharpness(errors, y) / sharpness(case.true, y)
    print(
        f"| {label} | {name} | {misfit.phase:.4f} | {misfit.gain:.3f} | "
        f"{misfit.delay * ARRAY.bandwidth:.4f} | {sharp:.3f} | {unseen(solution, case):.3f} | "
        f"{seconds:.0f} |",
        flush=True,
    )


def main() -> None:
    """Measure what the words ask for."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=100)
    parser.add_argument("--snr", type=float, nargs="+", default=[20.0, 10.0, 0.0])
    parser.add_argument("--scene", default="room")
    parser.add_argument("--per", default="channels")
    parser.add_argument("--model", default=None)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    words = parser.parse_args()
    torch.set_num_threads(1)
    print("| case | method | phase, rad | gain, dB | delay, bins | sharpness | unseen | s |")
    for snr in words.snr:
        for seed in range(words.first, words.first + words.seeds):
            problem = fmcw_calibration(
                words.scene,
                faults=Faults(words.per),
                model=words.model,
                start="coherence",
                snr=snr,
                seed=seed,
            )
            case = Case(problem, true_channels(problem), words.scene, seed)
            found: Found = {}
            for name in words.methods:
                measure(name, case, found, f"{snr:g} dB, seed {seed}")
            if seed == words.first:
                print_bound(case, snr)


def print_bound(case: Case, snr: float) -> None:
    """Print the Cramér-Rao bound of a channel of gain 1 that sees a reflector."""
    bound = reflector_bound(case.true.radar, 1.0, 10 ** (-snr / 20))
    print(
        f"| {snr:g} dB | Cramér-Rao, reflector | {bound.phase:.4f} | {bound.gain:.3f} | "
        f"{bound.delay * ARRAY.bandwidth:.4f} | | | |",
        flush=True,
    )


if __name__ == "__main__":
    main()
