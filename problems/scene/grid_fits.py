"""Fits of a grid to pictures: density and colours at its nodes, with total variation.

    min_x D(A x, y) + λ mean |∇(1 − exp(−σ h), c)|      x the nodes of the prior `grid`, h a cell

What total variation sees of the density is how much light a cell takes away. That is what pictures
show, and it ends at one: the variation of the density itself would hold down what is opaque, whose
density is hundreds a unit or thousands for all that pictures tell. λ is the weight whose fit
predicts whole held-out views best.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from inverse_inr import Box, Field, Grid, Problem, Solution, Solver, sample
from inverse_inr.evaluation import Memo
from inverse_inr.priors import Prior
from inverse_inr.problems.scene.editing import AtTime
from inverse_inr.ranges import Count, Finite, checked
from inverse_inr.regularizers import TotalVariation
from inverse_inr.regularizers.weighted import Regularizer
from inverse_inr.solver import Candidate, make_prior, weight_path
from inverse_inr.stopping import Never, Stopping

WEIGHT = 5.0
"""λ, in half sides of the box, where nobody looks for it: of 1, 3, 4, 5, 10 and 100 it predicted
the held-out views of the table top of seed 10, at 24 views of 24 pixels, best."""
LEARNING_RATE = 0.4
"""Adam's, for logarithms of densities and logits of colours: from 0.1, 0.2 and 0.4, there too."""
HASH_RATE = 1e-2
"""Adam's for `hash`."""
STEPS = 500
"""Steps of a fit."""
SHARE = 0.25
"""Steps for each weight that is tried, as a fraction of those."""
LARGE = 2**17
"""Grids of more cells are seen by patches, of PATCH cells along each axis."""
PATCH = 32
"""Another patch in each step; its mean is that of the whole grid."""


@checked
@dataclass(frozen=True)
class OpacityVariation(Regularizer):
    """Total variation of the opacity 1 − exp(−σ h) of a cell, h its longest side, and of colours.

    Args:
        grid: 3-D, whose cells are meant.
        patch: Take another random patch of the grid with this many cells along each axis in each
            step; None for the whole grid.
        time: When a field of places and times is looked at; None for a field of places.
    """

    grid: Grid
    patch: Count | None = None
    time: Finite | None = None

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        if self.time is not None:
            if isinstance(field, Memo):
                field = field.field  # which tells where it computes; no lattice of it was asked for
            field = AtTime(field, self.time)
        seen = _Opacities(field, max(self.grid.spacing))
        return TotalVariation(self.grid, self.patch)(seen, points)


class _Opacities:
    """A field with the opacity of a length in place of the density.

    Args:
        field: The field, of density and colours.
        length: In the unit of the box.

    Attributes:
        lattice_chunk: The field itself is asked in pieces, and so this one at once.
    """

    lattice_chunk = 2**62

    def __init__(self, field: Field, length: float) -> None:
        self.field = field
        self.length = length

    def __call__(self, points: Tensor) -> Tensor:
        return self._of(self.field(points))

    def sample(self, grid: Grid) -> Tensor:
        """Evaluate at all pixel centres of a grid."""
        return self._of(sample(self.field, grid))

    def _of(self, values: Tensor) -> Tensor:
        return torch.cat([-torch.expm1(-self.length * values[..., :1]), values[..., 1:]], -1)


def variation_on(grid: Grid) -> OpacityVariation:
    """The variation on a grid, by patches where the grid is large.

    Args:
        grid: 3-D.
    """
    return OpacityVariation(grid, PATCH if grid.numel > LARGE else None)


@checked
def begin_clear(box: Box) -> Callable[[nn.Module], None]:
    """Let the prior `grid` begin as a thin haze, whatever the unit: a value of `Suggestion.start`.

    Args:
        box: The box, of which half the longest side has the optical depth one.

    Returns:
        A function that fills a prior of densities as exponentials; another it leaves as it is.
    """

    @torch.no_grad()
    def start(prior: nn.Module) -> None:
        if isinstance(prior, Prior) and prior.head.names[0] == "exp":
            next(prior.parameters())[..., 0] = -math.log(0.5 * max(box.lengths))

    return start


def grid_options(problem: Problem) -> dict[str, Any]:
    """Options of the prior `grid` for a scene: a node for each cell of its grid."""
    return {"head": heads(problem.channels), "cells": float(max(problem.grid.shape))}


def hash_options(problem: Problem) -> dict[str, Any]:
    """Options of the prior `hash` for a scene: features down to half a cell."""
    cells = float(max(problem.grid.shape))
    finest = {"coarsest": min(8.0, 2 * cells), "finest": 2 * cells}
    return {"head": heads(problem.channels), "levels": 6, **finest}


def heads(channels: int) -> list[str]:
    """The density as an exponential, colours between 0 and 1, what depends on direction free."""
    return ["exp", *["sigmoid"] * 3, *["linear"] * (channels - 4)]


@checked
def scene_fits(problem: Problem, *, steps: Count | None = None) -> Iterator[Candidate]:
    """Fit a grid with total variation, whose weight the held-out views choose, and `hash`.

    The grid is fitted again from all views with the weight that was found. `hash` is kept as it is:
    which of its steps is best would be found anew.

    Args:
        problem: The problem, whose suggested fit is that of the grid.
        steps: Steps of both fits; None for the problem's.

    Yields:
        The prior `grid` with total variation, and the prior `hash`.
    """
    began = time.perf_counter()
    steps = steps or problem.suggested.steps
    variation = variation_on(problem.grid)
    path = weight_path(problem, None, [variation], steps=steps, share=SHARE)
    penalty = path.chosen * variation
    found = {
        "weight of TV": path.chosen,
        "held-out by weight": path.details()["held-out by weight"],
    }
    solution = _fitted(problem, penalty, steps, None, found)
    solution = replace(solution, seconds=time.perf_counter() - began)
    yield Candidate(solution, partial(_fitted, problem, penalty, steps, Never(), found))
    prior = make_prior(problem, "hash", 0, **hash_options(problem))
    yield Candidate(Solver(problem, prior, regularizers=[], steps=steps, lr=HASH_RATE).run())


def _fitted(
    problem: Problem,
    penalty: Regularizer,
    steps: int,
    rule: Stopping | None,
    found: dict[str, Any],
) -> Solution:
    """The suggested grid with one weight of total variation."""
    solution = Solver(problem, regularizers=[penalty], steps=steps, stopping=rule).run()
    solution.details |= found
    return replace(solution, method="grid, TV")
