"""Matrices and linear operators of scipy and PyLops: the same map, the same adjoint, and back."""

import numpy as np
import pytest
import torch
from scipy.sparse import random as random_sparse
from scipy.sparse.linalg import LinearOperator, lsqr

from inverse_inr import Box, Grid, Problem, Term, adjoint, as_linear_map, baselines, noise, predict
from inverse_inr.interoperation import from_linear_operator, to_linear_operator
from inverse_inr.operators import ParallelBeam
from inverse_inr.sampled import SampledField
from inverse_inr.testing import OperatorTests

GRID = Grid(Box((0.0, 0.0), (4.0, 6.0)), (4, 6))


def sparse_matrix(rows: int, columns: int, complex_numbers: bool = False):
    generator = np.random.default_rng(1)
    found = random_sparse(rows, columns, 0.4, random_state=generator, format="csr")
    if complex_numbers:
        found = found + 1j * random_sparse(rows, columns, 0.4, random_state=generator)
    return found.tocsr()


def image(channels: int = 1, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.randn(*GRID.shape, channels, generator=generator, dtype=dtype)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_matrix_acts_on_the_image_as_numpy_flattens_it(channels):
    matrix = sparse_matrix(10, 24 * channels)
    operator = from_linear_operator(matrix, GRID, shape=(2, 5), channels=channels)
    x = image(channels)
    y = predict(operator, SampledField(x, GRID))
    np.testing.assert_allclose(y.numpy(), matrix @ x.numpy().ravel(), rtol=1e-12)
    back = adjoint(operator, None, y, channels=channels)
    np.testing.assert_allclose(back.numpy().ravel(), matrix.T @ y.numpy(), rtol=1e-12)


def test_a_complex_matrix_measures_a_real_image_and_a_complex_one():
    matrix = sparse_matrix(10, 24, complex_numbers=True)
    operator = from_linear_operator(matrix, GRID)
    real = image()
    y = predict(operator, SampledField(real, GRID))
    np.testing.assert_allclose(y.numpy(), matrix @ real.numpy().ravel(), rtol=1e-12)
    assert y.dtype == torch.complex128
    normal = as_linear_map(operator, GRID, dtype=torch.float64)
    expected = (matrix.conj().T @ y.numpy()).real
    np.testing.assert_allclose(normal.adjoint(y).numpy().ravel(), expected, rtol=1e-12)
    x = image(dtype=torch.complex128)
    y = predict(operator, SampledField(x, GRID))
    np.testing.assert_allclose(y.numpy(), matrix @ x.numpy().ravel(), rtol=1e-12)
    back = adjoint(operator, None, y)
    np.testing.assert_allclose(back.numpy().ravel(), matrix.conj().T @ y.numpy(), rtol=1e-12)


class TestMatrix(OperatorTests):
    """The contract of operators."""

    def make(self):
        return from_linear_operator(sparse_matrix(12, 24), GRID)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_there_and_back_again_is_the_same_operator(dtype):
    box = Box((-1.0, -1.0), (1.0, 1.0))
    grid = Grid(box, (8, 8))
    beam = ParallelBeam(box, torch.arange(5) * torch.pi / 5, 8).on(grid)
    scipys = to_linear_operator(beam, grid, dtype=dtype)
    again = from_linear_operator(scipys, grid, shape=beam.shape)
    x = torch.randn(8, 8, 1, generator=torch.Generator().manual_seed(0), dtype=dtype)
    field = SampledField(x, grid)
    torch.testing.assert_close(predict(again, field), predict(beam, field))
    y = predict(beam, field)
    torch.testing.assert_close(adjoint(again, None, y), adjoint(beam, None, y))


def test_scipys_solver_finds_what_ours_finds():
    """Least squares of a sinogram, by `lsqr` on our operator and by our CGLS."""
    box = Box((-1.0, -1.0), (1.0, 1.0))
    grid = Grid(box, (6, 6))
    beam = ParallelBeam(box, torch.arange(24) * torch.pi / 24, 12).on(grid)
    truth = torch.randn(6, 6, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = predict(beam, SampledField(truth, grid))
    found = lsqr(to_linear_operator(beam, grid), y.numpy(), atol=1e-12, btol=1e-12)[0]
    np.testing.assert_allclose(found, truth.numpy().ravel(), atol=1e-6)
    problem = Problem([Term(beam, y.float(), noise.Gaussian(1e-3))], box, grid)
    ours = baselines.cgls(problem, iterations=200)
    np.testing.assert_allclose(ours.image().numpy().ravel(), found, atol=1e-3)


def test_pylops_operators_bring_their_own_shapes():
    pylops = pytest.importorskip("pylops", reason="PyLops is not installed")
    gradient = pylops.FirstDerivative(GRID.shape, axis=0, kind="forward", dtype="float64")
    operator = from_linear_operator(gradient, GRID)
    assert operator.shape == GRID.shape
    x = image()
    y = operator.unflatten(predict(operator, SampledField(x, GRID)))
    np.testing.assert_allclose(y.numpy(), gradient @ x[..., 0].numpy())
    again = pylops.aslinearoperator(to_linear_operator(operator, GRID))
    np.testing.assert_allclose(again @ x.numpy().ravel(), y.numpy().ravel())


def test_what_does_not_fit_is_refused_by_name():
    with pytest.raises(ValueError, match=r"takes 20 numbers.*has 24.*several channels"):
        from_linear_operator(sparse_matrix(10, 20), GRID)
    with pytest.raises(ValueError, match=r"gives 10 measurements, shape=\(3, 4\) has 12"):
        from_linear_operator(sparse_matrix(10, 24), GRID, shape=(3, 4))
    with pytest.raises(TypeError, match="str is neither a matrix nor"):
        from_linear_operator("matrix", GRID)
    matrix = sparse_matrix(10, 24, complex_numbers=True)
    transposed = LinearOperator(
        (10, 24),
        matvec=lambda x: matrix @ x,
        rmatvec=lambda y: matrix.T @ y,  # not conjugated
        dtype=np.complex128,
    )
    with pytest.raises(ValueError, match="without conjugation"):
        from_linear_operator(transposed, GRID)


def test_complex_measurements_of_real_images_are_no_linear_operator():
    operator = from_linear_operator(sparse_matrix(10, 24, complex_numbers=True), GRID)
    with pytest.raises(ValueError, match=r"dtype=torch\.complex128"):
        to_linear_operator(operator, GRID)
    assert to_linear_operator(operator, GRID, dtype=torch.complex128).shape == (10, 24)
