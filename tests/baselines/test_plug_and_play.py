"""Plug-and-play against closed forms and against `baselines.tv` on the same problem."""

import math

import pytest
import torch
from cases.linear import F64, GRID, blocks, dense, image_of, problem_of, random

from inverse_inr import baselines, noise
from inverse_inr.baselines.data_step import DataStep, level_of
from inverse_inr.baselines.plug_and_play import (
    admm_iterates,
    hqs_iterates,
    proximal_iterates,
)
from inverse_inr.denoisers import proximal_tv
from inverse_inr.domain import Box, Grid
from inverse_inr.fidelity import L2
from inverse_inr.least_squares import LeastSquares
from inverse_inr.problem import Problem
from inverse_inr.term import Term

SHRUNK = 0.3


def system_of(problem: Problem) -> LeastSquares:
    return LeastSquares.of(problem, [t.trusted for t in problem.terms])


def matrix_of(system: LeastSquares) -> torch.Tensor:
    units = torch.eye(GRID.numel, dtype=F64).reshape(-1, *GRID.shape, 1)
    return torch.stack([torch.cat(system.whitened(u)) for u in units], 1)


def last(images, count: int) -> torch.Tensor:
    for _ in range(count - 1):
        next(images)
    return next(images)


def test_the_data_step_is_the_closed_form():
    system = system_of(problem_of(rows=20))
    k = matrix_of(system)
    v = random(*GRID.shape, 1, seed=5)
    found = DataStep(system, iterations=100, tolerance=0.0)(v, 0.7, torch.zeros_like(v))
    z = torch.cat(system.data())
    exact = torch.linalg.solve(
        k.T @ k + 0.7 * torch.eye(30, dtype=F64), k.T @ z + 0.7 * v.flatten()
    )
    torch.testing.assert_close(found.flatten(), exact)


@pytest.mark.parametrize("method", ["admm", "fista"])
def test_the_proximal_map_of_a_quadratic_gives_tikhonovs_image(method):
    """D(x) = x / (1 + w) is the proximal map of w ½ ‖x‖²: the limit is that of ρ w ½ ‖x‖²."""
    system = system_of(problem_of(rows=20))
    rho = 0.5
    start = torch.zeros(*GRID.shape, 1, dtype=F64)
    if method == "admm":
        step = DataStep(system, iterations=100, tolerance=1e-12)
        images = admm_iterates(step, lambda x, s: x / (1 + s), rho, [SHRUNK] * 400, start)
        found = last(images, 400)
    else:
        images = proximal_iterates(system, lambda x, s: x / (1 + s), rho, [SHRUNK] * 1500, start)
        found = last(images, 1500)
    k, z = matrix_of(system), torch.cat(system.data())
    exact = torch.linalg.solve(k.T @ k + rho * SHRUNK * torch.eye(30, dtype=F64), k.T @ z)
    torch.testing.assert_close(found.flatten(), exact, rtol=1e-6, atol=1e-8)


def test_half_quadratic_splitting_ends_at_the_minimum_of_its_own_sum():
    """min_xv ½ ‖K x - z‖² + ρ/2 ‖x - v‖² + ρ w/2 ‖v‖²: v is shrunk, so that x has ρ w / (1 + w)."""
    system = system_of(problem_of(rows=20))
    start = torch.zeros(*GRID.shape, 1, dtype=F64)
    step = DataStep(system, iterations=100, tolerance=1e-12)
    images = hqs_iterates(step, lambda x, s: x / (1 + s), 0.5 * SHRUNK**2, [SHRUNK] * 400, start)
    k, z = matrix_of(system), torch.cat(system.data())
    weight = 0.5 * SHRUNK / (1 + SHRUNK)
    x = torch.linalg.solve(k.T @ k + weight * torch.eye(30, dtype=F64), k.T @ z)
    torch.testing.assert_close(last(images, 400).flatten(), x / (1 + SHRUNK), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("method", ["admm", "fista"])
def test_with_tvs_proximal_map_it_is_the_tv_baseline(method):
    """λ mean |∇x| of n pixels of unit distance is ρ w Σ |∇x| with w = λ / (ρ n)."""
    grid = Grid(Box((0.0, 0.0), (5.0, 6.0)), (5, 6))
    matrix = random(40, 30)
    y = matrix @ blocks().reshape(-1) + 0.3 * random(40, seed=1)
    problem = Problem([Term(dense(matrix, grid), y, noise.Gaussian(0.3))], grid.box, grid)
    weight = 8.0
    exact = baselines.tv(problem, weight, iterations=4000).sample()
    system = system_of(problem)
    rho = 20.0
    w = weight / (rho * 30)
    start = torch.zeros_like(exact)

    def denoise(x, s):
        return proximal_tv(x, s, iterations=100, tolerance=1e-7)

    if method == "admm":
        images = admm_iterates(DataStep(system, 30, 1e-9), denoise, rho, [w] * 80, start)
    else:
        images = proximal_iterates(system, denoise, rho, [w] * 80, start)
    torch.testing.assert_close(last(images, 80), exact, rtol=0, atol=1e-4)


def test_tvs_denoiser_minimises_its_own_sum():
    x = blocks() + 0.2 * random(*GRID.shape, 1)
    z = proximal_tv(x, 0.1, iterations=600)

    def value(v):
        slope = [
            torch.diff(v[..., 0], dim=k, append=v[..., 0].narrow(k, v.shape[k] - 1, 1))
            for k in (0, 1)
        ]
        return 0.5 * (v - x).square().sum() + 0.1 * torch.stack(slope).square().sum(0).sqrt().sum()

    least = value(z)
    for seed in range(20):
        assert value(z + 1e-3 * random(*z.shape, seed=seed)) > least


@pytest.mark.parametrize(
    ("method", "iterations", "part"), [("admm", 10, 0.8), ("hqs", 10, 1.0), ("fista", 40, 0.8)]
)
def test_held_out_rows_choose_a_strength_that_beats_no_prior(method, iterations, part):
    """Half-quadratic splitting minimises a softer sum, and gains less."""
    problem = problem_of(rows=40, sigma=0.5)
    found = baselines.plug_and_play(problem, method=method, iterations=iterations)
    assert found.held_out() is not None
    plain = baselines.cgls(problem)
    truth = blocks().flatten()
    assert (image_of(found) - truth).norm() < part * (image_of(plain) - truth).norm()
    assert found.details["strength"] in baselines.STRENGTHS


def test_a_given_strength_is_reached_from_larger_ones():
    problem = problem_of(rows=40, sigma=0.5)
    seen = []

    def watch(x, sigma):
        seen.append(sigma)
        return x

    found = baselines.plug_and_play(problem, watch, 0.5, strengths=(2.0, 1.0, 0.3), iterations=4)
    level = found.details["sigma at strength 1"]
    torch.testing.assert_close(
        torch.tensor(seen) / level, torch.tensor([2.0, 1.0, 0.5, 0.5, 0.5, 0.5])
    )
    assert found.details["strength"] == 0.5


def test_the_level_of_a_denoising_problem_is_its_noise():
    y = random(30)
    term = Term(dense(torch.eye(30, dtype=F64)), y, noise.Gaussian(0.25))
    problem = Problem([term], GRID.box, GRID)
    level = level_of(problem, system_of(problem))
    assert level.sigma == pytest.approx(0.25)
    unit = torch.eye(30, dtype=torch.complex128)
    complex_term = Term(dense(unit), torch.complex(y, y), noise.ComplexGaussian(0.25))
    twin = Problem([complex_term], GRID.box, GRID, is_complex=True)
    assert level_of(twin, system_of(twin)).sigma == pytest.approx(0.25 / math.sqrt(2))


def test_a_fidelity_that_is_no_noise_model_has_a_level_too():
    found = baselines.plug_and_play(problem_of(rows=40, sigma=0.5, fidelity=L2()), iterations=5)
    assert 0.01 < found.details["sigma at strength 1"] < 1


def test_complex_images_are_solved():
    matrix = random(40, 30, dtype=torch.complex128)
    truth = blocks().flatten() * (1 + 1j) / math.sqrt(2)
    model = noise.ComplexGaussian(0.5)
    y = model.sample(matrix @ truth, torch.Generator().manual_seed(0))
    problem = Problem([Term(dense(matrix), y, model)], GRID.box, GRID, is_complex=True)
    found = baselines.plug_and_play(problem)
    assert found.sample().is_complex()
    assert (image_of(found) - truth).norm() < 0.3 * truth.norm()
    with pytest.raises(ValueError, match="complex"):
        baselines.plug_and_play(problem, nonnegative=True)


def test_pixels_are_not_negative_where_they_must_not():
    found = baselines.plug_and_play(problem_of(rows=40, sigma=1.0), nonnegative=True)
    assert float(image_of(found).min()) >= 0


def test_bad_words_are_refused():
    problem = problem_of()
    with pytest.raises(ValueError, match="method"):
        baselines.plug_and_play(problem, method="newton")  # pyright: ignore
    with pytest.raises(ValueError, match="empty"):
        baselines.plug_and_play(problem, strengths=())
    with pytest.raises(ValueError, match="bm3d"):
        baselines.plug_and_play(problem, "bm5d")
    with pytest.raises(ValueError, match="oracle"):
        baselines.plug_and_play(problem, strength="oracle")
