"""Total variation against an independent minimiser and closed forms."""

import math

import pytest
import torch
from cases.linear import F64, GRID, blocks, dense, image_of, problem_of, random
from torch import Tensor

from inverse_inr import baselines
from inverse_inr.domain import Box, Grid
from inverse_inr.fidelity import L2
from inverse_inr.noise import ComplexGaussian, Gaussian
from inverse_inr.problem import Problem
from inverse_inr.regularizers import TotalVariation
from inverse_inr.term import Term


def objective(problem: Problem, weight: float, x: Tensor, *, smooth: float = 0.0) -> Tensor:
    """Σ weight D(A x, y) + λ mean |∇x|, from the library's fidelities and another gradient."""
    total = torch.zeros((), dtype=F64)
    for term in problem.terms:
        predicted = term.operator.map(x).reshape(term.y.shape)  # type: ignore
        total = total + term.weight * term.fidelity(predicted, term.y)
    slopes = []
    for k, h in enumerate(GRID.spacing):
        padded = torch.cat([x, x.narrow(k, x.shape[k] - 1, 1)], k)
        slopes.append((padded.narrow(k, 1, x.shape[k]) - x) / h)
    squared = torch.stack(slopes).square().sum(0)
    return total + weight * ((squared + smooth**2).sqrt() - smooth).mean()


def without_channel(x: Tensor) -> Tensor:
    """An image of one channel without its channel axis; one of several as it is."""
    if x.shape[-1] == 1:
        return x[..., 0]
    return x


def smoothed_minimum(problem: Problem, weight: float, channels: int = 1) -> float:
    """The least objective that L-BFGS finds with ever sharper corners: an independent method."""
    x = torch.zeros(*GRID.shape, channels, dtype=F64, requires_grad=True)
    for smooth in (1.0, 0.1, 0.01, 1e-3, 1e-4):
        lbfgs = torch.optim.LBFGS(
            [x], max_iter=300, line_search_fn="strong_wolfe", tolerance_change=1e-14
        )

        def closure(lbfgs=lbfgs, smooth=smooth) -> Tensor:
            lbfgs.zero_grad()
            value = objective(problem, weight, without_channel(x), smooth=smooth)
            value.backward()
            return value

        lbfgs.step(closure)  # type: ignore[arg-type]
    return float(objective(problem, weight, without_channel(x)).detach())


@pytest.mark.parametrize(
    ("rows", "weight"),
    [
        pytest.param(20, 0.1, id="sparse-0.1", marks=pytest.mark.slow),
        pytest.param(20, 3.0, id="sparse-3.0"),
        pytest.param(20, 30.0, id="sparse-30.0", marks=pytest.mark.slow),
        pytest.param(60, 0.1, id="full-0.1"),
        pytest.param(60, 3.0, id="full-3.0"),
        pytest.param(60, 30.0, id="full-30.0"),
    ],
)
def test_tv_agrees_with_another_method(rows: int, weight: float) -> None:
    problem = problem_of(rows)
    best = smoothed_minimum(problem, weight)
    solution = baselines.tv(problem, weight, iterations=3000)
    found = solution.sample()[..., 0]
    assert float(objective(problem, weight, found)) == pytest.approx(best, rel=1e-3)
    # the weight is that of λ * TotalVariation(grid=...)
    penalty = TotalVariation(grid=GRID, epsilon=0.0)
    term = problem.terms[0]
    total = Gaussian(0.05)(term.operator.map(found), term.y)  # type: ignore
    total = total + weight * penalty(solution.field, torch.zeros(1, 2))
    assert float(total) == pytest.approx(best, rel=1e-3)


def of_complex_measurements() -> Problem:
    matrix = random(20, GRID.numel, dtype=torch.complex128)
    noise = 0.1 * random(20, seed=1, dtype=torch.complex128)
    y = matrix @ blocks().reshape(-1).to(matrix.dtype) + noise
    term = Term(dense(matrix), y, ComplexGaussian(0.1))
    return Problem([term], box=GRID.box, grid=GRID)


def of_two_channels() -> Problem:
    matrix = random(40, 2 * GRID.numel)
    y = matrix @ torch.cat([blocks(), -blocks()], -1).reshape(-1) + 0.1 * random(40, seed=1)
    term = Term(dense(matrix), y, Gaussian(0.1))
    return Problem([term], box=GRID.box, grid=GRID, channels=2)


@pytest.mark.parametrize(
    "make", [of_complex_measurements, of_two_channels], ids=["complex", "channels"]
)
def test_tv_means_the_same_weight_whatever_the_data_are(make) -> None:
    """The weight λ of TV is added to the same D as in `ii.solve`."""
    problem = make()
    best = smoothed_minimum(problem, 30.0, problem.channels)
    got = baselines.tv(problem, 30.0, iterations=3000).sample()
    value = objective(problem, 30.0, without_channel(got))
    assert float(value) == pytest.approx(best, rel=1e-3)


def test_tv_denoises_a_step() -> None:
    """In one dimension TV moves each plateau of a clean step by λ / length, and keeps it a step."""
    grid = Grid(Box((0,), (1,)), (20,))
    step = (torch.arange(20, dtype=F64) >= 8).double()
    term = Term(dense(torch.eye(20, dtype=F64), grid), step, L2())
    problem = Problem([term], box=grid.box, grid=grid)
    weight = 0.1  # of mean |∇x| = sum of jumps, together with ½ mean |x - y|²
    got = image_of(baselines.tv(problem, weight, iterations=3000))
    expected = weight / 0.4 + step * (1 - weight / 0.6 - weight / 0.4)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-4)


def test_tv_by_held_out_pixels_denoises_a_step() -> None:
    """Every pixel is measured once: CGLS would fit the noise exactly after one step."""
    grid = Grid(Box((0.0, 0.0), (1.0, 1.0)), (24, 24))
    truth = (grid.points()[..., :1] > 0.5).float()
    operator = dense(torch.eye(grid.numel), grid)
    draws = torch.randn(grid.numel, generator=torch.Generator().manual_seed(0))
    y = truth.reshape(-1) + 0.2 * draws
    problem = Problem([Term(operator, y, Gaussian(0.2))], grid.box, grid)
    image = baselines.tv(problem).sample(grid)
    assert float((image - truth).square().mean().sqrt()) < 0.06


def test_tv_of_a_complex_image_does_not_know_its_phase() -> None:
    matrix = random(40, GRID.numel) + 0j
    truth = blocks().reshape(-1)
    turn = torch.polar(torch.ones((), dtype=F64), torch.tensor(0.7, dtype=F64))

    def solved(image: Tensor, is_complex: bool) -> Tensor:
        term = Term(dense(matrix), matrix @ image, ComplexGaussian(0.1))
        problem = Problem([term], box=GRID.box, grid=GRID, is_complex=is_complex)
        return image_of(baselines.tv(problem, 30.0, iterations=500))

    expected = solved(truth + 0j, False)
    got = solved(turn * truth, True)
    torch.testing.assert_close(got, turn * expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("nonnegative", [True, False])
def test_tv_keeps_the_sign(nonnegative: bool) -> None:
    problem = problem_of(20, sigma=1.0)
    got = image_of(baselines.tv(problem, 1.0, nonnegative=nonnegative))
    assert bool((got >= 0).all()) == nonnegative


def test_tv_of_nothing_is_nothing() -> None:
    term = Term(dense(random(60, GRID.numel)), torch.zeros(60, dtype=F64), L2())
    problem = Problem([term], box=GRID.box, grid=GRID)
    assert (image_of(baselines.tv(problem, iterations=20)) == 0).all()


@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf])
def test_tv_refuses_weights_that_are_negative_or_not_finite(weight: float) -> None:
    with pytest.raises(ValueError, match="weight"):
        baselines.tv(problem_of(), weight, iterations=5)


def test_a_finer_image_keeps_edges_within_a_pixel_from_being_fitted() -> None:
    from inverse_inr.problems.ct import ct

    problem = ct("shepp_logan", size=32, views=24, noise_level=0.002)
    fine = baselines.tv(problem, finer=2)
    assert fine.sample(problem.grid.refined(2)).shape == (64, 64, 1)
    assert fine.image().shape == (32, 32, 1)
    assert fine.psnr() > baselines.tv(problem, "oracle").psnr() + 0.5


def test_an_image_to_begin_with_spares_iterations() -> None:
    problem = problem_of()
    whole = baselines.tv(problem, 1e-3, iterations=3000)
    start = image_of(whole).reshape(*GRID.shape, -1)
    warm = image_of(baselines.tv(problem, 1e-3, iterations=1, start=start))
    cold = image_of(baselines.tv(problem, 1e-3, iterations=1))
    error = (warm - image_of(whole)).norm()
    assert error < 0.02 * (cold - image_of(whole)).norm()


def test_an_image_of_another_shape_to_begin_with_is_refused() -> None:
    with pytest.raises(ValueError, match=r"tv: start has shape \(3, 3, 1\); the image has"):
        baselines.tv(problem_of(), 1.0, start=torch.zeros(3, 3, 1))
