"""Time to the quality of two well-known ways: a SIREN trained by Adam, and TV with the best weight.

    python benchmarks/speed/time_to_quality.py [--problem ct inpaint kspace] [--steps 5000]

The SIREN is three layers of 256 with Adam at 1e-4, as it is usually published, run to its end by
the quicker of its routes. TV has the weight that the truth chose. Beside them stand the answer
without knobs, `ii.solve(problem)`, and the time after which the problem's suggested fit first had
their PSNR. All inputs are ones on which settings of this library were chosen.

Times are processor seconds of one thread without those that PSNR takes; ratios hold on a busy
machine too.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch

import inverse_inr as ii
from inverse_inr import baselines
from inverse_inr.problems.ct import ct
from inverse_inr.problems.kspace import kspace
from inverse_inr.problems.restoration import inpaint
from inverse_inr.stopping import Never

PROBLEMS: dict[str, Callable[[], ii.Problem]] = {
    "ct": lambda: ct("shepp_logan", size=64, views=30),
    "inpaint": lambda: inpaint("camera", crop=96),
    "kspace": lambda: kspace("shepp_logan", size=64, phase="coils"),
}
WEIGHTS = [10.0 ** (k / 4) for k in range(-20, 5)]


class Course:
    """PSNR against the seconds of a fit; a callback that does not count its own time."""

    def __init__(self) -> None:
        self.points: list[tuple[float, float]] = []
        self._spent = 0.0
        self._since = time.process_time()

    def __call__(self, solver: Any, record: dict[str, Any]) -> None:
        self._spent += time.process_time() - self._since
        solution = ii.Solution(solver.prior, solver.problem, solver.label)
        self.points.append((self._spent, solution.psnr()))
        self._since = time.process_time()

    def first(self, psnr: float) -> float | None:
        """The seconds after which a PSNR was first reached; None if it never was."""
        return next((seconds for seconds, reached in self.points if reached >= psnr), None)


def course(problem: ii.Problem, prior: Any = None, **options: Any) -> Course:
    """Run one fit to its end."""
    watching = Course()
    ii.Solver(problem, prior, callbacks=[watching], **options).run()
    return watching


def siren(name: str, problem: ii.Problem, steps: int) -> Course:
    """The SIREN; for rays, which look at many points each, on the image's own lattice."""
    seen = problem
    if name == "ct":
        seen = problem.on_lattice(1)
    return course(
        seen,
        ii.priors.create("siren", problem.box, problem.channels, width=256, depth=3),
        optimizer="adam",
        lr=1e-4,
        steps=steps,
        regularizers=[],
        stopping=Never(every=max(1, steps // 50)),
    )


def best_tv(problem: ii.Problem) -> tuple[float, float]:
    """PSNR of TV with the weight that the truth chose, and its seconds once that is known."""
    tried = {weight: baselines.tv(problem, weight).psnr() for weight in WEIGHTS}
    weight = max(tried, key=lambda each: tried[each])
    began = time.process_time()
    psnr = baselines.tv(problem, weight).psnr()
    return psnr, time.process_time() - began


def report(name: str, steps: int) -> None:
    """Measure one problem and print its lines."""
    problem = PROBLEMS[name]()
    trained = siren(name, problem, steps)
    seconds, psnr = trained.points[-1]
    tv, tv_seconds = best_tv(problem)
    print(f"\n## {name}\n\n| | PSNR (dB) | seconds |\n|---|---|---|")
    print(f"| SIREN + Adam, {steps} steps | {psnr:.2f} | {seconds:.0f} |")
    print(f"| TV, weight by the truth | {tv:.2f} | {tv_seconds:.1f} |")
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        answer = ii.solve(problem)
    answered = time.process_time() - began
    print(f"| the answer without knobs ({answer.method}) | {answer.psnr():.2f} | {answered:.1f} |")
    if name == "ct":
        _print_lattice_tv(problem, tv_seconds)
    fits = {"suggested fit": problem}
    if name == "ct":
        fits["suggested fit on a lattice"] = problem.on_lattice(2)
    for words, seen in fits.items():
        own = course(seen, stopping=Never(every=max(1, problem.suggested.steps // 50)))
        last = own.points[-1]
        reached = [_words(own.first(goal), of) for goal, of in ((psnr, seconds), (tv, tv_seconds))]
        print(
            f"| {words}: SIREN's PSNR after {reached[0]}, TV's after {reached[1]} "
            f"| {last[1]:.2f} | {last[0]:.1f} |",
            flush=True,
        )


def _print_lattice_tv(problem: ii.Problem, of: float) -> None:
    """TV on a lattice twice as fine, once held-out rays have told its weight."""
    weight = baselines.tv(problem, finer=2).details["weight"]
    began = time.process_time()
    psnr = baselines.tv(problem, weight, finer=2).psnr()
    seconds = time.process_time() - began
    print(f"| grid, TV on a lattice, its weight known | {psnr:.2f} | {_words(seconds, of)} |")


def _words(seconds: float | None, of: float) -> str:
    if seconds is None:
        return "never"
    return f"{seconds:.1f} s ({seconds / of:.3g} of its time)"


def main() -> None:
    """Print one table for each problem."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--problem", nargs="*", default=list(PROBLEMS), choices=list(PROBLEMS))
    parser.add_argument("--steps", type=int, default=5000)
    words = parser.parse_args()
    torch.set_num_threads(1)
    for name in words.problem:
        report(name, words.steps)


if __name__ == "__main__":
    main()
