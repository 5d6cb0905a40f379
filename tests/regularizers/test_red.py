"""Regularization by denoising: its slope, its fixed point, and when the denoiser is asked."""

import pytest
import torch
from cases.linear import F64, GRID, dense, random
from torch import nn

from inverse_inr import Problem, SampledField, Solver, Term, noise, stopping
from inverse_inr.regularizers import RED

POINTS = torch.zeros(1, 2)


class Pixels(nn.Module):
    """A field that is a free image."""

    def __init__(self) -> None:
        super().__init__()
        self.values = nn.Parameter(torch.zeros(*GRID.shape, 1, dtype=F64))

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        return SampledField(self.values, GRID)(points)

    def sample(self, grid) -> torch.Tensor:
        assert grid == GRID
        return self.values


def smoother() -> torch.Tensor:
    """A symmetric matrix W with eigenvalues between 0.2 and 1."""
    q = torch.linalg.qr(random(30, 30, seed=7))[0]
    return q @ torch.diag(torch.linspace(0.2, 1.0, 30, dtype=F64)) @ q.T


def by(matrix: torch.Tensor):
    return lambda x, sigma: (matrix @ x.flatten()).reshape(x.shape)


def test_the_slope_is_the_residual_over_sigma_squared():
    field = Pixels()
    field.values.data = random(*GRID.shape, 1)
    w = smoother()
    RED(by(w), 0.3, GRID)(field, POINTS).backward()
    x = field.values.detach().flatten()
    assert field.values.grad is not None
    torch.testing.assert_close(field.values.grad.flatten(), (x - w @ x) / (0.3**2 * 30))


def test_a_linear_denoisers_fixed_point_is_the_closed_form():
    """The slope of the sum is 0: A'(A x - y) / (m s²) + λ (x - W x) / (n σ²) = 0."""
    matrix = random(20, 30)
    y = matrix @ random(30, seed=2)
    problem = Problem([Term(dense(matrix), y, noise.Gaussian(0.5))], GRID.box, GRID)
    w, sigma, weight = smoother(), 0.4, 0.8
    solver = Solver(
        problem,
        Pixels(),
        regularizers=[weight * RED(by(w), sigma, GRID)],
        steps=1500,
        lr=0.02,
        stopping=stopping.Never(),
    )
    found = solver.run().sample().flatten()
    left = matrix.T @ matrix / (20 * 0.5**2)
    left = left + weight * (torch.eye(30, dtype=F64) - w) / (30 * sigma**2)
    exact = torch.linalg.solve(left, matrix.T @ y / (20 * 0.5**2))
    torch.testing.assert_close(found, exact, rtol=0, atol=2e-3 * float(exact.abs().max()))


def test_the_denoiser_is_asked_every_k_evaluations_of_a_field():
    asked = []

    def denoise(x, sigma):
        asked.append(sigma)
        return 0.5 * x

    red = RED(denoise, 0.1, GRID, every=3)
    field = Pixels()
    for _ in range(7):
        red(field, POINTS)
    assert len(asked) == 3
    red(Pixels(), POINTS)  # another field has another target
    assert len(asked) == 4
    with torch.no_grad():
        red(field, POINTS)  # a report is of the field as it is
    assert len(asked) == 5


def test_a_field_that_the_denoiser_keeps_costs_nothing():
    field = Pixels()
    field.values.data = random(*GRID.shape, 1)
    assert RED(lambda x, sigma: x, 0.1, GRID)(field, POINTS).item() == 0


def test_bad_options_are_refused():
    with pytest.raises(ValueError, match="sigma"):
        RED("tv", 0.0, GRID)
    with pytest.raises(ValueError, match="every"):
        RED("tv", 0.1, GRID, every=0)
