"""Phase errors of pulses: what is left of them after each method, on cars and on GOTCHA.

    python benchmarks/autofocus/phase_errors.py [--seeds 3] [--gotcha az001.mat az002.mat]

Errors are rms in rad, without a constant and a linear part, which no measurement tells. Seeds begin
at 100; settings were chosen on seeds 5 to 7. GOTCHA's echoes have errors of their own, so what is
left there is counted from the phases that the same method finds without the errors that are added.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace

import torch

import inverse_inr as ii
from inverse_inr.operators import PulseErrors
from inverse_inr.operators.radar.operator import RadarOperator
from inverse_inr.problems.radar import gotcha, sar_autofocus
from inverse_inr.problems.radar.autofocus import autofocused, sparse_autofocus
from inverse_inr.problems.radar.autofocus.focusing import Start, estimate, learnt_phases
from inverse_inr.problems.radar.autofocus.phases import phase_errors, phases_apart
from inverse_inr.solver import Solver

KINDS = ("walk", "smooth", "white")
Found = Callable[[ii.Problem], torch.Tensor]


def rms(found: torch.Tensor, true: torch.Tensor) -> float:
    """The root mean square of the difference, in rad."""
    return float(phases_apart(found, true).square().mean().sqrt())


def begun_at(start: Start) -> Found:
    """The phases of a classical method, from which learning would begin."""

    def found(problem: ii.Problem) -> torch.Tensor:
        radar = problem.terms[0].operator
        if isinstance(radar, PulseErrors):
            radar = radar.radar
        assert isinstance(radar, RadarOperator)
        return estimate(radar, problem.terms[0].y, start)

    return found


METHODS: dict[str, Found] = {
    "phase gradient": begun_at("phase gradient"),
    "minimum entropy": begun_at("minimum entropy"),
    "sparse autofocus": lambda p: learnt_phases(sparse_autofocus(p)),
    "learnt with the scene": lambda p: learnt_phases(Solver(p, steps=300).run()),
}


def cars(seeds: int) -> None:
    """Print one row a kind, size and seed."""
    for kind in KINDS:
        for size in (3.0, 6.0):
            for seed in range(100, 100 + seeds):
                problem = sar_autofocus(kind, size=size, seed=seed)
                true = problem.notes["true phases"]
                _row(
                    f"car, {kind}, {size:g} rad, seed {seed}", problem, lambda f, t=true: rms(f, t)
                )


def parking(paths: list[str], seeds: int) -> None:
    """Print one row a kind and seed for two cars of GOTCHA."""
    plain = gotcha(paths, center=(23.5, -22.5), size=(13.0, 13.0), pitch=0.2, every=2)
    own = {name: method(autofocused(plain)) for name, method in METHODS.items()}
    term = plain.terms[0]
    for kind in KINDS[:2]:
        for seed in range(100, 100 + seeds):
            true = phase_errors(len(term.y), kind, 3.0, seed=seed)
            turned = term.y * torch.polar(torch.ones_like(true), true)[:, None].to(term.y)
            problem = autofocused(replace(plain, terms=[replace(term, y=turned)]))
            print(f"| GOTCHA, {kind}, 3 rad, seed {seed} |", end="", flush=True)
            for name, method in METHODS.items():
                print(f" {rms(method(problem) - own[name], true):.3f} |", end="", flush=True)
            print(flush=True)


def _row(name: str, problem: ii.Problem, judge: Callable[[torch.Tensor], float]) -> None:
    print(f"| {name} |", end="", flush=True)
    for method in METHODS.values():
        began = time.process_time()
        left = judge(method(problem))
        print(f" {left:.3f} ({time.process_time() - began:.0f} s) |", end="", flush=True)
    print(flush=True)


def main() -> None:
    """Measure what the words ask for."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--gotcha", nargs="*", default=[])
    words = parser.parse_args()
    torch.set_num_threads(1)
    print(f"| errors | {' | '.join(METHODS)} |", flush=True)
    if words.gotcha:
        parking(words.gotcha, words.seeds)
        return
    cars(words.seeds)


if __name__ == "__main__":
    main()
