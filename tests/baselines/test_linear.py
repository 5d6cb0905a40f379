"""CGLS and total variation against independent solutions of the same problem."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from inverse_inr import baselines
from inverse_inr.compose import OnGrid
from inverse_inr.domain import Box, Grid
from inverse_inr.evaluation import sample
from inverse_inr.fidelity import L2, Fidelity
from inverse_inr.least_squares import back_projection
from inverse_inr.metrics import relative_error
from inverse_inr.noise import ComplexGaussian, Gaussian, Poisson
from inverse_inr.problem import Problem
from inverse_inr.regularizers import TotalVariation
from inverse_inr.solver import Solution
from inverse_inr.term import Term

F64 = torch.float64
GRID = Grid(Box((0, 0), (2, 3)), (5, 6))


def dense(matrix: Tensor, grid: Grid = GRID) -> OnGrid:
    return OnGrid(
        lambda v: (
            matrix.to(v.dtype if not matrix.is_complex() else v.dtype.to_complex())
            @ v.reshape(-1).to(matrix.dtype)
        ),
        grid,
        (len(matrix),),
    )


def random(*shape: int, seed: int = 0, dtype: torch.dtype = F64) -> Tensor:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def blocks(grid: Grid = GRID) -> Tensor:
    image = torch.zeros(*grid.shape, 1, dtype=F64)
    image[1:4, 2:5] = 1
    return image


def problem_of(
    rows: int = 60, sigma: float = 0.05, fidelity: Fidelity | None = None, **options
) -> Problem:
    matrix = random(rows, GRID.numel)
    y = matrix @ blocks().reshape(-1) + sigma * random(rows, seed=1)
    return Problem(
        [Term(dense(matrix), y, fidelity or Gaussian(sigma))], box=GRID.box, grid=GRID, **options
    )


def image_of(solution: Solution) -> Tensor:
    return solution.sample().reshape(-1)


def objective(problem: Problem, weight: float, x: Tensor, *, smooth: float = 0.0) -> Tensor:
    """Σ weight D(A x, y) + λ mean |∇x| from the library's own fidelities and an independent gradient."""
    total = torch.zeros((), dtype=F64)
    for term in problem.terms:
        total = total + term.weight * term.fidelity(
            term.operator.map(x).reshape(term.y.shape), term.y
        )  # type: ignore
    slopes = []
    for k, h in enumerate(GRID.spacing):
        padded = torch.cat([x, x.narrow(k, x.shape[k] - 1, 1)], k)
        slopes.append((padded.narrow(k, 1, x.shape[k]) - x) / h)
    squared = torch.stack(slopes).square().sum(0)
    return total + weight * ((squared + smooth**2).sqrt() - smooth).mean()


def smoothed_minimum(problem: Problem, weight: float, channels: int = 1) -> float:
    """The least objective that L-BFGS finds with ever sharper corners: an independent method."""
    x = torch.zeros(*GRID.shape, channels, dtype=F64, requires_grad=True)
    image = lambda: x[..., 0] if channels == 1 else x  # noqa: E731
    for smooth in (1.0, 0.1, 0.01, 1e-3, 1e-4):
        lbfgs = torch.optim.LBFGS(
            [x], max_iter=300, line_search_fn="strong_wolfe", tolerance_change=1e-14
        )

        def closure(lbfgs=lbfgs, smooth=smooth) -> Tensor:
            lbfgs.zero_grad()
            value = objective(problem, weight, image(), smooth=smooth)
            value.backward()
            return value

        lbfgs.step(closure)  # type: ignore[arg-type]
    return float(objective(problem, weight, image()).detach())


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
    w, v = sigma**-2 / 40, torch.full((20,), 3 / 20, dtype=F64)
    left = (a.mT * w) @ a + (b.mT * v) @ b
    expected = torch.linalg.solve(left, (a.mT * w) @ y + (b.mT * v) @ z)
    torch.testing.assert_close(image_of(solution), expected, rtol=1e-6, atol=1e-6)


def test_cgls_leaves_untrusted_rows_out() -> None:
    matrix, y = random(50, GRID.numel), random(50, seed=3)
    rows = torch.arange(0, 50, 5)
    keep = torch.arange(50)[torch.arange(50) % 5 > 0]
    y[rows] = math.nan
    problem = Problem([Term(dense(matrix), y, L2(), rows=keep)], box=GRID.box, grid=GRID)
    expected = torch.linalg.lstsq(matrix[keep], y[keep]).solution
    torch.testing.assert_close(image_of(baselines.cgls(problem, 150)), expected)


def test_cgls_of_complex_measurements_of_a_real_image() -> None:
    matrix = random(40, GRID.numel, dtype=torch.complex128)
    y = matrix @ blocks().reshape(-1).to(matrix.dtype) + 0.1 * random(
        40, seed=1, dtype=torch.complex128
    )
    problem = Problem([Term(dense(matrix), y, ComplexGaussian(0.1))], box=GRID.box, grid=GRID)
    stacked = torch.cat([matrix.real, matrix.imag]), torch.cat([y.real, y.imag])
    torch.testing.assert_close(
        image_of(baselines.cgls(problem, 100)), torch.linalg.lstsq(*stacked).solution
    )


def test_cgls_of_a_complex_image() -> None:
    matrix = random(40, GRID.numel, dtype=torch.complex128)
    image = torch.polar(blocks(), 3 * blocks()).reshape(-1)
    y = matrix @ image + 0.1 * random(40, seed=1, dtype=torch.complex128)
    problem = Problem(
        [Term(dense(matrix), y, ComplexGaussian(0.1))], box=GRID.box, grid=GRID, is_complex=True
    )
    torch.testing.assert_close(
        image_of(baselines.cgls(problem, 100)),
        torch.linalg.lstsq(matrix, y[:, None]).solution[:, 0],
    )
    assert back_projection(problem, [torch.arange(40)]).dtype == torch.complex128


def test_cgls_of_counts_is_the_weighted_logarithm() -> None:
    matrix = random(60, GRID.numel).abs() / 20
    line = matrix @ blocks().reshape(-1)
    noise = Poisson(1e4)
    y = noise.sample(line, torch.Generator().manual_seed(0))
    y[7] = 0
    solution = baselines.cgls(
        Problem([Term(dense(matrix), y, noise)], box=GRID.box, grid=GRID), 200
    )
    counts = y.clamp(min=0.5)
    root = counts.sqrt()
    expected = torch.linalg.lstsq(root[:, None] * matrix, root * torch.log(1e4 / counts)).solution
    torch.testing.assert_close(image_of(solution), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize("scale", [0.0, 1e-12, 1.0])
def test_cgls_survives_convergence(scale: float, dtype: torch.dtype) -> None:
    """After two iterations there is nothing left to do; after sixty there must still be an image."""
    grid = Grid(Box((0,), (1,)), (2,))
    matrix, y = (
        torch.tensor([[2.0, 0], [0, 1]], dtype=dtype),
        scale * torch.tensor([2.0, 3.0], dtype=dtype),
    )
    problem = Problem([Term(dense(matrix, grid), y, L2())], box=grid.box, grid=grid)
    got = image_of(baselines.cgls(problem, 60))
    torch.testing.assert_close(
        got, scale * torch.tensor([1.0, 3.0], dtype=dtype), rtol=1e-5, atol=0
    )


@pytest.mark.parametrize("weight", [0.1, 3.0, 30.0])
@pytest.mark.parametrize("rows", [20, 60], ids=["sparse", "full"])
def test_tv_agrees_with_another_method(weight: float, rows: int) -> None:
    problem = problem_of(rows)
    best = smoothed_minimum(problem, weight)
    solution = baselines.tv(problem, weight, iterations=3000)
    assert float(objective(problem, weight, solution.sample()[..., 0])) == pytest.approx(
        best, rel=1e-3
    )
    penalty = TotalVariation(
        grid=GRID, epsilon=0.0
    )  # the weight is that of λ * TotalVariation(grid=...)
    total = Gaussian(0.05)(
        problem.terms[0].operator.map(solution.sample()[..., 0]), problem.terms[0].y
    )  # type: ignore
    total = total + weight * penalty(solution.field, torch.zeros(1, 2))
    assert float(total) == pytest.approx(best, rel=1e-3)


@pytest.mark.parametrize("kind", ["complex", "channels"])
def test_tv_means_the_same_weight_for(kind: str) -> None:
    """λ of TV stands beside the same D as in `ii.solve`, whatever the data are."""
    if kind == "complex":
        matrix = random(20, GRID.numel, dtype=torch.complex128)
        y = matrix @ blocks().reshape(-1).to(matrix.dtype) + 0.1 * random(
            20, seed=1, dtype=torch.complex128
        )
        problem = Problem([Term(dense(matrix), y, ComplexGaussian(0.1))], box=GRID.box, grid=GRID)
    else:
        matrix = random(40, 2 * GRID.numel)
        y = matrix @ torch.cat([blocks(), -blocks()], -1).reshape(-1) + 0.1 * random(40, seed=1)
        problem = Problem(
            [Term(dense(matrix), y, Gaussian(0.1))], box=GRID.box, grid=GRID, channels=2
        )
    best = smoothed_minimum(problem, 30.0, problem.channels)
    got = baselines.tv(problem, 30.0, iterations=3000).sample()
    value = objective(problem, 30.0, got[..., 0] if problem.channels == 1 else got)
    assert float(value) == pytest.approx(best, rel=1e-3)


def test_tv_denoises_a_step() -> None:
    """In one dimension TV moves each plateau of a clean step by λ / length, and keeps it a step."""
    grid = Grid(Box((0,), (1,)), (20,))
    step = (torch.arange(20, dtype=F64) >= 8).double()
    problem = Problem(
        [Term(dense(torch.eye(20, dtype=F64), grid), step, L2())], box=grid.box, grid=grid
    )
    weight = 0.1  # of mean |∇x| = sum of jumps, beside ½ mean |x - y|²
    got = image_of(baselines.tv(problem, weight, iterations=3000))
    expected = weight / 0.4 + step * (1 - weight / 0.6 - weight / 0.4)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-4)


def test_tv_by_held_out_pixels_denoises_a_step() -> None:
    """Every pixel measured once: CGLS has nothing left to do after one step, and fits the noise exactly."""
    grid = Grid(Box((0.0, 0.0), (1.0, 1.0)), (24, 24))
    truth = (grid.points()[..., :1] > 0.5).float()
    operator = dense(torch.eye(grid.numel), grid)
    y = truth.reshape(-1) + 0.2 * torch.randn(
        grid.numel, generator=torch.Generator().manual_seed(0)
    )
    problem = Problem([Term(operator, y, Gaussian(0.2))], grid.box, grid)
    image = baselines.tv(problem).sample(grid)
    assert float((image - truth).square().mean().sqrt()) < 0.06


def test_tv_of_a_complex_image_does_not_know_its_phase() -> None:
    matrix, truth = random(40, GRID.numel), blocks().reshape(-1)
    turn = torch.polar(torch.ones((), dtype=F64), torch.tensor(0.7, dtype=F64))
    real, whole = (
        Problem(
            [Term(dense(m), m @ x, ComplexGaussian(0.1))], box=GRID.box, grid=GRID, is_complex=c
        )
        for m, x, c in ((matrix + 0j, truth + 0j, False), (matrix + 0j, turn * truth, True))
    )
    expected, got = (image_of(baselines.tv(p, 30.0, iterations=500)) for p in (real, whole))
    torch.testing.assert_close(got, turn * expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("nonnegative", [True, False])
def test_tv_keeps_the_sign(nonnegative: bool) -> None:
    problem = problem_of(20, sigma=1.0)
    got = image_of(baselines.tv(problem, 1.0, nonnegative=nonnegative))
    assert bool((got >= 0).all()) == nonnegative


def test_tv_of_nothing_is_nothing() -> None:
    term = Term(dense(random(60, GRID.numel)), torch.zeros(60, dtype=F64), L2())
    assert (
        image_of(baselines.tv(Problem([term], box=GRID.box, grid=GRID), iterations=20)) == 0
    ).all()


@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf])
def test_tv_refuses_weights(weight: float) -> None:
    with pytest.raises(ValueError, match="weight"):
        baselines.tv(problem_of(), weight, iterations=5)


def forbidden(points: Tensor) -> Tensor:
    raise AssertionError("the truth was looked at")


@pytest.mark.parametrize("method", [baselines.cgls, baselines.tv])
def test_held_out_choice_never_sees_the_truth(method) -> None:
    images = []
    for reference in (None, forbidden):
        solution = method(problem_of(sigma=0.5, reference=reference))
        assert len(solution.watched[0]) == 3
        assert "held-out" in str(solution.stopped)
        assert "oracle" not in solution.method
        images.append(image_of(solution))
    assert torch.equal(*images)


@pytest.mark.parametrize("method", [baselines.cgls, baselines.tv])
def test_an_oracle_says_so(method) -> None:
    def truth(p: Tensor) -> Tensor:
        return ((p[..., :1] > 0.4) & (p[..., :1] < 1.6) & (p[..., 1:] > 1) & (p[..., 1:] < 2.5)).to(
            p.dtype
        )

    with pytest.raises(ValueError, match="has no reference"):
        method(problem_of(), "oracle")
    ladder = {"weights": (1.0, 40.0)} if method is baselines.tv else {}
    solution = method(problem_of(sigma=1.0, reference=truth), "oracle", **ladder)
    assert "oracle" in solution.method
    assert not solution.watched
    others = [method(problem_of(sigma=1.0, reference=truth), k) for k in (1, 40)]
    expected = sample(truth, GRID, average=4)
    error = [relative_error(s.sample(), expected) for s in (solution, *others)]
    assert error[0] <= min(error) + 1e-3


@pytest.mark.parametrize("method", [baselines.cgls, baselines.tv])
def test_other_rules_are_refused(method) -> None:
    with pytest.raises(ValueError, match="'held-out' or 'oracle'"):
        method(problem_of(), "reference")


@pytest.mark.parametrize(
    "count", [np.int64(5), 0, -3, 2.5], ids=["numpy", "zero", "negative", "fraction"]
)
def test_cgls_takes_or_refuses_a_count(count) -> None:
    if count == 5:
        solution = baselines.cgls(problem_of(), count)
        torch.testing.assert_close(image_of(solution), image_of(baselines.cgls(problem_of(), 5)))
        return
    with pytest.raises((TypeError, ValueError), match="iterations"):
        baselines.cgls(problem_of(), count)
