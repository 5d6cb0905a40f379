"""Between what `solve` decides in k-space: least total variation, and the fit that it guides."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from inverse_inr import Field, Problem, Solution
from inverse_inr.problems.kspace.variation import total_variation, values_per_side
from inverse_inr.ranges import checked
from inverse_inr.solver import Candidate, Solver
from inverse_inr.stopping import Never

PATCHES = "grid, patches"
"""The name of the fit that is regularized by similar patches."""
Guided = Callable[[Problem, Callable[[], Field], int, int], Problem]
"""From a problem, a guide, the values along a pixel's side and the number of rounds that follow the
first fit to the problem that suggests the fit with patches."""


@checked
def variation_and_patches(problem: Problem, guided: Guided) -> Iterator[Candidate]:
    """Judge total variation, and the fit that is guided by it, by samples that neither saw.

    Both have half pixels. The one that is chosen is made again from all samples.

    Args:
        problem: A problem of k-space.
        guided: Gives the problem that suggests the fit with patches, by a guide.

    Yields:
        The two candidates, total variation first.
    """
    variation = total_variation(problem)
    yield Candidate(variation, lambda: total_variation(problem, variation))
    finer = values_per_side(problem.grid)
    seen = problem.on_lattice(finer)
    fit = Solver(guided(seen, lambda: variation.field, finer, 1)).run()
    whole = replace(seen, suggested=replace(seen.suggested, stopping=Never()))

    def again() -> Solution:
        # what is found is judged no more, so the fit of most samples may guide that of all
        last = Solver(guided(whole, lambda: fit.field, finer, 0)).run()
        return replace(last, problem=seen, method=PATCHES)

    yield Candidate(replace(fit, problem=seen, method=PATCHES), again)
