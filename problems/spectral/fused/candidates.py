"""Between what `solve` decides: a classical mean alone, and the fit that learns what it leaves.

A pixel that is held out loses its own details, which no other pixel tells: what is judged then is
how a method guesses lost pixels. Noise is held out instead, of every pixel:

    y₁ = y + a n,   y₂ = y - n / a,     n: another draw of the noise of y

The noise of y₂ is independent of that of y₁, for Gaussian noise of known size, so y₂ tells without
bias how far from the truth a fit to y₁ is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from inverse_inr import Grid, Problem, SampledField, Solution, Suggestion, Term
from inverse_inr.noise import Gaussian
from inverse_inr.problems.spectral.figures import spectral_figure, write_cube
from inverse_inr.ranges import Positive, Seed, checked
from inverse_inr.regularizers import PriorPenalty
from inverse_inr.solver import Candidate, Solver
from inverse_inr.solver.seeds import mix
from inverse_inr.stopping import Never
from inverse_inr.term import describe

ADDED = 0.5
"""Noise that is added to what the candidates see, in units of what it has: 1.12 times as much."""

STREAM = 2021
"""Makes of a seed one of its own."""


STEPS = 80
"""Steps of a fit: it begins near its end."""
LR = 2e-2
"""Learning rate, of coefficients whose standard deviation is 1."""
ALL_ROWS = Never(every=10)
"""No pixels are held out: each has details of its own, which no other pixel tells."""


def offset_suggestion(
    mean: str,
    channels: int,
    grid: Grid,
    classical: dict[str, Callable[[Problem], Solution]],
    beside: Sequence[str] = (),
    **options: Any,
) -> Suggestion:
    """Suggest a fit that learns what a classical mean leaves.

    Args:
        mean: The name of the classical method that is the mean.
        channels: Channels of the image of fine pixels.
        grid: (H, W, L) of the cube that is sought.
        classical: The classical methods by name.
        beside: Those in closed form, between which and the mean `solve` decides too.
        **options: Further options of the prior `offset`.
    """
    return Suggestion(
        prior="offset",
        options={
            "mean": mean,
            "rank": channels,
            "patch": 3,
            "cells": float(max(grid.shape[:2])),
            **options,
        },
        # minus the logarithm of the posterior, over the number of measured channels: D is a mean
        # over pixels and channels, the penalty one over pixels
        regularizers=(1 / channels * PriorPenalty(),),
        steps=STEPS,
        lr=LR,
        stopping=ALL_ROWS,
        baselines=classical,
        candidates=partial(mean_and_fit, beside=tuple(beside)),
        figure=spectral_figure,
        write=write_cube,
    )


@checked
def mean_and_fit(
    problem: Problem, *, beside: Sequence[str] = (), seed: Seed = 0
) -> Iterator[Candidate]:
    """Judge the mean of the suggested prior, and its fit, by noise that neither saw.

    The one that is chosen is made again from the measurements as they are.

    Args:
        problem: Its suggested prior is `offset`, whose mean is one of the problem's baselines.
        beside: Names of baselines that are judged too.
        seed: Seed of the noise that is added.

    Yields:
        The candidates: the mean, the fit, and the baselines beside them.
    """
    # `solve` gives a problem that holds rows out; here noise is held out instead
    suggested = replace(problem.suggested, stopping=ALL_ROWS)
    problem = replace(problem, suggested=suggested)
    seen, unseen = split_noise(problem, seed=seed)
    name = suggested.options["mean"]
    method = suggested.baselines[name]
    mean = method(seen)
    yield Candidate(mean, lambda: method(problem), unseen)
    known = {**suggested.baselines, name: lambda _: mean}
    fit = Solver(replace(seen, suggested=replace(suggested, baselines=known))).run()
    # sampled once: its operators look at the pixels of the grid, and are asked group by group
    sampled = replace(fit, field=SampledField(fit.sample(problem.grid), problem.grid))
    yield Candidate(sampled, lambda: Solver(problem).run(), unseen)
    for other in beside:
        simple = suggested.baselines[other]
        yield Candidate(simple(seen), partial(simple, problem), unseen, classical=True)


@checked
def split_noise(
    problem: Problem, *, added: Positive = ADDED, seed: Seed = 0
) -> tuple[Problem, Problem]:
    """Make two problems of one, whose measurements have the same mean and independent noise.

    Args:
        problem: The noise of all its terms is `noise.Gaussian`, of known size.
        added: Standard deviation a of the noise that the first has more, in units of its own.
        seed: Seed of that noise.

    Returns:
        The problem whose noise is √(1 + a²) times as large, and the one with √(1 + 1/a²).

    Raises:
        TypeError: If the noise of a term is another.

    Source:
        Oliveira, Lei & Tibshirani 2021, Unbiased risk estimation in the normal means problem via
        coupled bootstrap techniques.
    """
    # not the seed itself: a simulation may have drawn its noise with it, which would be no other
    generator = torch.Generator().manual_seed(mix(seed, STREAM))
    first, second = [], []
    for term in problem.terms:
        if not isinstance(term.fidelity, Gaussian):
            raise TypeError(
                f"split_noise: {describe(term.operator)} has the fidelity "
                f"{type(term.fidelity).__name__}; only noise.Gaussian can be split in two."
            )
        noise = term.fidelity.sample(torch.zeros_like(term.y), generator)
        first.append(_noisier(term, term.fidelity, noise, added))
        second.append(_noisier(term, term.fidelity, noise, -1 / added))
    return replace(problem, terms=first), replace(problem, terms=second)


def _noisier(term: Term, fidelity: Gaussian, noise: torch.Tensor, factor: float) -> Term:
    """The term with some noise more, of which its fidelity knows."""
    louder = replace(fidelity, sigma=fidelity.sigma * (1 + factor**2) ** 0.5)
    return replace(term, y=term.y + factor * noise, fidelity=louder)
