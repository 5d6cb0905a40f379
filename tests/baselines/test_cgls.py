"""CGLS against dense least squares."""

import math

import numpy as np
import pytest
import torch
from cases.linear import F64, GRID, blocks, dense, image_of, problem_of, random

from inverse_inr import baselines
from inverse_inr.domain import Box, Grid
from inverse_inr.fidelity import L2
from inverse_inr.least_squares import back_projection
from inverse_inr.noise import ComplexGaussian, Gaussian, Poisson
from inverse_inr.problem import Problem
from inverse_inr.term import Term


def test_cgls_is_least_squares() -> None:
    problem = problem_of()
    solution = baselines.cgls(problem, 100)
    term = problem.terms[0]
    matrix = random(60, GRID.numel)
    torch.testing.assert_close(image_of(solution), torch.linalg.lstsq(matrix, term.y).solution)
    assert solution.details["iterations"] <= 100  # fewer where rounding ends it
    assert "given" in str(solution.stopped)


def test_cgls_weighs_terms_and_rows() -> None:
    """Two acquisitions, one with its own sigma for each row: the weighted normal equations."""
    a, b = random(40, GRID.numel), random(20, GRID.numel, seed=2)
    y, z = random(40, seed=3), random(20, seed=4)
    sigma = torch.linspace(0.1, 2, 40, dtype=F64)
    terms = [Term(dense(a), y, Gaussian(sigma)), Term(dense(b), z, L2(), weight=3.0)]
    solution = baselines.cgls(Problem(terms, box=GRID.box, grid=GRID), 200)
    w = sigma**-2 / 40
    v = torch.full((20,), 3 / 20, dtype=F64)
    left = (a.mT * w) @ a + (b.mT * v) @ b
    expected = torch.linalg.solve(left, (a.mT * w) @ y + (b.mT * v) @ z)
    torch.testing.assert_close(image_of(solution), expected, rtol=1e-6, atol=1e-6)


def test_cgls_leaves_untrusted_rows_out() -> None:
    matrix = random(50, GRID.numel)
    y = random(50, seed=3)
    rows = torch.arange(0, 50, 5)
    keep = torch.arange(50)[torch.arange(50) % 5 > 0]
    y[rows] = math.nan
    problem = Problem([Term(dense(matrix), y, L2(), rows=keep)], box=GRID.box, grid=GRID)
    expected = torch.linalg.lstsq(matrix[keep], y[keep]).solution
    torch.testing.assert_close(image_of(baselines.cgls(problem, 150)), expected)


def test_cgls_of_complex_measurements_of_a_real_image() -> None:
    matrix = random(40, GRID.numel, dtype=torch.complex128)
    noise = 0.1 * random(40, seed=1, dtype=torch.complex128)
    y = matrix @ blocks().reshape(-1).to(matrix.dtype) + noise
    problem = Problem([Term(dense(matrix), y, ComplexGaussian(0.1))], box=GRID.box, grid=GRID)
    stacked = torch.cat([matrix.real, matrix.imag])
    expected = torch.linalg.lstsq(stacked, torch.cat([y.real, y.imag])).solution
    torch.testing.assert_close(image_of(baselines.cgls(problem, 100)), expected)


def test_cgls_of_a_complex_image() -> None:
    matrix = random(40, GRID.numel, dtype=torch.complex128)
    image = torch.polar(blocks(), 3 * blocks()).reshape(-1)
    y = matrix @ image + 0.1 * random(40, seed=1, dtype=torch.complex128)
    term = Term(dense(matrix), y, ComplexGaussian(0.1))
    problem = Problem([term], box=GRID.box, grid=GRID, is_complex=True)
    expected = torch.linalg.lstsq(matrix, y[:, None]).solution[:, 0]
    torch.testing.assert_close(image_of(baselines.cgls(problem, 100)), expected)
    assert back_projection(problem, [torch.arange(40)]).dtype == torch.complex128


def test_cgls_of_counts_is_the_weighted_logarithm() -> None:
    matrix = random(60, GRID.numel).abs() / 20
    line = matrix @ blocks().reshape(-1)
    noise = Poisson(1e4)
    y = noise.sample(line, torch.Generator().manual_seed(0))
    y[7] = 0
    problem = Problem([Term(dense(matrix), y, noise)], box=GRID.box, grid=GRID)
    solution = baselines.cgls(problem, 200)
    counts = y.clamp(min=0.5)
    root = counts.sqrt()
    expected = torch.linalg.lstsq(root[:, None] * matrix, root * torch.log(1e4 / counts)).solution
    torch.testing.assert_close(image_of(solution), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize("scale", [0.0, 1e-12, 1.0])
def test_cgls_survives_convergence(scale: float, dtype: torch.dtype) -> None:
    """Two iterations leave nothing to do; after sixty there must still be an image."""
    grid = Grid(Box((0,), (1,)), (2,))
    matrix = torch.tensor([[2.0, 0], [0, 1]], dtype=dtype)
    y = scale * torch.tensor([2.0, 3.0], dtype=dtype)
    problem = Problem([Term(dense(matrix, grid), y, L2())], box=grid.box, grid=grid)
    got = image_of(baselines.cgls(problem, 60))
    expected = scale * torch.tensor([1.0, 3.0], dtype=dtype)
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=0)


def test_cgls_takes_a_count_of_numpy() -> None:
    solution = baselines.cgls(problem_of(), np.int64(5))
    torch.testing.assert_close(image_of(solution), image_of(baselines.cgls(problem_of(), 5)))


@pytest.mark.parametrize("count", [0, -3, 2.5], ids=["zero", "negative", "fraction"])
def test_cgls_refuses_what_is_no_count(count) -> None:
    with pytest.raises((TypeError, ValueError), match="iterations"):
        baselines.cgls(problem_of(), count)
