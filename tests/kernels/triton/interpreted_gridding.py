"""The gridding's kernels against the sparse matrix of the same nodes and weights, and in use."""

import copy

import numpy as np
import pytest
import torch

from inverse_inr.kernels import spectrum_interpolation
from inverse_inr.kernels.gridding import Gridding, nodes_and_weights
from inverse_inr.kernels.spectrum_interpolation import SpectrumInterpolation
from inverse_inr.kernels.triton.gridding import interpolated, spread

CASES = {
    "1-D": ((10,), 7, 4, False),
    "2-D": ((12, 10), 41, 6, False),
    "2-D, half a spectrum": ((12, 10), 41, 6, True),
    "3-D": ((8, 6, 10), 9, 3, False),
    "3-D, half a spectrum": ((6, 6, 8), 9, 4, True),
    "one place": ((8, 8), 1, 5, False),
}


def made(name: str):
    padded, m, width, half = CASES[name]
    frequencies = np.random.default_rng(0).uniform(-0.5, 0.5, (m, len(padded)))
    if half:
        frequencies[:, -1] = abs(frequencies[:, -1])
    frequencies[0] = 0.5  # where nodes come in on the other side
    position = frequencies * padded
    beta = [7.0 + axis for axis in range(len(padded))]
    first, weight = nodes_and_weights(position, beta, width)
    made = SpectrumInterpolation(first, weight, padded, half, torch.float32)
    exact = SpectrumInterpolation(first, weight, padded, half, torch.float64)
    assert exact.matrix is not None
    return exact.matrix, made._stencil()


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("batch", [1, 3])
def test_both_directions_are_those_of_the_matrix(name, batch):
    matrix, places = made(name)
    generator = torch.Generator().manual_seed(1)
    values = torch.randn(batch, places.cells, dtype=torch.complex64, generator=generator)
    seen = torch.randn(batch, len(places.first), dtype=torch.complex64, generator=generator)
    forward = matrix(values.to(torch.complex128).T).T
    wide = values.to(torch.complex128).T.contiguous().requires_grad_()
    back = torch.autograd.grad(matrix(wide), wide, seen.to(torch.complex128).T)[0].T
    for found, expected in ((interpolated(places, values), forward), (spread(places, seen), back)):
        error = (found - expected).abs().max() / expected.abs().max()
        assert float(error) < 2e-6


def test_no_places_give_nothing():
    _, places = made("2-D")
    none = places._replace(first=places.first[:0], weight=places.weight[:0])
    values = torch.ones(2, places.cells, dtype=torch.complex64)
    assert interpolated(none, values).shape == (2, 0)
    assert not spread(none, values[:, :0]).any()


@pytest.fixture
def on_a_gpu(monkeypatch):
    """Let modules believe that they are on a CUDA device; the kernels are interpreted."""

    def usable(tensor):
        return tensor.element_size() == 4

    monkeypatch.setattr(spectrum_interpolation, "usable", usable)


GRIDDINGS = [((9,), 2, False), ((7, 10), 1, True), ((7, 10), 3, False), ((4, 5, 6), 2, True)]


def of_shape(shape, real):
    generator = np.random.default_rng(3)
    k = generator.uniform(-0.5, 0.5, (13, len(shape)))
    return Gridding(shape, k, width=4, real=real, scale=generator.uniform(1, 2, 13))


@pytest.mark.parametrize(("shape", "batch", "real"), GRIDDINGS)
def test_a_gridding_that_was_moved_keeps_no_matrix_and_is_the_same_map(
    on_a_gpu, shape, batch, real
):
    by_matrix = of_shape(shape, real)
    by_kernels = copy.deepcopy(by_matrix).to("cpu")
    assert by_matrix.interpolation.matrix is not None
    assert by_kernels.interpolation.matrix is None
    exact = copy.deepcopy(by_matrix).double()
    assert exact.interpolation.matrix is not None
    generator = torch.Generator().manual_seed(0)
    kind = torch.float32 if real else torch.complex64
    image = torch.randn(batch, *shape, dtype=kind, generator=generator)
    y = torch.randn(batch, 13, dtype=torch.complex64, generator=generator)

    def both(gridding, to):
        x = image.to(to).requires_grad_()
        values = gridding(x)
        back = torch.autograd.grad(values, x, y.to(values.dtype))[0]
        return values.detach(), back

    wide = torch.float64 if real else torch.complex128
    for found, expected in zip(both(by_kernels, kind), both(exact, wide), strict=True):
        assert float((found - expected).abs().max() / expected.abs().max()) < 3e-6
    assert by_kernels.interpolation.matrix is None


def test_the_kernels_pass_the_dot_test(on_a_gpu):
    gridding = of_shape((7, 10), False).to("cpu")
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(7, 10, dtype=torch.complex64, generator=generator).requires_grad_()
    values = gridding(x)
    r = torch.randn(values.shape, dtype=torch.complex64, generator=generator)
    (back,) = torch.autograd.grad(values, x, r)
    left = torch.vdot(r, values.detach())
    right = torch.vdot(back.flatten(), x.detach().flatten())
    assert abs(complex(left - right)) < 1e-5 * float(values.detach().norm() * r.norm())


def test_double_precision_takes_the_matrix_where_the_kernels_are(on_a_gpu):
    moved = of_shape((7, 10), False).to("cpu")
    image = torch.randn(7, 10, dtype=torch.complex128, generator=torch.Generator().manual_seed(1))
    expected = of_shape((7, 10), False).double()(image)
    found = moved(image)
    assert moved.interpolation.matrix is not None
    assert float((found - expected).abs().max() / expected.abs().max()) < 1e-6
