"""One unknown number in an equation: the diffusivity κ of a rod from noisy temperatures.

∂u/∂t = κ ∂²u/∂x²,   u = 0 at both ends, u known at t = 0
"""

from __future__ import annotations

import math
import time
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from inverse_inr import (
    Box,
    Field,
    Grid,
    Problem,
    Solution,
    Suggestion,
    Term,
    fidelity,
    memory,
    noise,
)
from inverse_inr.operators import Jet, PointSamples, Residual
from inverse_inr.priors.means import HardBoundary, between_faces, zero_on_faces
from inverse_inr.problems.fields.differences import Equation, finite_differences
from inverse_inr.problems.fields.figures import fields_with_errors
from inverse_inr.problems.fields.judging import fit_or_inversions
from inverse_inr.problems.fields.known_solutions import cooling
from inverse_inr.ranges import Count, Positive, WholeNumber, checked
from inverse_inr.stopping import Never

ENDS = [(0, 0), (0, 1), (1, 0)]
"""Faces of the box (x, t) with known values: both ends and the start."""


class HeatEquation(nn.Module):
    """∂u/∂t - κ ∂²u/∂x² with time as axis 1; κ is learnt, positive, as its logarithm.

    Args:
        guess: κ at the beginning.
    """

    @checked
    def __init__(self, guess: Positive = 1.0) -> None:
        super().__init__()
        self.log_diffusivity = nn.Parameter(torch.tensor(math.log(guess), dtype=torch.float64))

    def forward(self, jet: Jet) -> Tensor:
        """Compute the left-hand side at the jet's b places, (b, channels)."""
        kappa = self.log_diffusivity.exp().to(jet.points.dtype)
        return jet.d(1) - kappa * jet.d(0, 0)


@checked
def diffusivity(
    *,
    truth: Positive = 0.1,
    guess: Positive = 1.0,
    sensors: Count = 100,
    noise_level: Positive = 0.02,
    size: Count = 64,
    inside: Count = 512,
    equation: Positive = 300.0,
    seed: WholeNumber = 0,
) -> Problem:
    """Find the diffusivity of a rod that cools from noisy temperatures at random places and times.

    Beside the fit stands least squares over the one number with Crank-Nicolson's scheme inside,
    which also gives the standard error.

    Args:
        truth: The true κ, by which the temperatures are simulated.
        guess: κ at the beginning of a fit.
        sensors: Number of temperatures.
        noise_level: Standard deviation of their noise, as a fraction of the largest.
        size: Pixels along each side of the grid of (x, t).
        inside: Points that carry the equation, a Sobol set.
        equation: Weight of the equation's mean squared residual beside the sensors' misfit in
            units of their noise. A heavier one is slower to find κ.
        seed: Seed of points and noise.

    Returns:
        The problem; a fit's κ is the exponential of `learnt["...log_diffusivity"]`, which
        `fitted_diffusivity` reads.
    """
    memory.require(f"diffusivity: inside={inside}, sensors={sensors}", 64.0 * (inside + sensors))
    box = Box((0.0, 0.0), (1.0, 1.0))
    known = partial(cooling, diffusivity=truth)
    generator = torch.Generator().manual_seed(seed)
    places = box.random_points(sensors, dtype=torch.float64, generator=generator)
    exact = known(places)[:, 0]
    start = torch.linspace(0, 1, 201, dtype=torch.float64)
    largest = float(known(torch.stack([start, torch.zeros_like(start)], -1)).abs().max())
    deviation = noise_level * largest
    values = noise.Gaussian(deviation).sample(exact, generator=generator)
    points = torch.quasirandom.SobolEngine(2, scramble=True, seed=seed).draw(
        inside, dtype=torch.float64
    )
    terms = [
        Term(
            Residual(HeatEquation(guess), points),
            torch.zeros(inside, dtype=torch.float64),
            fidelity.L2(),
            weight=equation,
        ),
        Term(PointSamples(places), values, fidelity.L2(), weight=1 / deviation**2),
    ]
    classical = partial(least_squares, known, places, values, guess)
    suggested = Suggestion(
        prior="siren",
        options={"omega0": 4.0, "width": 32, "depth": 2},
        steps=100,
        optimizer="lbfgs",
        stopping=Never(every=25),
        start=partial(
            HardBoundary, zero=zero_on_faces(box, ENDS), values=between_faces(box, known, ENDS)
        ),
        baselines={"least squares": partial(classical, None)},
        candidates=fit_or_inversions(1, [classical]),
        figure=fields_with_errors(),
    )
    return Problem(
        terms, box, Grid(box, (size, size)), reference=known, suggested=suggested, average=1
    )


def fitted_diffusivity(solution: Solution) -> float:
    """Read κ from a fit or from least squares.

    Args:
        solution: A solution of `diffusivity`.

    Raises:
        ValueError: The solution has none.
    """
    if "diffusivity" in solution.details:
        return float(solution.details["diffusivity"])
    for name, value in solution.learnt.items():
        if name.endswith("log_diffusivity"):
            return math.exp(float(value))
    raise ValueError(f"fitted_diffusivity: {solution.method} has learnt no diffusivity.")


def least_squares(
    known: Field,
    places: Tensor,
    values: Tensor,
    guess: float,
    rows: Tensor | None,
    problem: Problem,
) -> Solution:
    """Find κ by least squares with finite differences inside.

    Args:
        known: A field that has the values at both ends and at the start.
        places: (n, 2) places and times of the measured temperatures.
        values: (n,) temperatures.
        guess: κ at the beginning.
        rows: (m,) numbers of the temperatures that it may see; None for all.
        problem: The problem.

    Returns:
        The solution for the κ that is found; `details` have it and its standard error.
    """
    from scipy.optimize import least_squares as minimise

    began = time.perf_counter()
    if rows is not None:
        places, values = places[rows], values[rows]

    def solved(log: float) -> Solution:
        case = Equation(
            (-math.exp(log), 0.0, 1.0, 0.0),
            known,
            faces=ENDS,
            marches=1,
            given=lambda p: torch.zeros_like(p[..., 0]),
        )
        return finite_differences(case, problem)

    def left(log: np.ndarray) -> np.ndarray:
        return (solved(float(log[0])).field(places)[:, 0] - values).numpy()

    found = minimise(left, [math.log(guess)], method="lm")
    kappa = math.exp(float(found.x[0]))
    variance = float(np.sum(found.fun**2)) / max(1, len(values) - 1)
    error = kappa * math.sqrt(variance / float(np.sum(found.jac**2)))
    solution = solved(float(found.x[0]))
    solution.method = "least squares"
    solution.seconds = time.perf_counter() - began
    solution.details |= {"diffusivity": kappa, "standard error": error}
    return solution
