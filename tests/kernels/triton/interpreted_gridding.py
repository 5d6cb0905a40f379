"""The gridding's kernels against the sparse matrix of the same nodes and weights."""

import numpy as np
import pytest
import torch

from inverse_inr.kernels.gridding import _interpolator, nodes_and_weights
from inverse_inr.kernels.triton.gridding import interpolated, spread, stencil

CPU = torch.device("cpu")
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
    matrix = _interpolator(position, padded, beta, width, half, torch.float64)
    sizes = list(padded)
    if half:
        sizes[-1] = padded[-1] // 2 + 1 + 2 * (width // 2)
    first, weight = nodes_and_weights(position, beta, width)
    return matrix, stencil(first, weight, sizes, half, CPU)


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
