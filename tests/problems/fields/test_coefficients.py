"""Unknown coefficients: the solver and its slopes in closed form, then both inversions."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from inverse_inr import solve
from inverse_inr.operators import Jet
from inverse_inr.problems.fields import errors_by_channel, inverse_coefficient
from inverse_inr.problems.fields.coefficients import diffusion_residual, log_slopes
from inverse_inr.problems.fields.diffusion import Diffusion
from inverse_inr.solver import Solver


def hill(p: Tensor) -> Tensor:
    return torch.sin(math.pi * p[..., :1]) * torch.sin(math.pi * p[..., 1:])


def both(p: Tensor) -> Tensor:
    """The channels u = sin πx sin πy and k = exp(x y)."""
    return torch.cat([hill(p), torch.exp(p[..., :1] * p[..., 1:])], -1)


def test_the_equation_of_two_channels():
    """-∇·(k ∇u) = k (2π² u - y u_x - x u_y) for these."""
    points = torch.rand(50, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x, y = points.unbind(-1)
    pi = math.pi
    slopes = (
        pi * torch.cos(pi * x) * torch.sin(pi * y),
        pi * torch.sin(pi * x) * torch.cos(pi * y),
    )
    k = torch.exp(x * y)
    expected = k * (2 * pi**2 * hill(points)[:, 0] - y * slopes[0] - x * slopes[1])
    jet = Jet(both, points)
    assert torch.allclose(diffusion_residual(jet), expected, atol=1e-10)
    assert torch.allclose(log_slopes(jet), torch.stack([y, x], -1), atol=1e-10)


def solved(cells: int) -> float:
    nodes = Diffusion(cells, np.zeros((cells + 1) ** 2)).nodes.points(torch.float64)
    flat = nodes.reshape(-1, 2)
    source = diffusion_residual(Jet(both, flat)).detach().numpy()
    m = both(flat)[:, 1].log().numpy()
    u, _ = Diffusion(cells, source).solve(m)
    truth = hill(flat)[:, 0].numpy()
    return float(np.linalg.norm(u - truth) / np.linalg.norm(truth))


def test_finite_volumes_are_of_second_order():
    assert solved(16) < 1e-2
    assert solved(32) < solved(16) / 3.8


def test_slopes_of_sensors_by_adjoints_are_those_by_differences():
    model = Diffusion(8, np.ones(81))
    generator = np.random.default_rng(0)
    m, direction = 0.3 * generator.standard_normal((2, 81))
    seen = model.sample(torch.tensor([[0.31, 0.42], [0.77, 0.2], [0.5, 0.9]]))
    u, factors = model.solve(m)
    step = 1e-5
    ends = [seen @ model.solve(m + sign * step * direction)[0] for sign in (1, -1)]
    expected = (ends[0] - ends[1]) / (2 * step)
    found = model.slopes(m, u, factors, seen) @ direction
    assert np.allclose(found, expected, rtol=1e-6, atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Gauss-Newton, H1", "Gauss-Newton, TV"])
def test_the_classical_inversion_finds_the_coefficient(name):
    problem = inverse_coefficient(noise_level=0.002, seed=100)
    solution = problem.suggested.baselines[name](problem)
    errors = errors_by_channel(solution, ("u", "k"))
    assert errors["u"] < 5e-3
    assert errors["k"] < 0.15


@pytest.mark.slow
def test_a_fit_finds_solution_and_coefficient_together():
    problem = inverse_coefficient(noise_level=0.002, seed=100, inside=512)
    errors = errors_by_channel(Solver(problem, steps=40).run(), ("u", "k"))
    assert errors["u"] < 1e-2
    assert errors["k"] < 0.2


@pytest.mark.slow
def test_sensors_that_no_method_saw_decide():
    """A fit of one step predicts them worse than either inversion, which is made again from all."""
    problem = inverse_coefficient(seed=100, inside=64, size=16)
    answer = solve(replace(problem, suggested=replace(problem.suggested, steps=1)))
    assert answer.method in problem.suggested.baselines
    judged = answer.details["held-out by method"]
    assert judged[answer.method] == min(judged.values())
    assert set(judged) == {"nothing", *problem.suggested.baselines, "siren, exact boundary"}
