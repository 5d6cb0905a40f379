"""The registered operations: torch's own checks, derivatives, torch.func, compiled functions."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from inverse_inr.kernels import gather, registered
from inverse_inr.kernels.sparse import SparseMatrix

F64 = torch.float64
M, N, K, F = 6, 5, 3, 2  # table rows, points, corners, features

Run = Callable[..., Tensor]


def number(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


INDEX = torch.randint(M, (N, K), generator=torch.Generator().manual_seed(0))


def gathered(table: Tensor, weight: Tensor) -> Tensor:
    return registered.gather(table, INDEX, weight)


def scattered(values: Tensor, weight: Tensor) -> Tensor:
    return registered.scatter(values, INDEX, weight, M)


def dotted(values: Tensor, table: Tensor) -> Tensor:
    return registered.dot(values, table, INDEX)


CASES = {
    "gather": (gathered, (M, F), (N, K)),
    "scatter": (scattered, (N, F), (N, K)),
    "dot": (dotted, (N, F), (M, F)),
}


def matrix() -> SparseMatrix:
    rows, columns = np.array([0, 0, 1, 3, 3, 0]), np.array([1, 4, 0, 2, 1, 1])
    return SparseMatrix(rows, columns, np.array([1.0, -2.0, 3.0, 0.5, 4.0, 10.0]), (4, 5), F64)


def parts_of(made: SparseMatrix) -> tuple[Tensor, ...]:
    names = [f"{name}_{part}" for name in ("matrix", "transpose") for part in SPARSE_PARTS]
    return tuple(getattr(made, name) for name in names)


SPARSE_PARTS = ("crow", "col", "values")


@pytest.mark.slow  # torch's checks load its compiler
@pytest.mark.parametrize("name", CASES)
def test_torch_accepts_how_an_operation_is_registered(name: str) -> None:
    first, second = (
        number(*shape, seed=k).requires_grad_() for k, shape in enumerate(CASES[name][1:])
    )
    arguments = {
        "gather": (first, INDEX, second),
        "scatter": (first, INDEX, second, M),
        "dot": (first, second, INDEX),
    }[name]
    operation = getattr(torch.ops.inverse_inr, name).default
    torch.library.opcheck(operation, arguments, test_utils=("test_schema", "test_faketensor"))


@pytest.mark.slow
def test_torch_accepts_how_the_sparse_product_is_registered() -> None:
    operation = torch.ops.inverse_inr.sparse_product.default
    arguments = (*parts_of(matrix()), number(5, 2))
    torch.library.opcheck(operation, arguments, test_utils=("test_schema", "test_faketensor"))


@pytest.mark.parametrize("name", CASES)
def test_derivatives_of_both_orders_are_right(name: str) -> None:
    run, *shapes = CASES[name]
    inputs = tuple(number(*shape, seed=k).requires_grad_() for k, shape in enumerate(shapes))
    torch.autograd.gradcheck(run, inputs)
    torch.autograd.gradgradcheck(run, inputs)
    torch.autograd.gradcheck(lambda x: run(x, inputs[1].detach()), inputs[:1])
    torch.autograd.gradcheck(lambda x: run(inputs[0].detach(), x), inputs[1:])


def test_the_sparse_product_and_its_derivatives_are_those_of_the_matrix() -> None:
    made = matrix()
    x = number(5, 2).requires_grad_()
    parts = parts_of(made)
    torch.testing.assert_close(registered.sparse_product([*parts[:3]], [*parts[3:]], x), made(x))

    def run(x: Tensor) -> Tensor:
        return registered.sparse_product([*parts[:3]], [*parts[3:]], x).square()

    torch.autograd.gradcheck(run, (x,))
    torch.autograd.gradgradcheck(run, (x,))


@pytest.mark.parametrize("name", CASES)
def test_vmap_is_the_loop_over_signals(name: str) -> None:
    run, *shapes = CASES[name]
    first, second = (number(4, *shape, seed=k) for k, shape in enumerate(shapes))
    looped = torch.stack([run(a, b) for a, b in zip(first, second, strict=True)])
    torch.testing.assert_close(torch.vmap(run)(first, second), looped)
    shared = torch.stack([run(first[0], b) for b in second])
    torch.testing.assert_close(torch.vmap(run, in_dims=(None, 0))(first[0], second), shared)


def test_vmap_of_the_sparse_product_is_the_loop() -> None:
    parts = parts_of(matrix())

    def run(x: Tensor) -> Tensor:
        return registered.sparse_product([*parts[:3]], [*parts[3:]], x)

    x = number(3, 5, 2)
    torch.testing.assert_close(torch.vmap(run)(x), torch.stack([run(each) for each in x]))


def slope_penalty(run: Run) -> Run:
    """∂/∂w of a gather inside torch.func, squared: as total variation does in compiled code."""

    def penalty(table: Tensor, weight: Tensor) -> Tensor:
        values, pullback = torch.func.vjp(lambda w: run(table, INDEX, w.sin()).sin(), weight)
        return pullback(torch.ones_like(values))[0].square().sum()

    return penalty


@pytest.mark.parametrize("backend", ["eager", pytest.param("aot_eager", marks=pytest.mark.slow)])
def test_slopes_inside_a_compiled_function_have_the_right_gradient(backend: str) -> None:
    table, weight = number(M, F).requires_grad_(), number(N, K, seed=1)
    expected = slope_penalty(gather.gather)(table, weight)
    expected_gradient = torch.autograd.grad(expected, table)[0]
    for run in (registered.gather, gather.gather):
        graph = torch.compile(slope_penalty(run), fullgraph=True, backend=backend)
        found = graph(table, weight)
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close(torch.autograd.grad(found, table)[0], expected_gradient)
