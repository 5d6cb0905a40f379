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
from inverse_inr.stopping import HeldOut, Stopping, hold_out, in_groups

GROUPS = 32
"""Number of groups of held-out rows by which differences between methods are judged."""


@dataclass(frozen=True)
class Candidate:
    """A fit that is judged by rows it never saw.

    Args:
        solution: The fit; its `watched` rows are those that the problem's stopping rule holds out.
        again: Makes the fit again from all trusted rows, with the weight and the steps that were
            found; None to keep the fit as it is.
        judged_by: Measurements of other noise that judge the fit, by all their trusted rows, where
            a row that is held out would take with it what no other row tells; None for the rows
            that the problem's stopping rule holds out.

    Raises:
        ValueError: If other measurements judge the fit, and there is no `again`: the fit is then
            one to noisier measurements than the problem's.
    """

    solution: Solution
    again: Callable[[], Solution] | None = None
    judged_by: Problem | None = None

    def __post_init__(self) -> None:
        if self.judged_by is not None and self.again is None:
            raise ValueError(
                f"Candidate: {self.solution.method} has judged_by=... and again=None; give the "
                "function that fits the problem's own measurements."
            )


Candidates = Callable[[Problem], Iterator[Candidate]]
"""The fits of a problem that are worth a trial, the simplest first."""


@checked
def decide(problem: Problem, *, seed: Seed = 0, groups: Count = GROUPS) -> Solution:
    """Answer a problem by the method that predicts held-out measurements best.

    Tried are the null image, the classical methods of `problem.suggested.baselines` and the
    candidates of `problem.suggested.candidates`, or the suggested fit where there are none. All of
    them keep out the rows that the problem's stopping rule holds out. Where it holds out none, 5 %
    are for the decision, and the method that is chosen is applied again by the rule itself. Where
    the candidates bring measurements of other noise that judge them, classical methods, which saw
    that noise, are not asked: those that are worth a trial are among the candidates.

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
    fits = list(_fits(ruled, seed))
    if not by_itself and problem.suggested.candidates is None:
        fits = [replace(fits[0], again=Solver(problem, seed=seed).run)]
    judges = [each.judged_by for each in fits if each.judged_by is not None]
    if judges:
        watch = [term.trusted for term in judges[0].terms]
        again = partial(_nothing, problem, watch)
        simple = [Candidate(_nothing(judges[0], watch), again)]
        fits = [_judged(each, watch) for each in fits if each.judged_by is judges[0]]
    else:
        simple = [Candidate(_nothing(ruled, watch)), *_classical(problem, ruled, by_itself)]
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


def _classical(problem: Problem, ruled: Problem, by_itself: bool) -> Iterator[Candidate]:
    """The classical methods, which keep out the rows that decide."""
    for method in problem.suggested.baselines.values():
        again = None
        if not by_itself:
            again = partial(method, problem)
        yield Candidate(method(ruled), again)


def _nothing(problem: Problem, watch: list[Tensor]) -> Solution:
    """The image that is zero everywhere."""
    dtype = problem.terms[0].y.dtype.to_real()
    if problem.is_complex:
        dtype = dtype.to_complex()
    shape = (*problem.grid.shape, problem.channels)
    zeros = torch.zeros(shape, dtype=dtype, device=problem.device)
    field = SampledField(zeros, problem.grid)
    ended = Ended("direct", "zero everywhere")
    return Solution(field, problem, "nothing", stopped=ended, watched=watch)


def _judged(candidate: Candidate, watch: list[Tensor]) -> Candidate:
    """A candidate whose misfit is that to the measurements that judge it."""
    assert candidate.judged_by is not None
    judged = replace(candidate.solution, problem=candidate.judged_by, watched=watch)
    return replace(candidate, solution=judged)


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
    return solution.misfits(in_groups(watch, groups))


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
