"""Fits in rounds: each is guided by the image of the one before.

The guide gives Gaussian models of the image's similar patches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from inverse_inr.domain import Grid
from inverse_inr.evaluation import Field
from inverse_inr.on_cpu import anywhere
from inverse_inr.precision import placement
from inverse_inr.problem import Problem
from inverse_inr.ranges import Count, NonNegative, Range, checked
from inverse_inr.regularizers import LocalGaussians, affordable_stride
from inverse_inr.solver import Candidate, Solution, Solver, going_on_from
from inverse_inr.stopping import HeldOut

MOST_ROUNDS = 100
"""Rounds that may follow the first fit; the image changes no more after a few."""
Suggesting = Callable[[Problem], Problem]
"""Gives a problem its suggestion."""
Rounds = Annotated[int, Range(least=0, most=MOST_ROUNDS)]
"""Rounds after the first fit, or none."""


@checked
def refined(
    problem: Problem,
    rounds: Annotated[int, Range(least=1, most=MOST_ROUNDS)],
    weight: NonNegative,
    *,
    steps: Count = 10,
    grid: Grid | None = None,
    then: dict[str, Any] | None = None,
    guide: Field | None = None,
    **options: Any,
) -> Problem:
    """The problem whose own suggestion is solved first, and then `rounds` fits from there.

    The rounds are regularized by `LocalGaussians`. Each goes on from the parameters of the fit
    before, which is its guide too; earlier fits run when the last one starts. They keep the
    suggested stopping rule, so rows are held out of all of them only by a rule that is already
    there.

    Args:
        problem: The problem with the suggestion of the first fit.
        rounds: The number of fits after the first, 1 to 100.
        weight: The weight of `LocalGaussians`.
        steps: Optimizer steps per round.
        grid: The grid of the patches; default: the problem's.
        then: Fields of `Suggestion` that the rounds suggest otherwise than the first fit. With
            another prior they begin afresh, guided by the first fit.
        guide: The field that guides the first round, e.g. a classical solution's (`later`); the
            first fit is then left out, and the first round begins from the prior as it is made.
        **options: Keywords of `LocalGaussians`.

    Returns:
        The problem that suggests the last round.

    Raises:
        ValueError: `rounds` is out of range, or the image is too large for its patch models.
    """
    on = grid or problem.grid
    if options.get("stride") is None:
        # an image that is too large is refused before the first fit, not after it
        affordable_stride(on, *_patch_size(problem, on, options))
    changes = {**(then or {}), "steps": steps}
    if guide is not None:
        penalty = weight * LocalGaussians(guide, on, **options)
        first = replace(problem.suggested, **changes, regularizers=(penalty,), start=None)
        problem = replace(problem, suggested=first)
        rounds -= 1
    for _ in range(rounds):
        problem = _one_more(problem, weight, changes, on, options)
    return problem


class _Earlier:
    """The fit of the round before, made where the next one is: its guide and its start."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._fits: dict[torch.device, Solution] = {}

    def fit(self, device: torch.device) -> Solution:
        """The solution, made on a device when it is first asked for there."""
        if device not in self._fits:
            with torch.enable_grad():  # the guide is looked at where no gradient is wanted
                # the fit itself, not what `solve` would decide for: the next round goes on from it
                self._fits[device] = Solver(self.problem, device=device).run()
        return self._fits[device]

    def on_device(self, device: torch.device) -> Field:
        """The guide (`hooks.MadeLater`)."""
        return self.fit(device).field

    def __call__(self, points: Tensor) -> Tensor:
        return self.fit(points.device).field(points)

    @anywhere
    def going_on(self, prior: nn.Module) -> None:
        """Give a prior the parameters of the fit."""
        going_on_from(partial(self.fit, placement(prior)[1]))(prior)


def judged_afresh(
    problem: Problem,
    suggesting: Suggesting,
    others: Mapping[str, Suggesting] | None = None,
) -> Problem:
    """The problem with a suggestion whose guide never saw the rows by which `solve` judges it.

    A guide of all rows would have seen the held-out ones, and flatter the fit. The trial's guide is
    made from the rows that are kept; a fit that is chosen is made again as suggested.

    Args:
        problem: The problem, which suggests nothing but its stopping rule.
        suggesting: Gives a problem its suggestion from the rows that its stopping rule keeps.
        others: Other suggestions by a word that stands behind their prior's name.

    Returns:
        The problem with its suggestion and a candidate for each.
    """
    held_out = isinstance(problem.suggested.stopping, HeldOut)

    def candidates(ruled: Problem) -> Iterator[Candidate]:
        rule = replace(problem.suggested, stopping=ruled.suggested.stopping)
        kept = replace(ruled, suggested=rule)
        whole = replace(ruled.suggested, stopping=problem.suggested.stopping, candidates=None)
        # a solver looks at its guide when it is made, so it is made only if the fit is chosen
        yield _trial(suggesting, kept, lambda: replace(ruled, suggested=whole), "", held_out)
        for word, other in (others or {}).items():
            yield _trial(other, kept, partial(other, problem), f", {word}", held_out)

    whole = suggesting(problem)
    return replace(problem, suggested=replace(whole.suggested, candidates=candidates))


def _trial(
    suggesting: Suggesting,
    kept: Problem,
    whole: Callable[[], Problem],
    word: str,
    held_out: bool,
) -> Candidate:
    """A fit of the rows that are kept, to be made again of the whole problem if it is chosen."""

    def named(solution: Solution) -> Solution:
        return replace(solution, method=solution.method + word)

    trial = named(Solver(suggesting(kept)).run())
    if held_out:
        return Candidate(trial)
    return Candidate(trial, lambda: named(Solver(whole()).run()))


def _patch_size(problem: Problem, grid: Grid, options: dict[str, Any]) -> tuple[int, int]:
    """Pixels along the side of a patch, and real numbers in it."""
    patch = options.get("patch", 5)
    numbers = patch**grid.ndim * problem.channels
    if problem.is_complex:
        numbers = 2 * numbers
    return patch, numbers


def _one_more(
    problem: Problem, weight: float, changes: dict[str, Any], grid: Grid, options: dict[str, Any]
) -> Problem:
    """The problem with one round more than its suggestion has."""
    before = _Earlier(problem)
    penalty = weight * LocalGaussians(before, grid, **options)
    first = problem.suggested
    new = replace(first, **changes, regularizers=(penalty,), start=None)
    if (first.prior, first.options) == (new.prior, new.options):
        new = replace(new, start=before.going_on)
    return replace(problem, suggested=new)
