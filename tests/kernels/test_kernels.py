"""Gather, sparse matrices, gridding and interpolation against dense definitions."""

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from inverse_inr.domain import Box, Grid
from inverse_inr.kernels.gather import dot, gather, scatter
from inverse_inr.kernels.gridding import Gridding
from inverse_inr.kernels.sparse import SparseMatrix
from inverse_inr.sampled import SampledField, interpolation_matrix

F64 = torch.float64
M, N, K, F = 6, 5, 3, 2  # table rows, points, corners, features


@pytest.fixture
def parts() -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(0)
    index = torch.randint(M, (N, K), generator=g)
    index[0] = 2  # one row thrice
    return {
        "table": torch.randn(M, F, dtype=F64, generator=g),
        "values": torch.randn(N, F, dtype=F64, generator=g),
        "weight": torch.randn(N, K, dtype=F64, generator=g),
        "index": index,
    }


def test_gather_scatter_and_dot_are_their_definitions(parts: dict[str, Tensor]) -> None:
    table, values, weight, index = parts["table"], parts["values"], parts["weight"], parts["index"]
    torch.testing.assert_close(
        gather(table, index, weight), (weight[..., None] * table[index]).sum(1)
    )
    torch.testing.assert_close(dot(values, table, index), (values[:, None] * table[index]).sum(-1))
    spread = (weight[..., None] * values[:, None]).reshape(-1, F)
    expected = torch.zeros(M, F, dtype=F64).index_add(0, index.reshape(-1), spread)
    torch.testing.assert_close(scatter(values, index, weight, M), expected)
    torch.testing.assert_close(scatter(values, index.int(), weight, M), expected)
    torch.testing.assert_close(gather(table, index.int(), weight), gather(table, index, weight))


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (lambda i: lambda t, w: gather(t, i, w), ("table", "weight")),
        (lambda i: lambda v, w: scatter(v, i, w, M), ("values", "weight")),
        (lambda i: lambda v, t: dot(v, t, i), ("values", "table")),
    ],
    ids=["gather", "scatter", "dot"],
)
def test_the_set_is_closed_under_differentiation(
    function: Callable[[Tensor], Callable[[Tensor, Tensor], Tensor]],
    names: tuple[str, str],
    parts: dict[str, Tensor],
) -> None:
    run = function(parts["index"])
    inputs = tuple(parts[n].requires_grad_() for n in names)
    torch.autograd.gradcheck(run, inputs)
    torch.autograd.gradgradcheck(run, inputs)
    for k in range(2):  # with one of the two constant
        a, b = (x if j == k else x.detach() for j, x in enumerate(inputs))
        torch.autograd.gradcheck(
            lambda x, k=k, a=a, b=b: run(x, b) if k == 0 else run(a, x), (inputs[k],)
        )


# --- sparse matrices --------------------------------------------------------------------------------------------


def sparse(dtype: torch.dtype = F64) -> tuple[SparseMatrix, Tensor]:
    """A 4 x 5 matrix with an empty row, an empty column and a repeated coordinate."""
    rows, columns = np.array([0, 0, 1, 3, 3, 0]), np.array([1, 4, 0, 2, 1, 1])
    values = np.array([1.0, -2.0, 3.0, 0.5, 4.0, 10.0])
    matrix = torch.zeros(4, 5, dtype=dtype)
    matrix.index_put_(
        (torch.from_numpy(rows), torch.from_numpy(columns)),
        torch.from_numpy(values).to(dtype),
        True,
    )
    return SparseMatrix(rows, columns, values, (4, 5), dtype), matrix


@pytest.mark.parametrize("dtype", [torch.float32, F64, torch.complex64, torch.complex128])
@pytest.mark.parametrize("shape", [(5,), (5, 1), (5, 3)])
@pytest.mark.parametrize("own", [torch.float32, F64])
def test_sparse_matrix_is_the_dense_one(
    dtype: torch.dtype, shape: tuple[int, ...], own: torch.dtype
) -> None:
    operator, matrix = sparse(own)
    matrix = matrix.to(dtype)
    x = torch.randn(shape, dtype=dtype, requires_grad=True)
    y = operator(x)
    assert y.dtype == dtype
    torch.testing.assert_close(y, matrix @ x)
    r = torch.randn(y.shape, dtype=dtype)
    torch.testing.assert_close(torch.autograd.grad(y, x, r)[0], matrix.mT @ r)


@pytest.mark.parametrize("dtype", [F64, torch.complex128])
def test_sparse_matrix_differentiates_twice(dtype: torch.dtype) -> None:
    operator, _ = sparse()
    x = torch.randn(5, 2, dtype=dtype, requires_grad=True)
    torch.autograd.gradcheck(operator, (x,))
    torch.autograd.gradgradcheck(lambda v: operator(v).abs().square(), (x,))


@pytest.mark.parametrize(
    "change",
    [copy.deepcopy, lambda m: m.to(F64), lambda m: m.double()],
    ids=["deepcopy", "to", "double"],
)
def test_sparse_matrix_copies_and_casts(change: Callable[[SparseMatrix], SparseMatrix]) -> None:
    operator, matrix = sparse(torch.float32)
    x = torch.randn(5)
    other = change(operator)
    torch.testing.assert_close(other(x), matrix @ x)
    assert not other.state_dict()
    torch.testing.assert_close(copy.deepcopy({"a": other})["a"](x), matrix @ x)


# --- gridding ---------------------------------------------------------------------------------------------------


def frequencies(count: int = 60, d: int = 2) -> np.ndarray:
    """Anywhere in the band, and its special places: zero, the axes, both sides of the Nyquist lines."""
    inside = np.random.default_rng(0).uniform(-0.5, 0.5, (count, d))
    edges = np.stack(np.meshgrid(*[[-0.5, 0, 0.25, 0.5]] * d), -1).reshape(-1, d)
    return np.concatenate([inside, edges])


def direct(image: Tensor, k: np.ndarray) -> Tensor:
    """The sum itself, over the last axes of (*batch, *shape)."""
    shape = image.shape[-k.shape[1] :]
    x = np.stack(
        np.meshgrid(*[np.arange(n) - (n - 1) / 2 for n in shape], indexing="ij"), -1
    ).reshape(-1, len(shape))
    kind = torch.complex128
    return image.to(kind).flatten(-len(shape)) @ torch.from_numpy(np.exp(-2j * np.pi * (x @ k.T)))


SHAPES = [(16, 16), (15, 17), (12, 31), (33, 8), (5, 4), (2, 16, 11), (17,), (6, 7, 8)]
FIELDS = [
    (torch.float32, True),
    (F64, True),
    (torch.float32, False),
    (torch.complex64, False),
    (F64.to_complex(), False),
]


def images(shape: tuple[int, ...], dtype: torch.dtype) -> tuple[Tensor, np.ndarray]:
    """An image, or two where the first axis is 2, and frequencies for it."""
    d = 2 if shape[0] == 2 else len(shape)
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(1)), frequencies(
        d=d
    )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("dtype", "real"), FIELDS)
def test_gridding_is_the_fourier_sum(
    shape: tuple[int, ...], dtype: torch.dtype, real: bool
) -> None:
    image, k = images(shape, dtype)
    operator = Gridding(shape[-k.shape[1] :], k, real=real, dtype=dtype.to_real())
    got, expected = operator(image), direct(image, k)
    assert got.dtype == dtype.to_complex()
    assert torch.linalg.vector_norm(got - expected) < 3e-5 * torch.linalg.vector_norm(expected)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("dtype", "real"), [(F64, True), (F64.to_complex(), False)])
def test_gridding_has_an_exact_adjoint(
    shape: tuple[int, ...], dtype: torch.dtype, real: bool
) -> None:
    image, k = images(shape, dtype)
    operator = Gridding(shape[-k.shape[1] :], k, real=real, dtype=F64)
    y = operator(image.requires_grad_())
    r = torch.randn_like(y)
    (back,) = torch.autograd.grad(y, image, r)
    left, right = (
        torch.vdot(y.detach().flatten(), r.flatten()).real,
        (image.detach().conj() * back).sum().real,
    )
    assert abs(left - right) < 1e-12 * torch.linalg.vector_norm(
        y.detach()
    ) * torch.linalg.vector_norm(r)


def test_gridding_with_a_wider_kernel_is_more_accurate() -> None:
    image, k = images((16, 12), F64)
    errors = [
        float(
            (Gridding((16, 12), k, oversampling=2.0, width=w, dtype=F64)(image) - direct(image, k))
            .abs()
            .max()
        )
        for w in (4, 6, 8)
    ]
    assert errors[0] > 20 * errors[1] > 400 * errors[2]


def test_gridding_refuses_what_it_cannot_hold() -> None:
    with pytest.raises(ValueError, match="an image holds 1/2"):
        Gridding((8, 8), np.full((3, 2), 0.6))
    with pytest.raises(ValueError, match="must be"):
        Gridding((8, 8), np.zeros((3, 3)))
    with pytest.raises(ValueError, match="of images"):
        Gridding((8, 8), np.zeros((3, 2)))(torch.zeros(8, 9))
    with pytest.raises(TypeError, match="complex"):
        Gridding((8, 8), np.zeros((3, 2)), real=True)(torch.zeros(8, 8, dtype=torch.complex64))


# --- interpolation ----------------------------------------------------------------------------------------------

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
    low, high = (
        torch.tensor(grid.box.lower, dtype=F64) + h / 2,
        torch.tensor(grid.box.upper, dtype=F64) - h / 2,
    )
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
    points = torch.tensor(grid.box.lower, dtype=F64) + diagonal * (
        1.4 * torch.rand(40, grid.ndim, dtype=F64) - 0.2
    )
    matrix = interpolation_matrix(grid, points, F64)
    torch.testing.assert_close(matrix(values.reshape(-1, 2)), SampledField(values, grid)(points))


def test_a_grid_position_counts_pixels() -> None:
    grid = GRIDS[1]
    index = torch.cartesian_prod(torch.arange(6.0), torch.arange(9.0)).double()
    torch.testing.assert_close(grid.position(grid.points(F64).reshape(-1, 2)), index)


@pytest.mark.parametrize("shape", [(5, 4), (1, 6), (4, 3, 5), (2, 1, 3)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sampled_fields_without_derivatives_are_the_same(
    shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    """torch's own kernel against the definition, points outside included."""
    d = len(shape)
    grid = Grid(Box((-1.0, 2.0, 0.5)[:d], (3.0, 4.0, 1.0)[:d]), shape)
    generator = torch.Generator().manual_seed(0)
    field = SampledField(torch.randn(*shape, 2, dtype=dtype, generator=generator), grid)
    around = Box(tuple(a - 0.3 for a in grid.box.lower), tuple(b + 0.3 for b in grid.box.upper))
    points = around.random_points(600, dtype=dtype, generator=generator).reshape(20, 30, d)
    with torch.no_grad():
        fast = field(points)
    torch.testing.assert_close(
        fast, field(points), atol=1e-5 if dtype == torch.float32 else 1e-12, rtol=0
    )
