"""Where a fit with an unknown scattered background begins: at a constant part of the open beam.

    y = -log(exp(-p) + s)        s = level        exp(-y) - level = exp(-p)

Image and background are hard to tell apart, and a fit ends near where it began: so it begins at an
image from which a constant was taken off, and at the same background.
"""

from __future__ import annotations

from dataclasses import replace

from inverse_inr import Problem, noise
from inverse_inr.operators.ct.beam.scatter import Scatter
from inverse_inr.ranges import NonNegative, PositiveFraction, checked

LEVELS = (0.005, 0.01, 0.02, 0.04)
"""Levels between which held-out rays choose, as parts of the open beam."""


@checked
def without_scatter(problem: Problem, level: NonNegative) -> Problem:
    """Take a constant part of the open beam off the counts.

    Args:
        problem: A problem of Poisson counts, e.g. `ct_hardening`.
        level: The constant, as a part of the unattenuated intensity.

    Returns:
        The problem with fewer counts, at least one in each bin.

    Raises:
        TypeError: The measurements are no Poisson counts.
    """
    term = problem.terms[0]
    if not isinstance(term.fidelity, noise.Poisson):
        raise TypeError(
            f"without_scatter: the noise is {type(term.fidelity).__name__}; scatter is taken off "
            "Poisson counts, whose open beam is known."
        )
    photons = float(term.fidelity.photons)
    return replace(problem, terms=[replace(term, y=(term.y - level * photons).clamp(min=1.0))])


@checked
def begun_at(problem: Problem, level: PositiveFraction) -> Problem:
    """Let the scattered background begin at a constant level.

    Args:
        problem: A problem whose first operator is `Scatter`.
        level: The level, as a part of the unattenuated intensity.

    Returns:
        The problem with another `Scatter` around the same operator, of the same degrees.

    Raises:
        TypeError: The first operator is another.
    """
    term = problem.terms[0]
    if not isinstance(term.operator, Scatter):
        raise TypeError(f"begun_at: the operator is {type(term.operator).__name__}, no Scatter.")
    degrees = tuple(count - 1 for count in term.operator.coefficients.shape)
    begun = Scatter(term.operator.operator, degrees, level)
    return replace(problem, terms=[replace(term, operator=begun.to(term.y.device))])
