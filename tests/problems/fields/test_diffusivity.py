"""One unknown number in an equation: found by a fit and by least squares, with its error."""

import math

import pytest
import torch

from inverse_inr.operators import Jet
from inverse_inr.problems.fields import boundary_value, diffusivity, fitted_diffusivity
from inverse_inr.problems.fields.diffusivity import HeatEquation
from inverse_inr.problems.fields.known_solutions import cooling
from inverse_inr.solver import Solver


def test_a_cooling_rod_solves_the_heat_equation_of_its_diffusivity():
    points = torch.rand(50, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    jet = Jet(lambda p: cooling(p, 0.3), points)
    assert float(HeatEquation(0.3)(jet).detach().abs().max()) < 1e-12
    assert float(HeatEquation(0.1)(jet).detach().abs().max()) > 0.1


def test_least_squares_finds_the_diffusivity_within_its_error():
    problem = diffusivity(seed=100, size=8, inside=16)
    found = problem.suggested.baselines["least squares"](problem)
    error = found.details["standard error"]
    assert 1e-4 < error < 5e-3
    assert abs(fitted_diffusivity(found) - 0.1) < 4 * error


@pytest.mark.slow
def test_a_fit_finds_the_same_diffusivity():
    problem = diffusivity(seed=100)
    beside = problem.suggested.baselines["least squares"](problem)
    fit = Solver(problem).run()
    error = beside.details["standard error"]
    assert abs(fitted_diffusivity(fit) - fitted_diffusivity(beside)) < error


def test_a_solution_without_one_has_no_diffusivity():
    problem = boundary_value(size=8, inside=16, around=8)
    solution = problem.suggested.baselines["finite differences"](problem)
    with pytest.raises(ValueError, match="has learnt no diffusivity"):
        fitted_diffusivity(solution)
    assert math.isfinite(solution.seconds)
