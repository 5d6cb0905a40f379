"""Which of several solutions of one problem predicts best what none of them saw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr.problem import Problem
from inverse_inr.ranges import Count, checked
from inverse_inr.sampled import SampledField
from inverse_inr.solver.ended import Ended
from inverse_inr.solver.solution import Solution
from inverse_inr.stopping import in_groups

GROUPS = 32
"""Number of groups of held-out rows by which differences between methods are judged."""


@dataclass(frozen=True)
class Verdict:
    """The solution that predicts held-out rows best.

    Args:
        best: Its place among those that were compared.
        text: A sentence that says by how much it is better than the next.
        misfits: The mean held-out misfit of each.
    """

    best: int
    text: str
    misfits: tuple[float, ...]


@checked
def compare_held_out(
    solutions: Sequence[Solution], watch: Sequence[Tensor], groups: Count = GROUPS
) -> Verdict:
    """Compare solutions by rows that all of them kept out.

    Args:
        solutions: The solutions, at least one.
        watch: (b,) indices of the rows, one tensor per term.
        groups: Number of groups of rows by which differences are judged.

    Returns:
        The verdict; misfits that are not finite lose.
    """
    parts = in_groups(watch, groups)
    scores = [solution.misfits(parts) for solution in solutions]
    means = [float(score.mean()) for score in scores]
    best = min(range(len(means)), key=lambda k: (not math.isfinite(means[k]), means[k]))
    return Verdict(best, _why(solutions, scores, best), tuple(means))


def kept_out(solution: Solution, watch: Sequence[Tensor]) -> bool:
    """Whether a method kept out exactly these rows.

    Args:
        solution: What the method gave.
        watch: (b,) sorted indices of rows, one tensor per term.
    """
    if len(solution.watched) != len(watch):
        return False
    pairs = zip(solution.watched, watch, strict=True)
    return all(torch.equal(a.sort().values, b) for a, b in pairs)


def null_image(problem: Problem, watch: Sequence[Tensor]) -> Solution:
    """The image that is zero everywhere, which every method has to beat.

    Args:
        problem: The problem.
        watch: (b,) indices of the rows that count as kept out, one tensor per term.
    """
    dtype = problem.terms[0].y.dtype.to_real()
    if problem.is_complex:
        dtype = dtype.to_complex()
    zeros = torch.zeros(*problem.grid.shape, problem.channels, dtype=dtype)
    field = SampledField(zeros, problem.grid)
    ended = Ended("direct", "zero everywhere")
    return Solution(field, problem, "nothing", stopped=ended, watched=list(watch))


def _why(tried: Sequence[Solution], scores: list[Tensor], best: int) -> str:
    """A sentence that says what is best, and by how much it predicts better than the next."""
    name = tried[best].method
    others = [k for k in range(len(tried)) if k != best]
    if not others:
        return f"{name} was the only method."
    second = min(others, key=lambda k: float(scores[k].mean()))
    difference = scores[second] - scores[best]
    error = float(difference.std()) / len(difference) ** 0.5
    sentence = (
        f"{name} predicts the held-out measurements best: misfit {float(scores[best].mean()):.4g} "
        f"beside {float(scores[second].mean()):.4g} of {tried[second].method}"
    )
    if float(difference.mean()) < error:
        return f"{sentence}, a difference below its standard error."
    return f"{sentence}."
