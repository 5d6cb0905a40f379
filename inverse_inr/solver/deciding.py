"""Decide between several fits of one problem by measurements that none of them saw.

The null image, the problem's classical methods and its candidates are judged by the same held-out
rows; what predicts them best is made again from all rows.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from inverse_inr.problem import Problem
from inverse_inr.ranges import Count, Seed, checked
from inverse_inr.sampled import SampledField
from inverse_inr.solver.ended import Ended
from inverse_inr.solver.loop import Solver
from inverse_inr.solver.solution import Solution
from inverse_inr.stopping import HeldOut, Stopping, hold_out

GROUPS = 32
"""Number of groups of held-out rows by which differences between methods are judged."""


@dataclass(frozen=True)
class Candidate:
    """A fit that is judged by rows it never saw.

    Args:
        solution: The fit; its `watched` rows are those that the problem's stopping rule holds out.
        again: Makes the fit again from all trusted rows, with the weight and the steps that were
            found; None to keep the fit as it is.
    """

    solution: Solution
    again: Callable[[], Solution] | None = None


Candidates = Callable[[Problem], Iterator[Candidate]]
"""The fits of a problem that are worth a trial, the simplest first."""


@checked
def decide(problem: Problem, *, seed: Seed = 0, groups: Count = GROUPS) -> Solution:
    """Answer a problem by the method that predicts held-out measurements best.

    Tried are the null image, the classical methods of `problem.suggested.baselines` and the
    candidates of `problem.suggested.candidates`, or the suggested fit where there are none. All of
    them keep out the rows that the problem's stopping rule holds out. Where it holds out none, 5 %
    are for the decision, and the method that is chosen is applied again by the rule itself.

    Args:
        problem: The problem.
        seed: The seed of the suggested fit.
        groups: Number of groups of held-out rows by which differences are judged.

    Returns:
        The chosen solution. `details["chosen"]` says why, and `details["held-out by method"]` has
        each method's mean held-out misfit.

    Warns:
        UserWarning: No fit of a prior predicts the held-out rows better than a classical method
            or the null image.
    """
    began = time.perf_counter()
    rule = problem.suggested.stopping or HeldOut()
    watch, by_itself = _rows(rule, problem, seed)
    if isinstance(rule, HeldOut):
        judging = replace(rule, rows=watch)
    else:
        judging = HeldOut(every=rule.every, rows=watch)
    ruled = replace(problem, suggested=replace(problem.suggested, stopping=judging))
    simple = [_null(ruled, watch)]
    for method in problem.suggested.baselines.values():
        again = None
        if not by_itself:
            again = partial(method, problem)
        simple.append(Candidate(method(ruled), again))
    fits = list(_fits(ruled, seed))
    if not by_itself and problem.suggested.candidates is None:
        fits = [replace(fits[0], again=Solver(problem, seed=seed).run)]
    comparable = [each for each in [*simple, *fits] if _holds_out(each.solution, watch)]
    scores = [_scores(each.solution, watch, groups) for each in comparable]
    means = [float(score.mean()) for score in scores]
    best = min(range(len(comparable)), key=lambda k: (not math.isfinite(means[k]), means[k]))
    chosen = comparable[best]
    text = _why(comparable, scores, best)
    beaten = chosen is simple[0] or (any(chosen is each for each in simple) and bool(fits))
    if beaten:
        warnings.warn(f"solve: {text} No prior's fit predicts them better.", stacklevel=3)
    answer = chosen.solution
    if chosen.again is not None:
        answer = chosen.again()
    by_method = {
        each.solution.method: round(mean, 6) for each, mean in zip(comparable, means, strict=True)
    }
    if answer.problem is ruled:
        answer = replace(answer, problem=problem)
    return replace(
        answer,
        seconds=time.perf_counter() - began,
        details={**answer.details, "chosen": text, "held-out by method": by_method},
    )


def _fits(problem: Problem, seed: int) -> Iterator[Candidate]:
    """The problem's candidates, or its suggested fit."""
    if problem.suggested.candidates is not None:
        yield from problem.suggested.candidates(problem)
        return
    yield Candidate(Solver(problem, seed=seed).run())


def _null(problem: Problem, watch: list[Tensor]) -> Candidate:
    """The image that is zero everywhere."""
    dtype = problem.terms[0].y.dtype.to_real()
    if problem.is_complex:
        dtype = dtype.to_complex()
    zeros = torch.zeros(*problem.grid.shape, problem.channels, dtype=dtype)
    field = SampledField(zeros, problem.grid)
    ended = Ended("direct", "zero everywhere")
    return Candidate(Solution(field, problem, "nothing", stopped=ended, watched=watch))


def _rows(rule: Stopping, problem: Problem, seed: int) -> tuple[list[Tensor], bool]:
    """The rows that decide, and whether the problem's own rule holds them out."""
    split = hold_out(rule, problem.terms, seed)
    return [rows.sort().values for rows in split.watch], not split.details


def _holds_out(solution: Solution, watch: list[Tensor]) -> bool:
    """Whether a method kept out the rows by which all are judged."""
    if len(solution.watched) != len(watch):
        return False
    pairs = zip(solution.watched, watch, strict=True)
    return all(torch.equal(a.sort().values, b) for a, b in pairs)


def _scores(solution: Solution, watch: list[Tensor], groups: int) -> Tensor:
    """The held-out misfit by groups of rows, (groups,)."""
    count = max(1, min(groups, *(len(rows) for rows in watch)))
    parts = [[rows[k::count] for rows in watch] for k in range(count)]
    return torch.tensor([solution.misfit(part) for part in parts])


def _why(tried: list[Candidate], scores: list[Tensor], best: int) -> str:
    """A sentence that says what was chosen, and by how much it predicts better than the next."""
    name = tried[best].solution.method
    others = [k for k in range(len(tried)) if k != best]
    if not others:
        return f"{name} was the only method."
    second = min(others, key=lambda k: float(scores[k].mean()))
    difference = scores[second] - scores[best]
    error = float(difference.std()) / len(difference) ** 0.5
    sentence = (
        f"{name} predicts the held-out measurements best: misfit {float(scores[best].mean()):.4g} "
        f"beside {float(scores[second].mean()):.4g} of {tried[second].solution.method}"
    )
    if float(difference.mean()) < error:
        return f"{sentence}, a difference below its standard error."
    return f"{sentence}."
