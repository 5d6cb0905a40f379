"""Suggestions that all restored photographs share: total variation, local pieces, rounds.

These problems are ill-conditioned and Adam stays far behind, so L-BFGS is suggested.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any

from inverse_inr import Field, Grid, Problem, baselines
from inverse_inr.problems.pictures import shows, write_picture
from inverse_inr.problems.restoration.classical import measured_image
from inverse_inr.ranges import Count, NonNegative, Positive, WholeNumber, checked
from inverse_inr.regularizers import TotalVariation
from inverse_inr.rounds import refined

TV_INPAINT = 10.0
"""Weight of total variation in the first fit of `inpaint`."""

TV_DENOISE = 2.0
"""Weight of total variation in the first fit of `denoise`."""

DENOISE_SHARE = 0.4
"""How often `denoise` counts a pixel's patches, of the once that `in_rounds` counts by itself.

Overlapping patches share their noise. Found on astronaut, chelsea and coffee of scikit-image."""

FAR = 17
"""Pixels along each axis within which `denoise` looks for similar patches of its guide.

With 10, a generated brick wall is 0.6 dB worse; the photographs' mean is the same to 0.01 dB."""

TV_DEBLUR = 20.0
"""Weight of total variation in the first fit of `deblur`."""

TV_ENLARGE = 5.0
"""Weight of total variation in the first fit of `super_resolution`."""

TV_OF_KNOWN = partial(baselines.tv, weights=[TV_INPAINT * 2.0**k for k in range(1, -4, -1)])
"""The TV baseline of `inpaint`, with five weights around `TV_INPAINT`.

It is as accurate as with eleven weights, in half the time."""

SIMILAR = 50.0
"""Weight of `NonLocal` in a first fit without noise.

Found on astronaut, chelsea and coffee of scikit-image, 128 pixels of each."""

BENDING = 5.0
"""Weight of the second-order `Sobolev` penalty (pixels) in a first fit of `inpaint` without noise.

Found on the same images as `SIMILAR`."""

PATCH = 5
"""Side in pixels of the patches that the rounds compare, as `LocalGaussians` takes them."""

STEPS = 10
"""L-BFGS steps per refinement round, whose patch models come from the fit before."""


@checked
def suggesting(
    problem: Problem, classical: dict[str, Any], weight: NonNegative, on: Grid | None = None
) -> Problem:
    """The problem that suggests total variation and local pieces as fine as the pixels, by L-BFGS.

    Args:
        problem: A problem whose stopping rule is suggested already.
        classical: The baselines, by the name that tables show.
        weight: The weight of total variation.
        on: The grid of total variation and of the local pieces; default: the problem's.

    Returns:
        The problem with its whole suggestion.
    """
    grid = on or problem.grid
    variation = weight * TotalVariation(grid=grid, joint=problem.channels > 1)
    options = {"cells": float(max(grid.shape)), "order": 3}
    return suggesting_instead(
        problem,
        prior="grid",
        options=options,
        regularizers=(variation,),
        steps=25,
        optimizer="lbfgs",
        baselines=classical,
        figure=shows(measured_image),
        write=write_picture,
    )


def suggesting_instead(problem: Problem, **suggested: Any) -> Problem:
    """The problem with some fields of its suggestion replaced.

    Args:
        problem: The problem, which is not changed itself.
        **suggested: Fields of `Suggestion` and their new values.

    Returns:
        A problem that differs in these fields only.
    """
    return replace(problem, suggested=replace(problem.suggested, **suggested))


@checked
def in_rounds(
    problem: Problem,
    rounds: WholeNumber,
    on: Grid | None = None,
    then: dict[str, Any] | None = None,
    *,
    guide: Field | None = None,
    share: Positive = 1.0,
    steps: Count = STEPS,
    **options: Any,
) -> Problem:
    """The problem whose first fit is followed by rounds that make an image's patches likely.

    The weight of the patches counts each measured value and each pixel once.

    Args:
        problem: The problem with the suggestion of its first fit.
        rounds: The number of rounds; with 0 the first fit is the only one.
        on: The grid of the patches; default: the problem's.
        then: Fields of `Suggestion` that the rounds suggest otherwise than the first fit.
        guide: A classical solution's field that guides the first round in the place of a first fit.
        share: Factor of the weight of the patches.
        steps: Optimizer steps of each round.
        **options: Keywords of `LocalGaussians`.

    Returns:
        The problem that suggests its last round.

    Raises:
        ValueError: The image is smaller than a patch.
    """
    if not rounds:
        return problem
    grid = on or problem.grid
    patch = options.get("patch", PATCH)
    if min(grid.shape) < patch:
        raise ValueError(
            f"rounds={rounds} compare patches of {patch} x {patch} pixels, and the image has "
            f"{grid.shape}. rounds=0 is the first fit alone."
        )
    weight = 0.5 * share * problem.channels * math.prod(grid.shape) / problem.terms[0].y.numel()
    return refined(
        problem, rounds, weight, steps=steps, grid=grid, then=then, guide=guide, **options
    )
