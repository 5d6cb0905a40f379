"""`truth`: a problem whose measurements are the pixels of a simulation's own truth."""

from __future__ import annotations

from torch import Tensor

from inverse_inr.compose import OnGrid
from inverse_inr.evaluation import sample
from inverse_inr.fidelity import L2
from inverse_inr.problem import Problem
from inverse_inr.ranges import checked
from inverse_inr.term import Term


@checked
def truth(problem: Problem) -> Problem:
    """Make the problem of the same field, measured pixel by pixel without noise.

    As a target of `train` it teaches a family the truths of simulations.

    Args:
        problem: A simulation, with a reference.

    Returns:
        The problem on the same box and grid, with averages over pixels as measurements.

    Raises:
        ValueError: The problem has no reference.
    """
    if problem.reference is None:
        raise ValueError(
            "families.truth: the problem has no reference; only a simulation knows the truth."
        )
    pixels = sample(problem.reference, problem.grid, average=problem.average)
    y = pixels.flatten(0, problem.grid.ndim - 1)
    if problem.channels == 1:
        y = y[..., 0]
    operator = OnGrid(_same, problem.grid, problem.grid.shape)
    return Problem(
        [Term(operator, y, L2())],
        problem.box,
        problem.grid,
        problem.channels,
        is_complex=problem.is_complex,
        average=problem.average,
    )


def _same(image: Tensor) -> Tensor:
    return image
