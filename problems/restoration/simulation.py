"""Measurements of photographs: simulated from a file or the file itself, and the rows held out.

The problems of `photographs` and `deblurring` share these steps.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Annotated, Any

import torch
from torch import Tensor

from inverse_inr import Grid, Problem, SampledField, Suggestion, Term, noise, predict
from inverse_inr.operators import Mask
from inverse_inr.problems.images import Picture
from inverse_inr.ranges import NoiseLevelOrNone, Range, WholeNumber, checked
from inverse_inr.stopping import HeldOut, Never

PartHeldOut = Annotated[float, Range(least=0, below=1)]
"""The part of the measurements that no fit sees: from 0 to below 1."""
MODEL_ERROR = 0.01
"""Standard deviation to which images without noise are fitted, as a fraction of white.

No field of local pieces needs to come closer."""


@checked
def measure(
    operator: Any,
    picture: Picture,
    noise_level: NoiseLevelOrNone,
    seed: WholeNumber,
    measured: bool,
    model: noise.Noise | None = None,
) -> Problem:
    """A problem whose measurements are simulated from an image, or are that image.

    Args:
        operator: A `Mask`, or another operator on `grid`.
        picture: The truth, or the measurement itself if `measured`, with the grid of the image
            that is sought and its notes.
        noise_level: Standard deviation of Gaussian noise; with 0, the fit uses `MODEL_ERROR`.
        seed: Seed of the noise.
        measured: Take `values` as measured, with no truth to compare with.
        model: The noise model, where it is not Gaussian.

    Returns:
        A problem with one term and no suggestion.
    """
    values, grid = picture.values, picture.grid
    if noise_level:
        model = noise.Gaussian(noise_level)
    if measured:
        y = _as_measured(operator, values, grid)
        truth = None
    else:
        truth = SampledField(values, grid)
        y = predict(operator, truth)
        if model is not None:
            y = model.sample(y, torch.Generator().manual_seed(seed))
    terms = [Term(operator, y, model or noise.Gaussian(MODEL_ERROR))]
    return Problem(
        terms,
        grid.box,
        grid,
        values.shape[-1],
        reference=truth,
        average=1,
        notes=dict(picture.notes),
    )


def _as_measured(operator: Any, values: Tensor, grid: Grid) -> Tensor:
    """The image as measurements: the pixels that a mask keeps, or one per row."""
    if isinstance(operator, Mask):
        return predict(operator, SampledField(values, grid))
    return by_row(values, len(operator))


def by_row(values: Tensor, rows: int) -> Tensor:
    """A picture's values as measurements, one row per pixel.

    Args:
        values: (h, w, c), or (rows, c) or (rows,).
        rows: The number of rows, h · w.

    Returns:
        (rows, c), or (rows,) if there is one channel.
    """
    y = values.reshape(rows, -1)
    if y.shape[-1] == 1:
        y = y[:, 0]
    return y


@checked
def holding_out(problem: Problem, part: PartHeldOut, seed: WholeNumber) -> Problem:
    """The problem whose every fit holds out the same rows.

    They are only scored at the end; they do not decide when to stop.

    Args:
        problem: A problem with one term and no suggestion yet.
        part: The part of the rows that no fit sees, from 0 to below 1.
        seed: Seed of the choice of rows.

    Returns:
        The problem with its stopping rule suggested.

    Raises:
        ValueError: `part` lies outside [0, 1).
    """
    total = len(problem.terms[0].y)
    count = round(part * total)
    stopping = Never()
    if count:
        order = torch.randperm(total, generator=torch.Generator().manual_seed(seed))
        stopping = HeldOut(rows=[order[:count]], every=sys.maxsize)
    return replace(problem, suggested=Suggestion(stopping=stopping))


def seen(problem: Problem) -> Problem:
    """The problem without the rows that its fits hold out.

    Args:
        problem: A problem whose stopping rule is suggested.

    Returns:
        The same problem, its terms restricted to the rows that are fitted, of which none is held
        out.
    """
    stopping = problem.suggested.stopping
    if not isinstance(stopping, HeldOut):
        return problem
    kept, _ = stopping.split(problem.terms, 0)
    terms = [replace(t, rows=rows) for t, rows in zip(problem.terms, kept, strict=True)]
    return replace(problem, terms=terms, suggested=replace(problem.suggested, stopping=Never()))
