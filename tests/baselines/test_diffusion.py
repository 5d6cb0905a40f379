"""Diffusion with analytic models of the noise: Gaussians and mixtures have closed posteriors."""

import math

import pytest
import torch
from cases.linear import F64, GRID, dense, problem_of, random
from torch import nn

from inverse_inr import baselines, noise
from inverse_inr.baselines import ddpm_schedule, diffusion
from inverse_inr.domain import Box, Grid
from inverse_inr.fidelity import L2
from inverse_inr.problem import Problem
from inverse_inr.term import Term

ALPHAS = ddpm_schedule()
MODEL_SPAN = (-1.0, 1.0)
"""The image is in the model's unit."""


def gaussian_eps(mean: torch.Tensor, spread: float):
    """ε(x_t, t) of images N(mean, spread²): the best estimate of the noise in x_t."""

    def eps(x, t):
        alpha = float(ALPHAS[t])
        variance = alpha * spread**2 + 1 - alpha
        return math.sqrt(1 - alpha) * (x - math.sqrt(alpha) * mean) / variance

    return eps


def test_the_schedule_is_that_of_ddpm():
    assert len(ALPHAS) == 1000
    assert float(ALPHAS[0]) == pytest.approx(1 - 1e-4)
    assert float(ALPHAS[1]) == pytest.approx((1 - 1e-4) * (1 - 1e-4 - 0.0199 / 999))
    assert float(ALPHAS[-1]) < 5e-5


def test_samples_of_a_gaussian_have_the_posteriors_mean_and_deviation():
    mean = random(*GRID.shape, 1, seed=3)
    spread, sigma = 0.7, 0.5
    matrix = random(12, 30, seed=4) / 3
    truth = mean + spread * random(*GRID.shape, 1, seed=5)
    y = matrix @ truth.flatten() + sigma * random(12, seed=6)
    problem = Problem([Term(dense(matrix), y, noise.Gaussian(sigma))], GRID.box, GRID)
    found = diffusion(
        problem, gaussian_eps(mean, spread), span=MODEL_SPAN, spread=spread, steps=6, samples=80
    )
    precision = matrix.T @ matrix / sigma**2 + torch.eye(30, dtype=F64) / spread**2
    right = matrix.T @ y / sigma**2 + mean.flatten() / spread**2
    exact = torch.linalg.solve(precision, right)
    deviation = torch.linalg.inv(precision).diagonal().sqrt()
    off = (found.sample().flatten() - exact) / deviation * math.sqrt(80)
    assert float(off.square().mean()) == pytest.approx(1.0, abs=0.6)  # chi² of 30 values, ±2.3 sd
    rms = float(deviation.square().mean().sqrt())
    assert found.details["standard deviation"] == pytest.approx(rms, rel=0.1)


def test_without_perturbation_a_gaussian_gives_one_image_near_the_mean():
    """The last steps no longer change what the first have found: near, not exact."""
    mean = torch.zeros(*GRID.shape, 1, dtype=F64)
    matrix = random(12, 30, seed=4) / 3
    y = matrix @ random(30, seed=5) + 0.1 * random(12, seed=6)
    problem = Problem([Term(dense(matrix), y, noise.Gaussian(0.1))], GRID.box, GRID)
    found = diffusion(
        problem, gaussian_eps(mean, 1.0), span=MODEL_SPAN, perturbed=False, renewed=0.0
    )
    again = diffusion(
        problem, gaussian_eps(mean, 1.0), span=MODEL_SPAN, perturbed=False, renewed=0.0
    )
    torch.testing.assert_close(found.sample(), again.sample())
    residual = matrix @ found.sample().flatten() - y
    assert float(residual.square().mean().sqrt()) < 0.15


def test_samples_of_a_mixture_are_of_the_component_that_the_data_say():
    """Two images ±m, each blurred a little, and one measurement that tells them apart.

    Given x_t, x₀ is no Gaussian here: where the data leave both components open, the sampler takes
    the less likely one too often.
    """
    grid = Grid(Box((0.0, 0.0), (1.0, 2.0)), (1, 2))
    m = torch.tensor([0.5, -0.5], dtype=F64).reshape(1, 2, 1)
    spread, sigma = 0.15, 0.2

    def eps(x, t):
        alpha = float(ALPHAS[t])
        variance = alpha * spread**2 + 1 - alpha
        centre = math.sqrt(alpha) * m
        lean = torch.tanh((x * centre).sum() / variance)  # P(+) - P(-)
        return math.sqrt(1 - alpha) * (x - lean * centre) / variance

    matrix = torch.tensor([[1.0, -1.0]], dtype=F64)
    y = torch.tensor([0.9], dtype=F64)
    problem = Problem([Term(dense(matrix, grid), y, noise.Gaussian(sigma))], grid.box, grid)
    found = diffusion(problem, eps, span=MODEL_SPAN, spread=0.72, steps=30, samples=40).sample()
    exact = _mixture_mean(matrix, y, m.flatten(), spread, sigma)
    # 40 samples: a standard error of 0.03 |m|
    assert float((found.flatten() - exact).norm()) < 0.12 * float(m.norm())


def _mixture_mean(matrix, y, m, spread, sigma):
    variance = float((matrix @ matrix.T).squeeze()) * spread**2 + sigma**2
    gain = spread**2 * matrix.T / variance
    means, logs = [], []
    for centre in (m, -m):
        off = y - matrix @ centre
        means.append(centre + (gain @ off))
        logs.append(float(-0.5 * off.square().sum() / variance))
    share = torch.softmax(torch.tensor(logs, dtype=F64), 0)
    return share[0] * means[0] + share[1] * means[1]


def test_the_span_is_the_image_of_minus_one_and_one():
    """The same problem in another unit gives the same image in that unit."""
    mean = torch.zeros(*GRID.shape, 1, dtype=F64)
    matrix = random(12, 30, seed=4) / 3
    truth = random(30, seed=5)
    eps = gaussian_eps(mean, 1.0)
    y = matrix @ truth
    one = Problem([Term(dense(matrix), y, noise.Gaussian(0.1))], GRID.box, GRID)
    shifted = matrix @ (300 + 50 * truth)
    two = Problem([Term(dense(matrix), shifted, noise.Gaussian(5.0))], GRID.box, GRID)
    options = {"steps": 5, "seed": 3, "inner": 200}
    found = diffusion(two, eps, span=(250.0, 350.0), **options).sample()
    same = diffusion(one, eps, span=MODEL_SPAN, **options).sample()
    torch.testing.assert_close((found - 300) / 50, same, rtol=1e-3, atol=1e-3)


class Still(nn.Module):
    """A module that finds no noise, of stacks of planes and times."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.zeros(1))
        self.times: list[int] = []

    def forward(self, x, t):
        assert x.shape[1:] == (1, *GRID.shape)
        assert t.shape == x.shape[:1]
        self.times.append(int(t[0]))
        return self.one * x


def test_a_module_sees_stacks_and_falling_times():
    model = Still()
    diffusion(problem_of(), model, steps=4)
    assert model.times == [999, 666, 333, 0]


def test_what_is_no_schedule_and_no_likelihood_is_refused():
    model = Still()
    with pytest.raises(ValueError, match="alphas"):
        diffusion(problem_of(), model, alphas=ALPHAS.flip(0))
    with pytest.raises(ValueError, match="span"):
        diffusion(problem_of(), model, span=(1.0, 0.0))
    with pytest.raises(TypeError, match="noise model"):
        diffusion(problem_of(fidelity=L2()), model)
    with pytest.raises(ValueError, match="below 1"):
        baselines.ddpm_schedule(10, 0.5, 1.0)
