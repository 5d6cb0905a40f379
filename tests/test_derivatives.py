"""Derivatives of fields at points and on grids, against closed forms."""

import pytest
import torch
from torch import Tensor

from inverse_inr.derivatives import gradient, gradient_adjoint, grid_gradient, laplacian
from inverse_inr.domain import Box, Grid
from inverse_inr.evaluation import Memo
from inverse_inr.sampled import SampledField

F64 = torch.float64
BOX = Box((0, 0), (2, 3))
GRID = Grid(BOX, (16, 24))
POINTS = BOX.random_points(400, dtype=F64, generator=torch.Generator().manual_seed(0))
SLOPE = (3.0, 4.0)


def ramp(p: Tensor) -> Tensor:
    return 3 * p[..., :1] + 4 * p[..., 1:] + 0 * p[..., :1] ** 2


def wave(p: Tensor) -> Tensor:
    """A wave with |∇f|² = 4 cos²(2x) and Δf = -4 sin 2x."""
    return torch.sin(2 * p[..., :1]) + 0 * p[..., 1:]


def test_derivatives_are_analytic() -> None:
    x = POINTS[:, 0]
    slope = torch.tensor([[SLOPE]], dtype=F64).expand(400, 1, 2)
    torch.testing.assert_close(gradient(ramp, POINTS), slope)
    torch.testing.assert_close(gradient(wave, POINTS)[:, 0, 0], 2 * torch.cos(2 * x))
    torch.testing.assert_close(laplacian(wave, POINTS)[:, 0], -4 * torch.sin(2 * x))
    both = laplacian(lambda p: p.square() * torch.tensor([1.0, 3.0]), POINTS)
    torch.testing.assert_close(both, torch.tensor([2.0, 6.0], dtype=F64).expand(400, 2))


def test_complex_fields_have_a_complex_gradient() -> None:
    g = gradient(lambda p: torch.exp(1j * p[..., :1]), POINTS)
    torch.testing.assert_close(g[:, 0, 0], 1j * torch.exp(1j * POINTS[:, 0]))
    on_grid = grid_gradient(torch.exp(1j * GRID.points(F64)[..., :1]), GRID.spacing)
    assert on_grid.is_complex()


@pytest.mark.parametrize(
    ("field", "slope"),
    [(lambda p: p[..., :1], (1.0, 0.0)), (lambda p: (p[..., :1] > 1).double(), (0.0, 0.0))],
    ids=["linear", "indicator"],
)
def test_fields_that_autograd_finds_constant(field, slope: tuple[float, float]) -> None:
    """A phantom is a field too: flat pieces have slope zero, linear ones no curvature."""
    expected = torch.tensor([[slope]], dtype=F64).expand(400, 1, 2)
    torch.testing.assert_close(gradient(field, POINTS), expected)
    torch.testing.assert_close(laplacian(field, POINTS), torch.zeros(400, 1, dtype=F64))


def test_a_pixel_image_has_no_laplacian() -> None:
    """It is multilinear between pixel centres, and Δf would silently be zero."""
    grid = Grid(Box((0.0, 0.0), (1.0, 1.0)), (4, 4))
    generator = torch.Generator().manual_seed(0)
    image = SampledField(torch.rand(4, 4, 1, dtype=F64, generator=generator), grid)
    for field in (image, Memo(image)):
        with pytest.raises(TypeError, match="'SampledField' has 0 continuous derivatives"):
            laplacian(field, POINTS)


@pytest.mark.parametrize("shape", [(7,), (4, 5), (3, 1, 4)])
@pytest.mark.parametrize("channels", [1, 2])
def test_the_adjoint_of_the_grid_gradient_is_exact(shape: tuple[int, ...], channels: int) -> None:
    spacing = [0.5 + k for k in range(len(shape))]
    x = torch.randn(*shape, channels, dtype=F64)
    flow = torch.randn(*shape, channels, len(shape), dtype=F64)
    left = (grid_gradient(x, spacing) * flow).sum()
    right = (x * gradient_adjoint(flow, spacing)).sum()
    torch.testing.assert_close(left, right, rtol=1e-12, atol=1e-12)
