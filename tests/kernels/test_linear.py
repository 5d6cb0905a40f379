"""Linear maps with a fast adjoint under `torch.func.vmap`: what a loop gives, derivatives too."""

import numpy as np
import pytest
import torch
from torch import Tensor

from inverse_inr.kernels.linear import with_adjoint
from inverse_inr.kernels.sparse import SparseMatrix

F64 = torch.float64
GENERATOR = torch.Generator().manual_seed(0)
DENSE = torch.randn(4, 5, dtype=F64, generator=GENERATOR)
MATRIX = SparseMatrix(*np.nonzero(np.ones((4, 5))), DENSE.numpy().ravel(), (4, 5), F64)


def columns(x: Tensor) -> Tensor:
    """A map of each column by itself."""
    return with_adjoint(lambda v: DENSE @ v, lambda v: DENSE.T @ v, columns=True)(x)


def mixing(x: Tensor) -> Tensor:
    """A running sum over columns, so that signals must go one by one."""

    def adjoint(v: Tensor) -> Tensor:
        return (DENSE.T @ v).flip(1).cumsum(1).flip(1)

    return with_adjoint(lambda v: DENSE @ v.cumsum(1), adjoint)(x)


def sparse(x: Tensor) -> Tensor:
    """A sparse matrix, which maps columns."""
    return MATRIX(x)


MAPS = pytest.mark.parametrize("forward", [columns, mixing, sparse])


@MAPS
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_batched_values_are_those_of_the_loop(forward, axis):
    x = torch.randn(3, 5, 2, dtype=F64, generator=GENERATOR)
    batched = torch.func.vmap(forward, in_dims=axis)(x.movedim(0, axis).contiguous())
    torch.testing.assert_close(batched, torch.stack([forward(one) for one in x]))


def test_batched_complex_values_are_those_of_the_loop():
    x = torch.randn(3, 5, 2, dtype=torch.complex128, generator=GENERATOR)
    batched = torch.func.vmap(sparse)(x)
    torch.testing.assert_close(batched, torch.stack([sparse(one) for one in x]))


@MAPS
def test_batched_derivatives_are_right(forward):
    x = torch.randn(3, 5, 2, dtype=F64, generator=GENERATOR, requires_grad=True)

    def squared(v: Tensor) -> Tensor:
        return torch.func.vmap(lambda one: forward(one).square())(v)

    assert torch.autograd.gradcheck(squared, (x,))
    assert torch.autograd.gradgradcheck(squared, (x,))


@MAPS
def test_batched_gradients_are_those_of_the_loop(forward):
    x = torch.randn(3, 5, 2, dtype=F64, generator=GENERATOR)

    def loss(one: Tensor) -> Tensor:
        return forward(one).pow(4).sum()

    batched = torch.func.vmap(torch.func.grad(loss))(x)
    alone = torch.stack([torch.func.grad(loss)(one) for one in x])
    torch.testing.assert_close(batched, alone)


def test_many_signals_are_one_call_with_more_columns():
    calls = []

    def counted(v: Tensor) -> Tensor:
        calls.append(v.shape)
        return DENSE @ v

    forward = with_adjoint(counted, lambda v: DENSE.T @ v, columns=True)
    torch.func.vmap(forward)(torch.randn(3, 5, 2, dtype=F64))
    assert calls == [(5, 6)]
