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

from torch import Tensor

from inverse_inr.compose import OnGrid
from inverse_inr.problem import Problem
from inverse_inr.ranges import Count, Seed, checked
from inverse_inr.solver.loop import Solver
from inverse_inr.solver.solution import Solution
from inverse_inr.solver.verdicts import (
    GROUPS,
    Verdict,
    compare_held_out,
    compare_risks,
    kept_out,
    null_image,
    undecided,
)
from inverse_inr.stopping import HeldOut, hold_out


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
        risk: (groups,) unbiased estimates of the fit's mean squared error, by the same groups of
            rows for all candidates of a problem; None where measurements judge it.
        classical: Whether a classical method made it, or it is the null image.

    Raises:
        ValueError: If other measurements judge the fit, and there is no `again`: the fit is then
            one to noisier measurements than the problem's.
    """

    solution: Solution
    again: Callable[[], Solution] | None = None
    judged_by: Problem | None = None
    risk: Tensor | None = None
    classical: bool = False

    def __post_init__(self) -> None:
        if self.judged_by is not None and self.again is None:
            raise ValueError(
                f"Candidate: {self.solution.method} has judged_by=... and again=None; give the "
                "function that fits the problem's own measurements."
            )

    def made_again(self) -> Solution:
        """The fit to all rows, or the one that was tried where that is to be kept."""
        if self.again is None:
            return self.solution
        return self.again()


Candidates = Callable[[Problem], Iterator[Candidate]]
"""The fits of a problem that are worth a trial, the simplest first."""


@checked
def decide(problem: Problem, *, seed: Seed = 0, groups: Count = GROUPS) -> Solution:
    """Answer a problem by the method that predicts held-out measurements best.

    Tried are the null image, the classical methods of `problem.suggested.baselines` and the
    candidates of `problem.suggested.candidates`, or the suggested fit where there are none. All of
    them keep out the rows that the problem's stopping rule holds out. Among those that predict them
    as well as the best, to one standard error, candidates come first, the simplest before others,
    then the classical methods, the last of `baselines` first, and at the end the null image. Where
    the rule holds out none, 5 % are for the decision, and the method that is chosen is applied
    again by the rule itself.

    Where the candidates bring measurements of other noise that judge them, classical methods, which
    saw that noise, are not asked: those that are worth a trial are among the candidates. So it is
    where the candidates bring estimates of their risk, the null image among them; the least is
    taken.

    Args:
        problem: The problem.
        seed: The seed of the suggested fit.
        groups: Number of groups of held-out rows by which differences are judged.

    Returns:
        The chosen solution. `details["chosen"]` says why, `details["held-out by method"]` has each
        method's mean held-out misfit, `details["seconds by method"]` how long each took to be
        tried, and the chosen one to be made again, and `details["warnings"]`, where there is one,
        what is warned of.

    Warns:
        UserWarning: No fit of a prior predicts the held-out rows better than a classical method
            or the null image; where no prior is tried, no method predicts them better than nothing.
    """
    began = time.perf_counter()
    spent: dict[str, float] = {}
    ruled, watch, by_itself = _ruled(problem, seed)
    fits = list(_timed(_fits(ruled, seed), spent))
    if not by_itself and problem.suggested.candidates is None:
        fits = [replace(fits[0], again=Solver(problem, seed=seed).run)]
    judges = [each.judged_by for each in fits if each.judged_by is not None]
    risks = [each.risk for each in fits if each.risk is not None]
    if risks and len(risks) == len(fits):
        return _least_risk(fits, risks, began, spent)
    if judges:
        judge = judges[0]
        watch = [term.trusted for term in judge.terms]
        tried = [_judged(each, watch) for each in fits if each.judged_by is judge]
    else:
        judge = ruled
        classical = list(_timed(_classical(problem, ruled, by_itself), spent))
        tried = [*fits, *reversed(classical)]
    tried = [each for each in tried if kept_out(each.solution, watch)]
    verdict = compare_held_out(judge, [each.solution for each in tried], watch, groups)
    priors = [each for each in fits if not each.classical] or fits or tried
    own = [verdict.misfits.get(each.solution.method, math.inf) for each in priors]
    told = []
    if min(own, default=math.inf) > min(verdict.misfits.values()):
        told.append("No prior's fit predicts the held-out measurements better.")
        warnings.warn(f"solve: {verdict.text} No prior's fit predicts them better.", stacklevel=3)
    told += _undecided(problem, verdict, [each.solution for each in tried], bool(judges))
    if verdict.place == len(tried):
        answer = null_image(problem, watch)
    else:
        answer = _made_again(tried[verdict.place], spent)
    if answer.problem is ruled:
        answer = replace(answer, problem=problem)
    return replace(
        answer,
        seconds=time.perf_counter() - began,
        details={
            **answer.details,
            "chosen": verdict.text,
            **_as_details(told),
            "held-out by method": {name: round(m, 6) for name, m in verdict.misfits.items()},
            "seconds by method": {name: round(s, 2) for name, s in spent.items()},
        },
    )


def _timed(candidates: Iterator[Candidate], spent: dict[str, float]) -> Iterator[Candidate]:
    """Note how many seconds each candidate takes to be made."""
    began = time.perf_counter()
    for each in candidates:
        name = each.solution.method
        spent[name] = spent.get(name, 0.0) + time.perf_counter() - began
        yield each
        began = time.perf_counter()


def _made_again(chosen: Candidate, spent: dict[str, float]) -> Solution:
    """The candidate fitted to all rows, its time noted beside those of the trials."""
    began = time.perf_counter()
    answer = chosen.made_again()
    spent["made again"] = time.perf_counter() - began
    return answer


def _least_risk(
    fits: list[Candidate], risks: list[Tensor], began: float, spent: dict[str, float]
) -> Solution:
    """Answer by the candidate of least risk."""
    verdict = compare_risks([each.solution.method for each in fits], risks)
    chosen = fits[verdict.place]
    told = []
    if chosen.classical and not all(each.classical for each in fits):
        told.append("No prior's fit has a smaller estimated risk.")
        warnings.warn(f"solve: {verdict.text} No prior's fit is better.", stacklevel=4)
    answer = _made_again(chosen, spent)
    by_method = {name: round(risk, 8) for name, risk in verdict.misfits.items()}
    return replace(
        answer,
        seconds=time.perf_counter() - began,
        details={
            **answer.details,
            "chosen": verdict.text,
            **_as_details(told),
            "risk by method": by_method,
            "seconds by method": {name: round(s, 2) for name, s in spent.items()},
        },
    )


def _undecided(
    problem: Problem, verdict: Verdict, tried: list[Solution], judged_by_noise: bool
) -> list[str]:
    """Say how far apart the answers are between which the judging measurements do not decide.

    Noise that is held out tells nothing of directions that no measurement sees: there, all that
    were tried count as equals. These directions are known of operators on the grid alone.
    """
    on_grid = all(isinstance(term.operator, OnGrid) for term in problem.terms)
    if verdict.place == len(tried) or (judged_by_noise and not on_grid):
        return []
    chosen = tried[verdict.place]
    others = [tried[k] for k in verdict.equals if k not in (verdict.place, len(tried))]
    seen_by = None
    if judged_by_noise:
        others = [each for each in tried if each is not chosen]
        seen_by = problem
    said = undecided(chosen, others, seen_by)
    return [said] if said else []


def _as_details(told: list[str]) -> dict[str, list[str]]:
    if not told:
        return {}
    return {"warnings": told}


def _ruled(problem: Problem, seed: int) -> tuple[Problem, list[Tensor], bool]:
    """Fix the rows that are held out.

    Returns:
        The problem with these rows in its rule, the rows, and whether its own rule holds them out.
    """
    rule = problem.suggested.stopping or HeldOut()
    split = hold_out(rule, problem.terms, seed)
    watch = [rows.sort().values for rows in split.watch]
    judging = HeldOut(every=rule.every, rows=watch)
    if isinstance(rule, HeldOut):
        judging = replace(rule, rows=watch)
    ruled = replace(problem, suggested=replace(problem.suggested, stopping=judging))
    return ruled, watch, not split.details


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


def _judged(candidate: Candidate, watch: list[Tensor]) -> Candidate:
    """A candidate whose misfit is that to the measurements that judge it."""
    assert candidate.judged_by is not None
    judged = replace(candidate.solution, problem=candidate.judged_by, watched=watch)
    return replace(candidate, solution=judged)
