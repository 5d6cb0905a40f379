"""Gather, scatter and sparse matrices against dense definitions."""

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from inverse_inr.kernels.gather import dot, gather, scatter
from inverse_inr.kernels.sparse import SparseMatrix

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
    # with one of the two constant
    first, second = inputs
    torch.autograd.gradcheck(lambda x: run(x, second.detach()), (first,))
    torch.autograd.gradcheck(lambda x: run(first.detach(), x), (second,))


# --- sparse matrices ----------------------------------------------------------------------------


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
