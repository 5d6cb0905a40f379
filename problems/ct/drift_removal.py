"""Take the drift of detector elements off a scan, for classical methods that cannot learn it."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from inverse_inr import Operator, Problem, Solution, Term, as_linear_map, baselines, noise
from inverse_inr.operators import DetectorDrift
from inverse_inr.ranges import Count, checked
from inverse_inr.stopping import hold_out


@checked
def drift_removed(
    problem: Problem, solve: Callable[[Problem], Solution], rounds: Count = 3
) -> Problem:
    """Return the problem with each element's drift taken off y, on the beam behind the detector.

    In turn, `solve` finds the image, and least squares fit the drift to its residuals on the rows
    that are not held out.

    Args:
        problem: Its first operator is a `DetectorDrift`.
        solve: A method that knows no drift.
        rounds: How often image and drift are found.

    Raises:
        TypeError: If the operator is no `DetectorDrift`.
    """
    term = problem.terms[0]
    operator = term.operator
    if not isinstance(operator, DetectorDrift):
        raise TypeError(
            f"drift_removed: {type(operator).__name__} is no DetectorDrift. Use ct_scan(drift=1)."
        )
    assert isinstance(term.fidelity, noise.Noise)
    fit = hold_out(problem.suggested.stopping, problem.terms).fit[0]
    y, precision = term.fidelity.least_squares(term.y)
    detector = copy.deepcopy(operator).requires_grad_(False)
    clean = replace(problem, terms=[replace(term, operator=operator.operator)])
    for _ in range(rounds):
        mapped = as_linear_map(operator.operator, problem.grid, rows=fit)
        detector.fit(y[fit] - mapped(solve(clean).sample()), precision[fit], fit)
        offset = detector.offset(torch.arange(len(detector)))
        clean = replace(problem, terms=[_without(term, operator.operator, offset)])
    return clean


@checked
def tv_drift_removed(problem: Problem) -> Solution:
    """Solve by TV and remove the drift.

    TV first chooses its weight with the drift in the data. Then image and drift are found in turn,
    and TV chooses its weight again.

    Args:
        problem: Its first operator is a `DetectorDrift`.
    """
    began = time.perf_counter()
    rough = baselines.tv(problem, iterations=200).details["weight"]
    clean = drift_removed(problem, lambda p: baselines.tv(p, rough, iterations=200))
    around = [rough * 2.0**k for k in range(-1, 3)]
    solution = baselines.tv(clean, weights=around, iterations=300)
    return replace(solution, method="TV, drift removed", seconds=time.perf_counter() - began)


def _without(term: Term, operator: Operator, offset: Tensor) -> Term:
    """The term as if measured by the operator alone, without `offset` of its line integrals."""
    if isinstance(term.fidelity, noise.Poisson):
        model = replace(term.fidelity, photons=term.fidelity.photons * torch.exp(-offset))
        return replace(term, operator=operator, fidelity=model)
    return replace(term, operator=operator, y=term.y - offset)
