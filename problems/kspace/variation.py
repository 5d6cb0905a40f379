"""Least total variation of an image with half pixels.

A pixel that is one point mass has an edge at its border only. An edge within it is then a fault of
the model, which is larger than the noise of most scans: half pixels hold the edge better, and no
measured frequency tells what is finer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from inverse_inr import Grid, Problem, Solution, baselines
from inverse_inr.problems.kspace.classical import classical
from inverse_inr.ranges import Count, Positive, checked
from inverse_inr.sampled import SampledField

FINER = 2
"""Values along each side of a pixel of an image in two dimensions."""
ITERATIONS = 60
"""Iterations per weight, each from the last image."""
WHOLE_ITERATIONS = 100
"""Iterations of an image of all samples, from that of most of them."""
FACTORS = (2.0, 1.0, 0.5)
"""Weights that finer pixels try by default, relative to the one that suits whole pixels."""


@checked
def values_per_side(grid: Grid) -> int:
    """Values along each side of a pixel: half pixels in two dimensions, else whole ones.

    Args:
        grid: The pixels.
    """
    if grid.ndim == 2:
        return FINER
    return 1


@torch.no_grad()
@checked
def total_variation(
    problem: Problem,
    known: Solution | None = None,
    *,
    factors: Sequence[Positive] = FACTORS,
    finer: Count | None = None,
) -> Solution:
    """Least total variation of the image through fixed maps, complex only where the problem is.

    Args:
        problem: A problem of k-space or radial spokes.
        known: An earlier solution whose weight is taken and from which the image is made again, of
            all samples; None for weights between which held-out samples choose: a short path on
            pixels, and its neighbourhood on finer ones.
        factors: Weights that finer pixels try, relative to the one that suits whole pixels.
        finer: Values along each side of a pixel; None for `values_per_side`.

    Returns:
        The image.
    """
    fixed = replace(classical(problem), is_complex=problem.is_complex)
    kind = "real"
    if problem.is_complex:
        kind = "complex"
    if finer is None:
        finer = values_per_side(problem.grid)
    if known is not None:
        assert isinstance(known.field, SampledField)
        image = baselines.tv(
            fixed,
            known.details["weight"],
            iterations=WHOLE_ITERATIONS,
            finer=finer,
            start=known.field.values,
        )
        return replace(image, method=f"TV of a {kind} image")
    image = baselines.tv(fixed, iterations=ITERATIONS, search=ITERATIONS)
    if finer > 1:
        assert isinstance(image.field, SampledField)
        weight, seconds = image.details["weight"], image.seconds
        image = baselines.tv(
            fixed,
            weights=[factor * weight for factor in factors],
            iterations=ITERATIONS,
            search=ITERATIONS,
            finer=finer,
            start=_repeated(image.field.values, finer, problem.grid.ndim),
        )
        image = replace(image, seconds=seconds + image.seconds)
    return replace(image, method=f"TV of a {kind} image")


def _repeated(values: Tensor, finer: int, ndim: int) -> Tensor:
    """An image of smaller pixels with the same values, (*grid.shape, c)."""
    for axis in range(ndim):
        values = values.repeat_interleave(finer, axis)
    return values
