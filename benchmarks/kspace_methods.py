"""The INRs that benchmarks/kspace.py compares, and TV with another choice of its weight."""

from __future__ import annotations

import math
from dataclasses import replace

import inverse_inr as ii
from inverse_inr.operators import NonCartesianKSpace, RadialSpokes
from inverse_inr.problems.kspace.simulated import tv_sense
from inverse_inr.problems.kspace.suggestions import WeightOfHeldOut
from inverse_inr.stopping import HeldOut, Never


def joint(problem: ii.Problem, seed: int = 0) -> ii.Solution:
    """One value per pixel with TV, whose weight held-out samples choose; maps learn if they may."""
    return ii.solve(problem, steps=250, lr=0.1, operator_lr=3e-4, seed=seed, callbacks=[])


def chosen(problem: ii.Problem, seed: int) -> ii.Solution:
    """As `joint`, but fits of the field itself compare weights around that of the classical path.

    The candidates are the path's weight, and 0.7 and a half of it.
    """
    (rule,) = problem.suggested.regularizers
    assert isinstance(rule, WeightOfHeldOut)

    def fit(factor: float) -> ii.Solution:
        return ii.solve(
            problem,
            regularizers=[factor * rule.weight * rule.variation],
            steps=250,
            lr=0.1,
            operator_lr=3e-4,
            seed=seed,
            callbacks=[],
        )

    fits = (fit(factor) for factor in (1.0, 0.7, 0.5))
    return min(fits, key=lambda s: s.held_out() or math.inf)


def tv_of_least_misfit(problem: ii.Problem, seed: int) -> ii.Solution:
    """TV with the weight of the least held-out misfit, as in `chosen`, from finer steps.

    `tv_sense` itself chooses by the one-standard-error rule.
    """
    rule = problem.suggested.stopping
    assert isinstance(rule, HeldOut)
    fit, watch = rule.split(problem.terms, seed)
    restricted = replace(problem, terms=[replace(problem.terms[0], rows=fit[0])])
    start = tv_sense(problem, seed=seed).details["weight"]
    fits = (tv_sense(restricted, start * factor) for factor in (1.0, 0.71, 0.5))
    return min(fits, key=lambda s: s.misfit(watch))


def finer_fit(
    problem: ii.Problem, finer: int = 1, steps: int = 600, batch: int | None = None
) -> ii.Solution:
    """One value per sub-pixel with total variation of them, fitted to all spokes.

    Args:
        problem: A problem with radial measurements.
        finer: Sub-pixels per pixel and axis.
        steps: Number of steps.
        batch: Spokes per step; None for all of them.
    """
    grid = problem.grid.refined(finer)
    (suggested,) = problem.suggested.regularizers
    assert isinstance(suggested, WeightOfHeldOut)
    weight, rule = suggested.weight, suggested.variation
    (term,) = problem.terms
    operator = term.operator
    if isinstance(operator, NonCartesianKSpace):
        trajectory = operator.frequencies.reshape(*operator.shape, 2).float()
        operator = NonCartesianKSpace(grid, trajectory, operator.coils)
    elif isinstance(operator, RadialSpokes) and batch is None:
        rays = 2 * operator.beam.shape[1]  # fixed rays: an image twice as fine must not alias
        operator = RadialSpokes(
            problem.box, operator.beam.angles, operator.frequency, operator.coils, rays=rays
        )
        operator = operator.on(grid)
    prior = ii.priors.grid(problem.box, cells=float(max(grid.shape)))
    return ii.solve(
        replace(problem, terms=[replace(term, operator=operator)]),
        prior,
        steps=steps,
        batch=batch,
        lr=0.1,
        regularizers=[weight * replace(rule, grid=grid)],
        stopping=Never(),
        callbacks=[],
    )
