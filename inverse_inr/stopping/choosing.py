"""Choosing between several fits by measurements that none of them saw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from inverse_inr.ranges import Seed, checked
from inverse_inr.row_sets import listed
from inverse_inr.stopping.rules import HeldOut, Stopping
from inverse_inr.term import Term

ROUNDING = 1e-5
"""Relative differences of held-out losses that single precision makes."""


class Split(NamedTuple):
    """The rows that a method fits, and those that it is judged by because it never saw them.

    Attributes:
        fit: (b,) indices of the rows to fit, one tensor per term.
        watch: (b,) indices of the rows to be judged by, one tensor per term.
        details: Note for `Solution.details` where the rows are not the problem's own choice, else
            empty.
    """

    fit: list[Tensor]
    watch: list[Tensor]
    details: dict[str, str]


@checked
def hold_out(rule: Stopping | None, terms: Sequence[Term], seed: Seed = 0) -> Split:
    """Hold rows out of a fit, for methods that choose a parameter or are judged by them.

    Where the rule keeps none out of every term (`Never`, `Discrepancy`), `HeldOut()` stands in,
    and `details` say so.

    Args:
        rule: The problem's stopping rule; `HeldOut()` if None.
        terms: The problem's terms.
        seed: Seed of rules that draw rows.

    Returns:
        The rows to fit and those to be judged by.
    """
    if rule is None:
        rule = HeldOut()
    whole, watch = rule.split(terms, seed)
    fit = [listed(rows) for rows in whole]
    if all(len(w) and not bool(torch.isin(w, f).any()) for f, w in zip(fit, watch, strict=True)):
        return Split(fit, watch, {})
    instead = HeldOut()
    note = (
        f"{instead.fraction:.0%} of the rows, at random: "
        f"the problem's rule, {type(rule).__name__}, keeps none out"
    )
    fit, watch = instead.split(terms, seed)
    return Split([listed(rows) for rows in fit], watch, {"held out": note})


def in_groups(watch: Sequence[Tensor], count: int) -> list[list[Tensor]]:
    """Deal held-out rows out to groups, each of which gives one score.

    Args:
        watch: (b,) indices of held-out rows, one tensor per term, none empty.
        count: The most groups; there are no more than a term has rows.

    Returns:
        For each group, the rows of each term.
    """
    count = min(count, *(len(rows) for rows in watch))
    return [[rows[k::count] for rows in watch] for k in range(count)]


def least(scores: Sequence[Tensor]) -> int:
    """Find the candidate with the least mean score; one whose mean is not finite loses.

    Args:
        scores: (n,) held-out losses of each candidate.

    Returns:
        The candidate's index.
    """
    means = [float(score.mean()) for score in scores]
    return min(range(len(means)), key=lambda k: (not math.isfinite(means[k]), means[k]))


def one_standard_error(scores: Sequence[Tensor]) -> int:
    """Find the simplest candidate that is no worse than the best by more than one standard error.

    Held-out error is flat and noisy near its minimum, and among equals the simplest is preferred.
    Where all candidates were judged by the same rows, the standard error is that of their
    differences row by row: what all of them fail to predict says nothing about the choice.

    Args:
        scores: (n,) held-out losses of each candidate, the most regularized candidate first.

    Returns:
        The candidate's index.

    Source:
        Breiman et al. 1984; see Hastie, Tibshirani & Friedman, The Elements of Statistical
        Learning, section 7.10.

    Example:
        The second candidate is within the noise of the third, which is the least:

        >>> scores = [[5.0, 5.2, 4.9], [1.1, 0.9, 1.2], [1.0, 1.2, 0.8]]
        >>> one_standard_error([torch.tensor(s) for s in scores])
        1
    """
    best = scores[least(scores)]
    return next(k for k, s in enumerate(scores) if as_good(s, best))


def as_good(scores: Tensor, best: Tensor) -> bool:
    """Say whether a mean exceeds the best one by at most a standard error of the difference.

    What two ways to compute one fit differ by is no difference either.

    Args:
        scores: (n,) held-out losses of a candidate.
        best: (n,) those of the best candidate.
    """
    excess = float(scores.mean() - best.mean())
    if len(best) < 2:
        return excess <= 0
    spread = best
    if len(scores) == len(best):
        spread = scores - best
    rounding = ROUNDING * abs(float(best.mean()))
    return excess <= max(float(spread.std()) / len(best) ** 0.5, rounding)
