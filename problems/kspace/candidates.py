"""Between what `solve` decides in k-space: least total variation, and the fit that it guides."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch

from inverse_inr import Field, Problem, SampledField, Solution
from inverse_inr.candidates import by_network
from inverse_inr.problems.kspace.classical import classical
from inverse_inr.problems.kspace.variation import total_variation, values_per_side
from inverse_inr.ranges import checked
from inverse_inr.selection import choose
from inverse_inr.solver import Candidate, Ended, Solver
from inverse_inr.stopping import Never

PATCHES = "grid, patches"
"""The name of the fit that is regularized by similar patches."""
MEAN = "mean of TV and patches"
"""The name of the mean of both images."""
Guided = Callable[[Problem, Callable[[], Field], int, int], Problem]
"""From a problem, a guide, the values along a pixel's side and the number of rounds that follow the
first fit to the problem that suggests the fit with patches."""


@checked
def variation_and_patches(problem: Problem, guided: Guided) -> Iterator[Candidate]:
    """Judge total variation, and the fit with patches or the mean of both.

    All have half pixels. The patches are guided by total variation, or by what a trained network
    makes of it, whichever predicts unseen samples better. What is chosen is made again from all
    samples. The two fits err differently, at edges and in texture, and their mean is the better
    image unless patches predict unseen samples better by more than one standard error.

    Args:
        problem: A problem of k-space.
        guided: Gives the problem that suggests the fit with patches, by a guide.

    Yields:
        Two candidates, total variation first.
    """
    variation = total_variation(problem)
    yield Candidate(variation, lambda: total_variation(problem, variation))
    finer = values_per_side(problem.grid)
    seen = problem.on_lattice(finer)
    whole = replace(seen, suggested=replace(seen.suggested, stopping=Never()))

    def patches(of: Problem, guide: Field, rounds: int) -> Solution:
        fit = Solver(guided(of, lambda: guide, finer, rounds)).run()
        return replace(fit, problem=seen, method=PATCHES)

    guides = [variation.field, _by_network(problem, variation, finer).field]
    fits = [patches(seen, each, 1) for each in guides]
    fit = min(fits, key=lambda each: each.misfit(each.watched))
    mean = _mean(variation, fit, seen)
    # what is found is judged no more, so a fit of most samples may guide that of all
    if choose([mean, fit]) is fit:
        yield Candidate(fit, lambda: patches(whole, fit.field, 0))
        return

    def mean_again() -> Solution:
        return _mean(total_variation(problem, variation), patches(whole, mean.field, 0), seen)

    yield Candidate(mean, mean_again)


def _by_network(problem: Problem, variation: Solution, finer: int) -> Solution:
    """What a trained network makes of the image of least total variation, and the samples."""
    fixed = replace(classical(problem), is_complex=problem.is_complex)
    return by_network(fixed, variation.sample(problem.grid.refined(finer)), finer)


@torch.no_grad()
def _mean(first: Solution, second: Solution, seen: Problem) -> Solution:
    """The mean of two images on the lattice on which a problem sees the field."""
    lattice = seen.grid.refined(seen.finer or 1)
    values = 0.5 * (first.sample(lattice) + second.sample(lattice))
    return replace(
        second,
        field=SampledField(values, lattice),
        problem=seen,
        method=MEAN,
        seconds=first.seconds + second.seconds,
        stopped=Ended("direct", "the mean of two images"),
    )
