"""Phase errors of pulses: what is left of them after each method, on cars and on GOTCHA.

    python benchmarks/autofocus/phase_errors.py [--seeds 100 101 102] [--oracle]
    python benchmarks/autofocus/phase_errors.py --gotcha az001.mat az002.mat [--region -14 -3]
    python benchmarks/autofocus/phase_errors.py --gotcha az001.mat az002.mat --own

Errors are rms in rad, without a constant and a linear part, which no measurement tells. Settings
were chosen on seeds 5 to 7; with --oracle the truth also chooses the weight of sparse autofocus.
GOTCHA's echoes have errors of their own, so what is left there is counted from the phases that the
same method finds without the errors that are added. `--own` compares the default, and no errors,
with the autofocus that comes in GOTCHA's files.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable
from dataclasses import replace

import torch

import inverse_inr as ii
from inverse_inr.io import read_gotcha
from inverse_inr.operators import PulseErrors
from inverse_inr.operators.radar.operator import RadarOperator
from inverse_inr.problems.radar import gotcha, sar_autofocus
from inverse_inr.problems.radar.autofocus import autofocused, sparse_autofocus
from inverse_inr.problems.radar.autofocus.focusing import Classical, estimate, learnt_phases
from inverse_inr.problems.radar.autofocus.phases import Errors, phase_errors, phases_apart
from inverse_inr.problems.radar.imaging import backprojection
from inverse_inr.problems.radar.measured import measured
from inverse_inr.solver import Solver

KINDS: tuple[Errors, ...] = ("walk", "smooth", "white")
WEIGHTS = (0.005, 0.01, 0.02, 0.04, 0.08)
"""Weights of sparse autofocus between which the truth chooses."""
Found = Callable[[ii.Problem], torch.Tensor]


def rms(found: torch.Tensor, true: torch.Tensor) -> float:
    """The root mean square of the difference, in rad."""
    return float(phases_apart(found, true).square().mean().sqrt())


def begun_at(start: Classical) -> Found:
    """The phases of a classical method, from which learning would begin."""

    def found(problem: ii.Problem) -> torch.Tensor:
        radar = problem.terms[0].operator
        if isinstance(radar, PulseErrors):
            radar = radar.radar
        assert isinstance(radar, RadarOperator)
        return estimate(radar, problem.terms[0].y, start)

    return found


def by_default(problem: ii.Problem) -> torch.Tensor:
    """The phases of `autofocused` without a word on how."""
    term = problem.terms[0]
    assert isinstance(term.operator, PulseErrors)
    return decided(replace(problem, terms=[replace(term, operator=term.operator.radar)]))


def decided(plain: ii.Problem) -> torch.Tensor:
    """The phases that `autofocused` finds for a radar without errors around it."""
    operator = autofocused(plain).terms[0].operator
    assert isinstance(operator, PulseErrors)
    return operator.phases.detach()


METHODS: dict[str, Found] = {
    "phase gradient": begun_at("phase gradient"),
    "minimum entropy": begun_at("minimum entropy"),
    "sparse autofocus": lambda p: learnt_phases(sparse_autofocus(p)),
    "the default": by_default,
    "learnt with the scene": lambda p: learnt_phases(Solver(p, steps=300).run()),
}


def cars(
    kinds: list[Errors], sizes: list[float], seeds: list[int], oracle: bool, snr: float
) -> None:
    """Print one row a kind, size and seed."""
    for kind in kinds:
        for size in sizes:
            for seed in seeds:
                problem = sar_autofocus(
                    kind, size=size, start="minimum entropy", learn=True, seed=seed, snr=snr
                )
                true = problem.notes["true phases"]
                _row(
                    f"car, {kind}, {size:g} rad, seed {seed}", problem, lambda f, t=true: rms(f, t)
                )
                if oracle:
                    tried = {w: learnt_phases(sparse_autofocus(problem, w)) for w in WEIGHTS}
                    best = min(tried, key=lambda w, f=tried, t=true: rms(f[w], t))
                    print(f"  weight by the truth: {rms(tried[best], true):.3f} at {best:g}")


def parking(
    paths: list[str],
    kinds: list[Errors],
    sizes: list[float],
    seeds: list[int],
    center: tuple[float, float],
) -> None:
    """Print one row a kind, size and seed for a region of GOTCHA."""
    plain = gotcha(paths, center=center, size=(13.0, 13.0), pitch=0.2, every=2)
    begun = autofocused(plain, "minimum entropy", learn=True)
    own = {name: method(begun) for name, method in METHODS.items()}
    term = plain.terms[0]
    for kind, size, seed in itertools.product(kinds, sizes, seeds):
        true = phase_errors(len(term.y), kind, size, seed=seed)
        turned = term.y * torch.polar(torch.ones_like(true), true)[:, None].to(term.y)
        problem = replace(plain, terms=[replace(term, y=turned)])
        problem = autofocused(problem, "minimum entropy", learn=True)
        print(f"| GOTCHA, {kind}, {size:g} rad, seed {seed} |", end="", flush=True)
        for name, method in METHODS.items():
            print(f" {rms(method(problem) - own[name], true):.3f} |", end="", flush=True)
        print(flush=True)


def own_solution(paths: list[str], center: tuple[float, float]) -> None:
    """Print how far the default is from GOTCHA's own solution, and how sharp images become."""
    raw, corrected = (read_gotcha(paths, autofocus=given) for given in (False, True))
    middle = len(raw.frequencies) // 2
    told = -(corrected.y / raw.y)[::2, middle].angle().double()
    region = (center, (13.0, 13.0), 0.2, 0.0, 2, 10.0, 10.0, None)
    found = {}
    for name, data in {"as recorded": raw, "with GOTCHA's own": corrected}.items():
        problem = measured(data, *region)
        found[name] = decided(problem).double()
        (term,) = problem.terms
        taken_off = torch.polar(torch.ones_like(found[name]), -found[name])[:, None].to(term.y)
        focused = replace(problem, terms=[replace(term, y=term.y * taken_off)])
        print(
            f"{name}: entropy {spread(problem):.2f}, {spread(focused):.2f} with the default's "
            f"phases, which are {rms(found[name], torch.zeros_like(told)):.2f} rad from a line"
        )
    print(f"GOTCHA's own is {rms(told, torch.zeros_like(told)):.2f} rad from a line,", end=" ")
    print(f"{rms(found['as recorded'], told):.2f} from the default")


def spread(problem: ii.Problem) -> float:
    """The entropy of the backprojected image's energy: less is sharper."""
    energy = backprojection(problem).sample(problem.grid).abs().square().double()
    share = energy / energy.sum()
    return float(torch.special.entr(share).sum())


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
    parser.add_argument("--seeds", type=int, nargs="+", default=[100, 101, 102])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--sizes", type=float, nargs="+", default=[3.0, 6.0], help="rad rms")
    parser.add_argument("--oracle", action="store_true")
    parser.add_argument("--snr", type=float, default=20.0, help="of the cars, in dB")
    parser.add_argument("--gotcha", nargs="*", default=[])
    parser.add_argument("--own", action="store_true", help="compare with GOTCHA's own autofocus")
    parser.add_argument("--region", nargs=2, type=float, default=(23.5, -22.5), help="m")
    words = parser.parse_args()
    torch.set_num_threads(1)
    if words.gotcha and words.own:
        own_solution(words.gotcha, tuple(words.region))
        return
    print(f"| errors | {' | '.join(METHODS)} |", flush=True)
    if words.gotcha:
        parking(words.gotcha, words.kinds, words.sizes, words.seeds, tuple(words.region))
        return
    cars(words.kinds, words.sizes, words.seeds, words.oracle, words.snr)


if __name__ == "__main__":
    main()
