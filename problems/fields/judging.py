"""Deciding between a fit and finite differences where neither truth nor noise can tell.

Rows of an equation are no measurements: a solution by differences has no derivatives to put into
them, and small residuals are not small errors. Both are compared with differences on a mesh twice
as fine, whose own error is a quarter of the coarse one's: which of the two is nearer is then known
unless they are nearly level.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from inverse_inr import Problem, Solution, Suggestion, Term, fidelity
from inverse_inr.operators import PointSamples
from inverse_inr.solver import Candidate, Solver
from inverse_inr.stopping import Never

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
        A function that yields the suggested fit and the classical solution.
    """

    def candidates(problem: Problem) -> Iterator[Candidate]:
        best = finer(problem).field(places)
        term = Term(PointSamples(places), best[:, 0], fidelity.L2())
        judge = replace(problem, terms=[term], suggested=Suggestion())
        every = problem.suggested.steps
        fit = Solver(problem, stopping=Never(every=every)).run()
        for solution in (fit, differences(problem)):
            solution.details["judged by"] = JUDGED_BY
            yield Candidate(solution, partial(_unchanged, solution), judge)

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
