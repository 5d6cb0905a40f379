"""Deciding between a fit and classical methods, where rows of an equation cannot.

Such rows are no measurements: a solution by differences has no derivatives to put into them, and
small residuals are not small errors. Where something is measured, measured values that no method
saw decide. Where nothing is, differences on a mesh twice as fine do, whose own error is a quarter
of the coarse one's: which of the two is nearer is then known unless they are nearly level.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from inverse_inr import Problem, Solution, Suggestion, Term, fidelity
from inverse_inr.operators import PointSamples
from inverse_inr.solver import Candidate, Solver
from inverse_inr.stopping import Never

KEPT_OUT = 5
"""One in so many measured values is kept out to judge by."""

JUDGED_BY = "differences on a mesh twice as fine"
"""What `details["judged by"]` of a decision says."""


def fit_or_differences(
    differences: Callable[[Problem], Solution],
    finer: Callable[[Problem], Solution],
    places: Tensor,
) -> Callable[[Problem], Iterator[Candidate]]:
    """Make the `Suggestion.candidates` of a problem that finite differences can solve.

    Args:
        differences: The classical method.
        finer: The same with twice the nodes along each axis.
        places: (n, d), where they are compared.

    Returns:
        A function that yields the classical solution and the suggested fit.
    """

    def candidates(problem: Problem) -> Iterator[Candidate]:
        best = finer(problem).field(places)
        term = Term(PointSamples(places), best[:, 0], fidelity.L2())
        judge = replace(problem, terms=[term], suggested=Suggestion())
        every = problem.suggested.steps
        fit = Solver(problem, stopping=Never(every=every)).run()
        # where they are level, the simpler one is taken
        for solution in (differences(problem), fit):
            solution.details["judged by"] = JUDGED_BY
            yield Candidate(solution, partial(_unchanged, solution), judge)

    return candidates


Inversion = Callable[[Tensor | None, Problem], Solution]
"""A classical method: of the rows of the measured values that it may see (None: of all), and of
the problem."""


def fit_or_inversions(
    position: int, methods: Sequence[Inversion]
) -> Callable[[Problem], Iterator[Candidate]]:
    """Make the `Suggestion.candidates` of a problem one of whose terms is measured.

    Args:
        position: The place of that term among the problem's.
        methods: The classical methods.

    Returns:
        A function that yields the classical solutions and the suggested fit. Each sees all but one
        in `KEPT_OUT` of the measured values, and is made again from all if these prefer it.
    """

    def candidates(problem: Problem) -> Iterator[Candidate]:
        term = problem.terms[position]
        rows = torch.arange(len(term.y))
        kept = rows % KEPT_OUT == KEPT_OUT - 1
        judge = replace(problem, terms=[replace(term, rows=rows[kept])], suggested=Suggestion())
        terms = list(problem.terms)
        terms[position] = replace(term, rows=rows[~kept])
        for method in methods:
            again = partial(method, None, problem)
            yield Candidate(method(rows[~kept], problem), again, judge)
        never = Never(every=problem.suggested.steps)
        fit = Solver(replace(problem, terms=terms), stopping=never).run()
        yield Candidate(fit, Solver(problem, stopping=never).run, judge)

    return candidates


def _unchanged(solution: Solution) -> Solution:
    """Nothing was kept out of it, so it need not be made again."""
    return solution


def some_of(points: Tensor, count: int = 1000, seed: int = 0) -> Tensor:
    """Draw places of comparison.

    Args:
        points: (n, d).
        count: The most that are kept.
        seed: Seed of the drawing.

    Returns:
        (count, d).
    """
    order = torch.randperm(len(points), generator=torch.Generator().manual_seed(seed))
    return points[order[:count]]
