"""Derivatives as terms: boundary-value problems with known solutions, images from derivatives."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from inverse_inr import Box, Grid, Problem, Term, predict, priors, sample, solve
from inverse_inr.fidelity import L2
from inverse_inr.operators import (
    Gradient,
    Laplacian,
    NormalDerivative,
    PointSamples,
    Residual,
    box_boundary,
)


def wave(p: Tensor) -> Tensor:
    return torch.sin(2 * p[..., :1]) * torch.cos(3 * p[..., 1:2])


def chebyshev(box: Box, count: int) -> list[Callable[[Tensor], Tensor]]:
    """All products of Chebyshev polynomials below degree `count` along two axes, each a field."""

    def polynomial(t: Tensor, degree: int) -> Tensor:
        before, now = torch.ones_like(t), t
        for _ in range(degree):
            before, now = now, 2 * t * now - before
        return before

    def product(p: Tensor, i: int, j: int) -> Tensor:
        t = 2 * (p - p.new_tensor(box.lower)) / p.new_tensor(box.lengths) - 1
        return polynomial(t[..., :1], i) * polynomial(t[..., 1:], j)

    return [partial(product, i=i, j=j) for i in range(count) for j in range(count)]


def collocate(terms: list[tuple[Any, Tensor]], box: Box, count: int) -> Callable[[Tensor], Tensor]:
    """The polynomial that fits all terms by least squares.

    A solver does the same to a prior; this field is linear in its parameters.
    """
    basis = chebyshev(box, count)
    with torch.no_grad():
        columns = [
            torch.cat([predict(operator, f).flatten() for operator, _ in terms]) for f in basis
        ]
    y = torch.cat([y.detach().flatten() for _, y in terms])
    answer = np.linalg.lstsq(torch.stack(columns, -1).numpy(), y.numpy(), rcond=None)[0]
    return lambda p: torch.stack([float(a) * f(p) for a, f in zip(answer, basis, strict=True)]).sum(
        0
    )


def relative(field: Any, truth: Any, box: Box) -> float:
    points = box.random_points(500, dtype=torch.float64, generator=torch.Generator().manual_seed(9))
    return float((field(points) - truth(points)).norm() / truth(points).norm())


SQUARE = Box((0.0, -1.0), (1.0, 1.0))


def test_poisson_with_dirichlet_and_neumann_conditions():
    """-Δu = s, u given on three sides and ∂u/∂n on the fourth: u = sin 2x cos 3y, s = 13 u."""
    inside = Grid(SQUARE, (14, 14))
    rim, _ = box_boundary(SQUARE, 80, faces=[(0, 0), (1, 0), (1, 1)])
    wall, normals = box_boundary(SQUARE, 30, faces=[(0, 1)])
    flux = 2 * (2 * wall[:, 0]).cos() * (3 * wall[:, 1]).cos()
    source = 13 * wave(inside.points(torch.float64)).flatten()
    terms = [
        (Residual(lambda u: -u.laplacian, inside), source),
        (PointSamples(rim), wave(rim)[:, 0]),
        (NormalDerivative(wall, normals), flux),
    ]
    assert relative(collocate(terms, SQUARE, 11), wave, SQUARE) < 1e-4


def test_helmholtz_with_a_plane_wave():
    """Δu + k² u = 0 with boundary values of a plane wave, k not an eigenvalue of the box."""

    def plane(p: Tensor) -> Tensor:
        return torch.cos(3.0 * p[..., :1] + 4.0 * p[..., 1:])

    rim, _ = box_boundary(SQUARE, 120)
    inside = Grid(SQUARE, (16, 16))
    terms = [
        (
            Residual(lambda u: u.laplacian + 25 * u.value, inside),
            torch.zeros(256, dtype=torch.float64),
        ),
        (PointSamples(rim), plane(rim)[:, 0]),
    ]
    assert relative(collocate(terms, SQUARE, 13), plane, SQUARE) < 1e-4


def test_heat_equation_from_an_initial_state():
    """u_t = κ u_xx on (x, t), u = 0 at both ends: exp(-κ π² t) sin πx."""
    box = Box((0.0, 0.0), (1.0, 0.7), ("m", "s"))

    def decaying(p: Tensor) -> Tensor:
        return torch.exp(-0.3 * math.pi**2 * p[..., 1:]) * torch.sin(math.pi * p[..., :1])

    start, _ = box_boundary(box, 40, faces=[(1, 0)])
    ends, _ = box_boundary(box, 40, faces=[(0, 0), (0, 1)])
    terms = [
        (
            Residual(lambda u: u.d(1) - 0.3 * u.d(0, 0), Grid(box, (14, 14))),
            torch.zeros(196, dtype=torch.float64),
        ),
        (PointSamples(start), decaying(start)[:, 0]),
        (PointSamples(ends), torch.zeros(40, dtype=torch.float64)),
    ]
    assert relative(collocate(terms, box, 11), decaying, box) < 1e-4


def test_wave_equation_from_displacement_and_velocity():
    """u_tt = c² u_xx, u and u_t at the start, ends held: sin πx (cos cπt + sin cπt)."""
    box, c = Box((0.0, 0.0), (1.0, 0.8), ("m", "s")), 1.3

    def standing(p: Tensor) -> Tensor:
        t = c * math.pi * p[..., 1:]
        return torch.sin(math.pi * p[..., :1]) * (t.cos() + t.sin())

    start, normals = box_boundary(box, 40, faces=[(1, 0)])
    ends, _ = box_boundary(box, 40, faces=[(0, 0), (0, 1)])
    velocity = c * math.pi * torch.sin(math.pi * start[:, 0])
    terms = [
        (
            Residual(lambda u: u.d(1, 1) - c**2 * u.d(0, 0), Grid(box, (14, 14))),
            torch.zeros(196, dtype=torch.float64),
        ),
        (PointSamples(start), standing(start)[:, 0]),
        # the outward normal of the first instant points to the past
        (NormalDerivative(start, -normals), velocity),
        (PointSamples(ends), torch.zeros(40, dtype=torch.float64)),
    ]
    assert relative(collocate(terms, box, 11), standing, box) < 1e-4


@pytest.mark.parametrize(("kind", "known"), [(Gradient, 1), (Laplacian, 80)])
def test_an_image_from_its_derivatives_alone(kind: Any, known: int):
    """A gradient leaves a constant free, which one value fixes; a Laplacian needs the whole rim."""
    operator = kind(Grid(SQUARE, (14, 14)))
    rim = box_boundary(SQUARE, 80)[0][:known]
    values = (PointSamples(rim), wave(rim)[:, 0])
    field = collocate([(operator, predict(operator, wave)), values], SQUARE, 11)
    assert relative(field, wave, SQUARE) < 1e-4


def test_the_solver_takes_derivative_terms():
    """A prior fits an image from its gradient, by the solver and its held-out rows."""
    grid = Grid(SQUARE, (24, 24))
    operator = Gradient(grid)
    problem = Problem([Term(operator, predict(operator, wave).float(), L2())], SQUARE, grid)
    prior = priors.create("siren", SQUARE, width=32, depth=2, omega0=5.0)
    solution = solve(problem, prior, steps=250, lr=2e-3, batch=288, regularizers=[])
    image, truth = solution.sample().double()[..., 0], sample(wave, grid)[..., 0].double()
    image = image + (truth - image).mean()
    psnr = 10 * math.log10(
        float((truth.max() - truth.min()) ** 2 / (image - truth).square().mean())
    )
    assert psnr > 30
