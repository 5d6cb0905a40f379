"""Sampled fields and their interpolation matrices against linear functions and each other."""

import pytest
import torch
from torch import Tensor

from inverse_inr.domain import Box, Grid
from inverse_inr.sampled import SampledField, interpolation_matrix

F64 = torch.float64
GRIDS = [
    Grid(Box((-1,), (2,)), (7,)),
    Grid(Box((-1, 0), (2, 1)), (6, 9)),
    Grid(Box((-1, 0, 3), (2, 1, 9)), (4, 5, 3)),
]


def linear(p: Tensor) -> Tensor:
    """Two channels, linear in the coordinates."""
    slope = torch.arange(1.0, p.shape[-1] + 1, dtype=p.dtype)
    return torch.stack([(p * slope).sum(-1), 1 - p[..., 0]], -1)


def inner_points(grid: Grid, count: int = 50) -> Tensor:
    """Random points no closer than half a pixel to the faces."""
    h = torch.tensor(grid.spacing, dtype=F64)
    low = torch.tensor(grid.box.lower, dtype=F64) + h / 2
    high = torch.tensor(grid.box.upper, dtype=F64) - h / 2
    return low + (high - low) * torch.rand(count, grid.ndim, dtype=F64)


@pytest.mark.parametrize("grid", GRIDS)
def test_sampled_field_reproduces_linear_functions(grid: Grid) -> None:
    image = SampledField(linear(grid.points(F64)), grid)
    p = inner_points(grid).reshape(5, 10, -1)
    torch.testing.assert_close(image(p), linear(p))
    assert image.sample(grid) is image.values
    p = p[0].requires_grad_()
    slope = torch.autograd.grad(image(p)[..., 0].sum(), p)[0]
    torch.testing.assert_close(slope, torch.arange(1.0, grid.ndim + 1, dtype=F64).expand(10, -1))


@pytest.mark.parametrize("grid", GRIDS)
def test_sampled_field_is_constant_to_the_face_and_zero_beyond(grid: Grid) -> None:
    image = SampledField(torch.ones(*grid.shape, 1, dtype=F64), grid)
    upper = torch.tensor(grid.box.upper, dtype=F64)
    step = 1e-6 * torch.eye(grid.ndim, dtype=F64)
    middle = torch.tensor(grid.box.center, dtype=F64)
    for k in range(grid.ndim):
        p = torch.where(torch.arange(grid.ndim) == k, upper, middle)
        torch.testing.assert_close(image(p - step[k]), torch.ones(1, dtype=F64))
        torch.testing.assert_close(image(p + step[k]), torch.zeros(1, dtype=F64))


def test_sampled_field_names_both_shapes() -> None:
    with pytest.raises(ValueError, match=r"\(6, 9\), the grid \(6, 9\).*channel axis"):
        SampledField(torch.zeros(6, 9), GRIDS[1])


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("dtype", [F64, torch.complex128])
def test_interpolation_matrix_is_the_sampled_field(grid: Grid, dtype: torch.dtype) -> None:
    values = torch.randn(*grid.shape, 2, dtype=dtype)
    diagonal = torch.tensor(grid.box.lengths, dtype=F64)
    shares = 1.4 * torch.rand(40, grid.ndim, dtype=F64) - 0.2
    points = torch.tensor(grid.box.lower, dtype=F64) + diagonal * shares
    matrix = interpolation_matrix(grid, points, F64)
    torch.testing.assert_close(matrix(values.reshape(-1, 2)), SampledField(values, grid)(points))


def test_a_grid_position_counts_pixels() -> None:
    grid = GRIDS[1]
    index = torch.cartesian_prod(torch.arange(6.0), torch.arange(9.0)).double()
    torch.testing.assert_close(grid.position(grid.points(F64).reshape(-1, 2)), index)


@pytest.mark.parametrize("shape", [(5, 4), (1, 6), (4, 3, 5), (2, 1, 3)], ids=str)
@pytest.mark.parametrize(
    ("dtype", "atol"),
    [(torch.float32, 1e-5), (torch.float64, 1e-12)],
    ids=["float32", "float64"],
)
def test_sampled_fields_without_derivatives_are_the_same(
    shape: tuple[int, ...], dtype: torch.dtype, atol: float
) -> None:
    """The kernel of torch agrees with the definition, at points outside too."""
    d = len(shape)
    grid = Grid(Box((-1.0, 2.0, 0.5)[:d], (3.0, 4.0, 1.0)[:d]), shape)
    generator = torch.Generator().manual_seed(0)
    field = SampledField(torch.randn(*shape, 2, dtype=dtype, generator=generator), grid)
    around = Box(tuple(a - 0.3 for a in grid.box.lower), tuple(b + 0.3 for b in grid.box.upper))
    points = around.random_points(600, dtype=dtype, generator=generator).reshape(20, 30, d)
    with torch.no_grad():
        fast = field(points)
    torch.testing.assert_close(fast, field(points), atol=atol, rtol=0)
