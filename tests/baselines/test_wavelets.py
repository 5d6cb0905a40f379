"""Wavelets: orthogonal, inverse, vanishing moments; L1 of their details."""

import pytest
import torch

from inverse_inr import Box, Grid, OnGrid, Problem, Term, noise
from inverse_inr.baselines import Wavelets, l1
from inverse_inr.kernels.wavelets import LOWPASS, filter_bank

F64 = torch.float64


def random(*shape: int, dtype: torch.dtype = F64) -> torch.Tensor:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("n", [2, 4, 6, 8, 32])
def test_a_level_is_orthogonal(n: int) -> None:
    matrix = filter_bank(n)
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(n, dtype=F64), rtol=0, atol=1e-11)


def test_four_moments_vanish_and_the_fifth_does_not() -> None:
    high = torch.tensor(LOWPASS, dtype=F64).flip(0) * (-1.0) ** torch.arange(8)
    moments = [float((high * torch.arange(8, dtype=F64) ** p).sum()) for p in range(5)]
    assert max(abs(m) for m in moments[:4]) < 1e-8
    assert abs(moments[4]) > 1
    x = torch.linspace(-1, 1, 64, dtype=F64)
    details = (filter_bank(64) @ x**3)[32:].abs()
    assert float(details[:-3].max()) < 1e-10  # a cubic has none, but where it jumps at the border
    assert float(details[-3:].max()) > 0.1


@pytest.mark.parametrize("shape", [(32, 48), (27, 45), (16, 17, 24)])
def test_the_transform_is_inverted_and_keeps_lengths(shape: tuple[int, ...]) -> None:
    psi = Wavelets(shape, 3)
    x = random(*shape, 2, dtype=torch.complex128)
    z = psi(x)
    torch.testing.assert_close(psi.inverse(z), x, rtol=0, atol=1e-10)
    torch.testing.assert_close(z.norm(), x.norm(), rtol=1e-11, atol=0)
    other = random(*z.shape, dtype=torch.complex128)
    torch.testing.assert_close(
        (z.conj() * other).sum(), (x.conj() * psi.inverse(other)).sum(), rtol=1e-10, atol=1e-10
    )


def test_a_smooth_image_has_few_details() -> None:
    axis = torch.linspace(-1, 1, 64, dtype=F64)
    image = torch.exp(-8 * (axis[:, None] ** 2 + axis**2))[..., None]
    psi = Wavelets((64, 64), 2)
    z = psi(image)
    z[psi.coarse()] = 0
    assert float(z.norm() / image.norm()) < 1e-2


def test_levels_deeper_than_the_image_are_refused() -> None:
    with pytest.raises(ValueError, match="levels=6"):
        Wavelets((40, 40), 6)


@pytest.mark.parametrize("size", [64, 60])
def test_l1_of_details_takes_noise_off_a_picture_of_steps(size: int) -> None:
    """The operator is the identity: soft thresholding of an orthogonal transform is exact."""
    grid = Grid(Box((0.0, 0.0), (1.0, 1.0)), (size, size))
    truth = torch.zeros(size, size, 1)
    truth[15:40, 20:50] = 1.0
    y = noise.Gaussian(0.1).sample(truth, torch.Generator().manual_seed(1)).reshape(-1)
    term = Term(OnGrid(lambda image: image.reshape(-1), grid, (size**2,)), y, noise.Gaussian(0.1))
    problem = Problem([term], box=grid.box, grid=grid)
    solution = l1(problem, wavelets=3, iterations=60)
    assert solution.method == "L1-wavelet"
    error = float((solution.sample() - truth).square().mean().sqrt())
    assert error < 0.06
    assert torch.equal(*(l1(problem, wavelets=3, iterations=5).sample() for _ in range(2)))
    with pytest.raises(ValueError, match="both signs"):
        l1(problem, wavelets=3, nonnegative=True)
