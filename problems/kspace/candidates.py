"""Between what `solve` decides in k-space: least total variation, and the fit that it guides."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from inverse_inr import Field, Problem, Solution, baselines
from inverse_inr.problems.kspace.classical import classical
from inverse_inr.ranges import checked
from inverse_inr.sampled import SampledField
from inverse_inr.solver import Candidate, Solver
from inverse_inr.stopping import Never

PATCHES = "grid, patches"
"""The name of the fit that is regularized by similar patches."""
PATH_ITERATIONS = 60
"""Iterations of total variation per weight on the path that makes the guide."""


@checked
def total_variation(problem: Problem, known: Solution | None = None) -> Solution:
    """Least total variation of the image through fixed maps, complex only where the problem is.

    Args:
        problem: A problem of k-space or radial spokes.
        known: An earlier solution whose weight is taken and from which the image is made again, of
            all samples; None for a short path of weights, between which held-out samples choose.

    Returns:
        The image.
    """
    fixed = replace(classical(problem), is_complex=problem.is_complex)
    kind = "real"
    if problem.is_complex:
        kind = "complex"
    if known is None:
        image = baselines.tv(fixed, iterations=PATH_ITERATIONS)
    else:
        assert isinstance(known.field, SampledField)
        weight, start = known.details["weight"], known.field.values
        image = baselines.tv(fixed, weight, iterations=PATH_ITERATIONS, start=start)
    return replace(image, method=f"TV of a {kind} image")


@checked
def variation_and_patches(
    problem: Problem, guided: Callable[[Problem, Callable[[], Field]], Problem]
) -> Iterator[Candidate]:
    """Judge total variation, and the fit that is guided by it, by samples that neither saw.

    The one that is chosen is made again from all samples.

    Args:
        problem: A problem of k-space.
        guided: Gives the problem that suggests the fit with patches, by the guide.

    Yields:
        The two candidates, total variation first.
    """
    variation = total_variation(problem)
    yield Candidate(variation, lambda: total_variation(problem, variation))
    fit = Solver(guided(problem, lambda: variation.field)).run()
    whole = replace(problem, suggested=replace(problem.suggested, stopping=Never()))

    def again() -> Solution:
        guide = total_variation(whole, variation).field
        fit = Solver(guided(whole, lambda: guide)).run()
        return replace(fit, problem=problem, method=PATCHES)

    yield Candidate(replace(fit, problem=problem, method=PATCHES), again)
