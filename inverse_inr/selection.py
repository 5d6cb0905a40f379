"""Choosing among reconstructions by measurements that none of them saw."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from inverse_inr.solution import Solution


def least(scores: Sequence[Tensor]) -> int:
    """The candidate with the least mean score."""
    return min(range(len(scores)), key=lambda k: float(scores[k].mean()))


def one_standard_error(scores: Sequence[Tensor]) -> int:
    """The first, that is simplest, candidate whose mean is within one standard error of the least mean.

    `scores`: held-out losses of each candidate, (n,) each, the most regularized candidate first. The rule of Breiman et
    al. (1984), see Hastie, Tibshirani & Friedman, The Elements of Statistical Learning, section 7.10: held-out error
    is flat and noisy near its minimum, and of equals the simplest is to be preferred.
    """
    best = scores[least(scores)]
    limit = float(best.mean()) + (float(best.std()) / len(best) ** 0.5 if len(best) > 1 else 0.0)
    return next(k for k, s in enumerate(scores) if float(s.mean()) <= limit)


def choose_weight(weights: Sequence[float], fit: Callable[[float], Solution], *, groups: int = 64) -> Solution:
    """Fit with each weight, largest first, and keep one by `one_standard_error` on the rows that the fits held out.

    `fit(weight)` returns a Solution whose `watched` rows are the same for all weights; they are scored in `groups`.
    Raises ValueError where a fit holds nothing out.
    """
    solutions = [fit(w) for w in sorted(weights, reverse=True)]
    scores = [_scores(s, groups) for s in solutions]
    chosen = solutions[one_standard_error(scores)]
    chosen.details["held-out by weight"] = {
        f"{w:.4g}": float(s.mean()) for w, s in zip(sorted(weights, reverse=True), scores, strict=True)
    }
    return chosen


def choose(solutions: Sequence[Solution], *, groups: int = 64) -> Solution:
    """One of several fits that held the same rows out, the simplest first: `one_standard_error` on those rows."""
    return solutions[one_standard_error([_scores(s, groups) for s in solutions])]


def _scores(solution: Solution, groups: int) -> Tensor:
    if not solution.watched or not all(len(rows) for rows in solution.watched):
        raise ValueError("choose_weight: the fit held no rows out. Solve with stopping=HeldOut(...).")
    count = min(groups, *(len(rows) for rows in solution.watched))
    return torch.tensor([solution.misfit([rows[k::count] for rows in solution.watched]) for k in range(count)])
