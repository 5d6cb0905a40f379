"""With a grid of values and squared residuals every optimiser ends where CGLS does."""

import pytest
import torch
from cases.linear import F64, blocks, dense, random

from inverse_inr import baselines, optimizers, priors, solve
from inverse_inr.domain import Box, Grid
from inverse_inr.fidelity import L2
from inverse_inr.noise import ComplexGaussian, Gaussian
from inverse_inr.problem import Problem
from inverse_inr.solver import split
from inverse_inr.stopping import Never
from inverse_inr.term import Term

GRID = Grid(Box((0, 0), (2.5, 3)), (5, 6))  # square pixels, those of the prior `grid`

WAYS = {
    "adam": (optimizers.Adam(lr=0.05), 600),
    "lbfgs": (optimizers.LBFGS(iterations=20), 30),
    "gauss-newton": (optimizers.GaussNewton(), 15),
    "variable projection": (optimizers.VariableProjection(iterations=100), 3),
}


def real_problem() -> Problem:
    """Two terms, one of which has another sigma in each row."""
    a, b = random(60, GRID.numel), random(20, GRID.numel, seed=2)
    x = blocks(GRID).reshape(-1)
    sigma = torch.linspace(0.05, 0.2, 60, dtype=F64)
    terms = [
        Term(dense(a, GRID), a @ x + sigma * random(60, seed=1), Gaussian(sigma)),
        Term(dense(b, GRID), b @ x + 0.1 * random(20, seed=3), L2(), weight=30.0),
    ]
    return Problem(terms, box=GRID.box, grid=GRID)


def complex_problem() -> Problem:
    matrix = random(60, GRID.numel, dtype=torch.complex128)
    x = blocks(GRID).reshape(-1) * torch.exp(1j * random(GRID.numel, seed=4))
    y = matrix @ x + 0.1 * random(60, seed=1, dtype=torch.complex128)
    return Problem(
        [Term(dense(matrix, GRID), y, ComplexGaussian(0.1))],
        box=GRID.box,
        grid=GRID,
        is_complex=True,
    )


def grid_prior(problem: Problem) -> priors.Prior:
    head = "complex" if problem.is_complex else "linear"
    # 6 cells along the longest side: exactly the pixels of the grid
    return priors.grid(problem.box, cells=6, head=head).double()


def distance(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(torch.linalg.vector_norm(a - b) / torch.linalg.vector_norm(b))


@pytest.mark.parametrize("make", [real_problem, complex_problem])
@pytest.mark.parametrize("way", WAYS)
def test_a_grid_ends_within_a_thousandth_of_cgls(make, way):
    problem = make()
    optimizer, steps = WAYS[way]
    solution = solve(
        problem,
        grid_prior(problem),
        optimizer=optimizer,
        steps=steps,
        regularizers=[],
        stopping=Never(every=10**6),
        callbacks=(),
    )
    expected = baselines.cgls(problem, 200).sample()
    assert distance(solution.sample(), expected) < 1e-3


@pytest.mark.parametrize("make", [real_problem, complex_problem])
def test_the_split_ends_within_a_thousandth_of_cgls(make):
    problem = make()
    solution = split(
        problem,
        grid_prior(problem),
        optimizer="variable-projection",
        steps=1,
        rounds=60,
        regularizers=[],
        stopping=Never(),
    )
    expected = baselines.cgls(problem, 200).sample()
    assert distance(solution.sample(), expected) < 1e-3
    assert solution.details["primal residual"] < 1e-3
