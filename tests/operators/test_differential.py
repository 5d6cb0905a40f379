"""Derivatives as measurements: closed forms, identities, refusals."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from inverse_inr import Box, Grid, as_linear_map, predict, priors
from inverse_inr.operators import (
    Curl,
    Divergence,
    Gradient,
    Hessian,
    Jet,
    Laplacian,
    NormalDerivative,
    Residual,
    box_boundary,
)
from inverse_inr.testing import OperatorTests

BOX = Box((-1.0, 2.0), (0.5, 4.0), ("mm", "mm"))
SIZES = [(6, 6), (5, 5), (4, 7)]
SPACE = Box((0.0, -1.0, 1.0), (1.0, 1.0, 1.5))


def wave(p: Tensor) -> Tensor:
    return torch.sin(2 * p[..., :1]) * torch.cos(3 * p[..., 1:2])


def several(p: Tensor) -> Tensor:
    x, y = p[..., :1], p[..., 1:2]
    return torch.cat([x**2 * y, x * y**3], -1)


# --- operators ----------------------------------------------------------------------------------


def test_derivatives_in_closed_form():
    grid = Grid(BOX, (5, 7))
    x, y = grid.points(torch.float64).reshape(-1, 2).unbind(-1)
    s, c, s3, c3 = (2 * x).sin(), (2 * x).cos(), (3 * y).sin(), (3 * y).cos()
    gradient = torch.stack([2 * c * c3, -3 * s * s3], -1)
    mixed = -6 * c * s3
    rows = torch.stack([-4 * s * c3, mixed], -1), torch.stack([mixed, -9 * s * c3], -1)
    hessian = torch.stack(rows, -2)
    normal = torch.tensor([0.6, 0.8])
    across = NormalDerivative(grid.points(torch.float64), normal.expand(5, 7, 2))
    for operator, truth in (
        (Gradient(grid), gradient),
        (Laplacian(grid), -13 * s * c3),
        (Hessian(grid), hessian),
        (across, gradient @ normal.double()),
        (Residual(lambda u: u.d(0, 0, 1) + u.value, grid), 12 * s * s3 + s * c3),
    ):
        assert (predict(operator, wave) - truth).abs().max() < 1e-12, type(operator).__name__
    assert torch.allclose(predict(Divergence(grid), several), 2 * x * y + 3 * x * y**2)
    assert torch.allclose(predict(Curl(grid), several), y**3 - x**2)
    assert predict(Hessian(grid), several).shape == (35, 2, 2, 2)
    assert predict(Laplacian(grid), several).shape == (35, 2)


def test_identities_of_vector_calculus():
    """In 3-D the curl of a rotation is twice its axis, and the Laplacian the trace of the Hessian.

    The Hessian is symmetric, as the curl of a gradient is zero.
    """
    grid = Grid(SPACE, (3, 4, 2))

    def potential(p: Tensor) -> Tensor:
        return torch.sin(p[..., :1]) * p[..., 1:2] ** 2 * torch.exp(p[..., 2:])

    def slope(p: Tensor) -> Tensor:
        return Jet(potential, p.reshape(-1, 3)).gradient[:, 0].reshape(p.shape)

    axis = torch.tensor([0.3, -0.5, 0.8], dtype=torch.float64)
    turning = predict(Curl(grid), lambda p: torch.linalg.cross(axis.expand_as(p), p))
    assert torch.allclose(turning, (2 * axis).expand(24, 3))
    points = grid.points(torch.float64).reshape(-1, 3)
    jet = Jet(potential, points)
    hessian = jet.hessian[:, 0]
    assert torch.allclose(hessian, hessian.mT)
    assert torch.allclose(jet.laplacian[:, 0], hessian.diagonal(dim1=-2, dim2=-1).sum(-1))
    assert torch.allclose(slope(points), jet.gradient[:, 0])


def test_complex_fields_have_complex_derivatives():
    k = torch.tensor([2.0, -1.0], dtype=torch.float64)
    grid = Grid(BOX, (4, 5))

    def plane(p: Tensor) -> Tensor:
        return torch.exp(1j * (p @ k))[..., None]

    f = plane(grid.points(torch.float64).reshape(-1, 2))[..., 0]
    assert torch.allclose(predict(Gradient(grid), plane), 1j * f[:, None] * k)
    helmholtz = Residual(lambda u: u.laplacian + 5 * u.value, grid)
    assert predict(helmholtz, plane).abs().max() < 1e-12


def test_gradients_reach_the_field_and_evaluation_records_nothing():
    prior = priors.create("siren", BOX, width=8, depth=1)
    operator = Laplacian(Grid(BOX, (90, 60)))  # more places than are differentiated at a time
    with torch.no_grad():
        whole = predict(operator, prior)
    assert not whole.requires_grad
    some = predict(operator, prior, torch.tensor([5000, 3]))
    assert torch.allclose(whole[[5000, 3]], some)
    some.square().sum().backward()
    assert sum(float(p.grad.abs().sum()) for p in prior.parameters() if p.grad is not None) > 0


def test_values_alone_are_refused():
    with pytest.raises(TypeError, match="Laplacian needs the field itself"):
        as_linear_map(Laplacian(Grid(BOX, (4, 4))), Grid(BOX, (4, 4)))


def test_a_kinked_prior_has_slopes_but_no_laplacian():
    kinked = priors.create("hash", BOX, levels=2, coarsest=4, finest=6)
    with pytest.raises(TypeError, match="'hash' has 0 continuous derivatives"):
        predict(Laplacian(Grid(BOX, (4, 4))), kinked)
    predict(Gradient(Grid(BOX, (4, 4))), kinked)  # slopes exist almost everywhere


class Derivatives(OperatorTests):
    """Derivatives are linear in the field, but no map of its values.

    Their adjoint and additivity are tested on fields below.
    """

    linear = False

    @pytest.fixture(autouse=True, params=SIZES, ids=str)
    def size(self, request: Any):
        self.grid = Grid(BOX, request.param)


class TestGradient(Derivatives):
    def make(self):
        return Gradient(self.grid)


class TestHessianOfChannels(Derivatives):
    channels = 3

    def make(self):
        return Hessian(self.grid)


class TestDivergence(Derivatives):
    channels = 2

    def make(self):
        return Divergence(self.grid)


class TestCurl(Derivatives):
    channels = 2

    def make(self):
        return Curl(self.grid.points(torch.float64))


class TestNormalDerivative(Derivatives):
    def make(self):
        return NormalDerivative(*box_boundary(BOX, 11))


class Diffusion(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rate = nn.Parameter(torch.tensor([0.3]))

    def forward(self, u: Jet) -> Tensor:
        return u.d(1) - self.rate * u.d(0, 0)


class TestResidualThatLearns(Derivatives):
    def make(self):
        return Residual(Diffusion(), self.grid)


class TestJitteredResidual(Derivatives):
    def make(self):
        return Residual(lambda u: u.laplacian, self.grid, jitter=True)


@pytest.mark.parametrize("shape", SIZES, ids=str)
@pytest.mark.parametrize(
    ("kind", "channels"),
    [(Gradient, 1), (Laplacian, 1), (Hessian, 1), (Divergence, 2), (Curl, 2)],
)
def test_linear_in_the_field_with_an_exact_adjoint(
    shape: tuple[int, int], kind: Any, channels: int
):
    """For a field linear in coefficients c, A(c + 2e) = A c + 2 A e and <A c, y> = <c, A' y>.

    Both hold to 1e-12; the adjoint is autograd's.
    """
    generator = torch.Generator().manual_seed(0)
    frequencies = torch.randn(9, 2, dtype=torch.float64, generator=generator)
    operator = kind(Grid(BOX, shape))

    def apply(c: Tensor) -> Tensor:
        return predict(operator, lambda p: (p @ frequencies.mT).sin() @ c)

    c, e = (torch.randn(9, channels, dtype=torch.float64, generator=generator) for _ in range(2))
    assert torch.allclose(apply(c + 2 * e), apply(c) + 2 * apply(e), atol=1e-12)
    start = c.clone().requires_grad_()
    seen = apply(start)
    y = torch.randn(seen.shape, dtype=torch.float64, generator=generator)
    back = torch.autograd.grad((seen * y).sum(), start)[0]
    seen = seen.detach()
    assert abs(float((seen * y).sum() - (c * back).sum())) <= 1e-12 * float(seen.norm() * y.norm())


def test_jitter_stays_inside_the_pixels():
    grid = Grid(BOX, (4, 5))
    operator = Residual(lambda u: u.points, grid, jitter=True).train()
    torch.manual_seed(0)
    moved = predict(operator, wave) - grid.points(torch.float64).reshape(-1, 2)
    assert float(moved.detach().abs().max()) > 0
    assert (moved.abs() <= 0.5 * torch.tensor(grid.spacing)).all()


def test_boundary_points_lie_on_the_faces_with_outward_normals():
    points, normals = box_boundary(BOX, 4000)
    lower, upper = torch.tensor(BOX.lower).double(), torch.tensor(BOX.upper).double()
    walls = (points == lower) | (points == upper)
    assert walls.any(-1).all()
    assert torch.allclose(normals.norm(dim=-1), torch.ones(4000).double())
    assert (((points - torch.tensor(BOX.center)) * normals).sum(-1) > 0).all()  # outward
    # faces are drawn by their length
    assert float((normals[:, 0] != 0).double().mean()) == pytest.approx(2.0 / 3.5, abs=0.03)
    start, _ = box_boundary(BOX, 5, faces=[(1, 0)])
    assert (start[:, 1] == 2.0).all()


def test_an_unknown_coefficient_is_learnt():
    """The field is known and the diffusion rate is not: one solve of the model finds it."""
    box = Box((0.0, 0.0), (1.0, 0.7))

    def decaying(p: Tensor) -> Tensor:
        return torch.exp(-0.2 * math.pi**2 * p[..., 1:]) * torch.sin(math.pi * p[..., :1])

    model = Diffusion()
    operator = Residual(model, Grid(box, (8, 8)))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        predict(operator, decaying).square().mean().backward()
        optimizer.step()
    assert float(model.rate.detach()) == pytest.approx(0.2, abs=1e-3)


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Gradient(torch.zeros(0, 2)), "positions must be a Grid or finite points"),
        (lambda: Gradient(torch.tensor([[math.nan, 0.0]])), "finite points"),
        (
            lambda: NormalDerivative(torch.zeros(3, 2), torch.zeros(2, 2)),
            "must be finite and shaped as points",
        ),
        (lambda: Residual(lambda u: u.value, torch.zeros(3, 2), jitter=True), "needs a grid"),
        (
            lambda: predict(Residual(lambda u: u.value.sum(), torch.zeros(3, 2)), wave),
            "pde returned shape",
        ),
        (lambda: predict(Divergence(torch.zeros(3, 2)), wave), "has 1 channels and 2 axes"),
        (lambda: predict(Curl(torch.zeros(3, 2)), wave), "2 channels in 2-D or 3 in 3-D"),
        (lambda: box_boundary(BOX, 3, faces=[(2, 0)]), "faces"),
        (lambda: box_boundary(BOX, 0), "count=0"),
    ],
)
def test_wrong_places_and_fields_are_refused(make: Any, message: str):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_derivative_along_an_axis_that_is_none_is_refused():
    with pytest.raises(IndexError, match="the field has 2 axes"):
        predict(Residual(lambda u: u.d(2), torch.zeros(3, 2)), wave)
