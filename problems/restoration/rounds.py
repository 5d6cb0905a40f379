"""Fits in rounds: each is guided by the image of the one before, through Gaussian models of its similar patches."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import torch

from inverse_inr import Grid, Problem, Solution, solve
from inverse_inr.regularizers import LocalGaussians, affordable_stride
from inverse_inr.solver import going_on_from


def refined(
    problem: Problem,
    rounds: int,
    weight: float,
    *,
    steps: int = 10,
    grid: Grid | None = None,
    then: dict[str, Any] | None = None,
    **options: Any,
) -> Problem:
    """The problem whose suggestion is its own, solved first, and then `rounds` fits from there with `LocalGaussians`.

    Each round goes on from the parameters of the fit before, its guide too; earlier fits run when the last one
    starts. They keep the suggested stopping rule, so rows are held out of all of them only by a rule that stands there.
    steps  of each round.   grid  of the patches; default: the problem's
    then   what the rounds suggest otherwise than the first fit: with another prior they begin afresh, guided by it
    """
    if rounds < 1:
        raise ValueError(f"refined: rounds must be at least 1, got {rounds}.")
    on, patch = grid or problem.grid, options.get("patch", 5)
    if (
        options.get("stride") is None
    ):  # too large an image is told before the first fit, not after it
        affordable_stride(
            on, patch, patch**on.ndim * problem.channels * (2 if problem.is_complex else 1)
        )
    for _ in range(rounds):
        problem = _one_more(problem, weight, {**(then or {}), "steps": steps}, on, options)
    return problem


def _one_more(
    problem: Problem, weight: float, changes: dict[str, Any], grid: Grid, options: dict[str, Any]
) -> Problem:
    @cache
    def before() -> Solution:
        with torch.enable_grad():  # the guide is looked at where no gradient is wanted
            return solve(problem, callbacks=[])

    penalty = weight * LocalGaussians(lambda points: before().field(points), grid, **options)
    first, new = (
        problem.suggested,
        replace(problem.suggested, **changes, regularizers=(penalty,), start=None),
    )
    same = (first.prior, first.options) == (new.prior, new.options)
    return replace(problem, suggested=replace(new, start=going_on_from(before) if same else None))
