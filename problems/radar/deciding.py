"""What answers a radar problem: a variance field where it is speckled, sparse L1 where it is points.

Both are fitted to the same pulses, and the held-out pulses, whole, choose. Where they cannot (the
difference is below its standard error), the contrast of the backprojected intensity does,

    E I² / (E I)²,

which is 2 where fully developed speckle fills the box and grows where few voxels hold the energy.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from inverse_inr import Problem, SampledField, Solution
from inverse_inr.baselines import l1
from inverse_inr.operators.radar.operator import STORE_LIMIT, RadarOperator
from inverse_inr.problems.radar.imaging import backprojection
from inverse_inr.problems.radar.variance_field import variance_field
from inverse_inr.ranges import Count, checked

Method = Callable[[Problem], Solution]
"""A way from measurements to an answer."""

SPECKLED = 4.0
"""Contrast below which an image counts as speckle, where held-out pulses cannot tell."""
MOST_VALUES = 8192
"""Values of all pulses up to which the covariance of a variance field is factored in some time."""


@checked
def decided(problem: Problem, apertures: Count = 1) -> Solution:
    """Answer by a variance field or by sparse L1, as the measurements decide.

    L1 is non-negative where the field is real. An answer that predicts the held-out pulses no
    better than an empty image is warned of.

    Args:
        problem: A problem of one radar term, with a grid.
        apertures: Sectors of azimuth of the variance field, as in `variance_field`.

    Returns:
        The better one; `problem.notes["decided"]` of the solution says why.
    """
    tried = {name: method(problem) for name, method in candidates(problem, apertures).items()}
    scores = {name: held_out(solution) for name, solution in tried.items()}
    chosen, why = choice(scores, partial(contrast, problem))
    solution = tried[chosen]
    nothing = held_out(replace(solution, field=_empty(solution)))
    if float(scores[chosen].mean()) >= float(nothing.mean()):
        warnings.warn(
            f"{solution.method} predicts held-out pulses no better than an empty image: misfit "
            f"{float(scores[chosen].mean()):.3g} against {float(nothing.mean()):.3g}. Too few "
            "pulses for the scene, too much noise, or a scene that is not of this model.",
            stacklevel=2,
        )
    notes = {**solution.problem.notes, "decided": why}
    return replace(
        solution,
        problem=replace(solution.problem, notes=notes),
        seconds=sum(s.seconds for s in tried.values()),
        details={**solution.details, "decided": why},
    )


def candidates(problem: Problem, apertures: int = 1) -> Mapping[str, Method]:
    """The methods that may answer, by name: L1, and a variance field where it is not too large.

    Args:
        problem: A problem of one radar term, with a grid.
        apertures: Sectors of azimuth of the variance field.
    """
    operator = problem.terms[0].operator
    assert isinstance(operator, RadarOperator)
    found: dict[str, Method] = {"L1, x ≥ 0": partial(l1, nonnegative=True)}
    if problem.is_complex:
        found = {"L1": l1}
    values = len(operator) * operator.transform.count
    if values <= MOST_VALUES * apertures and 8 * values * problem.grid.numel <= STORE_LIMIT:
        found["variance field"] = partial(variance_field, apertures=apertures)
    return found


def choice(scores: Mapping[str, Tensor], contrast: Callable[[], float]) -> tuple[str, str]:
    """Choose by the misfits of held-out pulses, or by the contrast where they cannot tell.

    Args:
        scores: (n,) misfits of the same held-out pulses by the candidate's name.
        contrast: Called where the difference is below its standard error.

    Returns:
        The candidate's name, and the reason in words.
    """
    first, *others = sorted(scores, key=lambda name: float(scores[name].mean()))
    misfits = ", ".join(f"{name} {float(scores[name].mean()):.3g}" for name in scores)
    if not others:
        return first, f"{first}: the only candidate ({misfits})"
    gain = scores[others[0]] - scores[first]
    if float(gain.mean()) > float(gain.std()) / len(gain) ** 0.5:
        return first, f"{first}, by {len(gain)} held-out pulses ({misfits})"
    seen = contrast()
    speckled = seen < SPECKLED
    chosen = next(name for name in scores if (name == "variance field") == speckled)
    kind = "speckle" if speckled else "points"
    return chosen, (
        f"{chosen}: contrast {seen:.3g} of the backprojection, {kind}; held-out pulses cannot tell "
        f"({misfits})"
    )


@checked
def contrast(problem: Problem) -> float:
    """Contrast E I² / (E I)² of the backprojected intensity I over the problem's grid.

    Args:
        problem: A problem of one radar term, with a grid.

    Returns:
        2 for fully developed speckle that fills the box, more for few bright voxels.
    """
    power = backprojection(problem).sample().abs().double().square()
    return float(power.square().mean() / power.mean().square().clamp(min=1e-300))


def held_out(solution: Solution) -> Tensor:
    """Misfit of each held-out pulse, (n,)."""
    (rows,) = solution.watched
    return torch.tensor([solution.misfit([row]) for row in rows.split(1)])


def _empty(solution: Solution) -> SampledField:
    """An image of nothing, like a solution's."""
    return SampledField(torch.zeros_like(solution.sample()), solution.problem.grid)
