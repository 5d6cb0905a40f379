"""The noise of k-space is found within a tenth, however strong the signal is."""

import pytest
import torch
from torch import Tensor

from inverse_inr import Box, Grid, phantoms
from inverse_inr.operators import (
    CartesianKSpace,
    NonCartesianKSpace,
    birdcage_maps,
    centred_box,
    radial_trajectory,
)
from inverse_inr.problems.kspace.noise_level import (
    noise_of_coils,
    noise_of_readouts,
    outermost_noise,
)

SIZE = 64


def clean(coils: int) -> Tensor:
    """(coils, SIZE, SIZE) of a phantom whose brightest pixel is one, in the convention of files."""
    grid = Grid(centred_box((SIZE, SIZE), (1.0, 1.0), ("mm", "mm")), (SIZE, SIZE))
    operator = CartesianKSpace(grid, torch.ones(SIZE, SIZE, dtype=torch.bool))
    maps, field = birdcage_maps(grid.box, coils), phantoms.shepp_logan(grid.box)
    return operator.lattice(maps.fourier(field.fourier, operator.frequencies))


def drawn(like: Tensor, seed: int = 0) -> Tensor:
    return torch.randn(like.shape, dtype=like.dtype, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("coils", [2, 4, 8])
@pytest.mark.parametrize("ratio", [5, 100, 2000])
def test_the_noise_of_a_calibration_block_is_found(coils: int, ratio: int):
    k = clean(coils)
    mask = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    mask[20:44, 20:44] = True
    sigma = float(k.abs().max()) / SIZE / ratio
    found = noise_of_coils((k + sigma * drawn(k)) * mask, mask)
    assert found is not None
    assert float(found.square().mean().sqrt()) == pytest.approx(sigma, rel=0.1)


def test_coils_of_unequal_noise_are_told_apart():
    k = clean(4)
    levels = torch.tensor([0.01, 0.02, 0.04, 0.02], dtype=torch.float64)
    mask = torch.ones(SIZE, SIZE, dtype=torch.bool)
    found = noise_of_coils(k + levels[:, None, None] * drawn(k), mask)
    torch.testing.assert_close(found, levels, rtol=0.1, atol=0)


def test_means_of_more_measurements_count_as_such():
    k = clean(4)
    counts = torch.ones(SIZE, SIZE)
    counts[:, 28:36] = 4
    noisy = k + 0.01 * drawn(k) / counts.sqrt()
    found = noise_of_coils(noisy, torch.ones(SIZE, SIZE, dtype=torch.bool), counts)
    assert found is not None
    assert float(found.mean()) == pytest.approx(0.01, rel=0.1)


def test_no_centre_gives_no_noise():
    k = clean(2)
    mask = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    mask[::2] = True
    mask[SIZE // 2] = False
    assert noise_of_coils(k * mask, mask) is None


@pytest.mark.parametrize("ratio", [5, 100, 2000])
def test_readouts_see_noise_beyond_the_field_of_view(ratio: int):
    grid = Grid(Box((-1.0, -1.0), (1.0, 1.0)), (SIZE, SIZE))
    operator = NonCartesianKSpace(grid, radial_trajectory(grid, 20).float())
    field = phantoms.shepp_logan(grid.box)
    maps = birdcage_maps(grid.box, 2)
    k = maps.fourier(field.fourier, operator.frequencies.double()).T.reshape(2, *operator.shape)
    sigma = 4.0 / SIZE / ratio  # of a pixel: the area of the box by the root of the pixels
    frequencies = operator.frequencies.double().reshape(*operator.shape, 2) * 2.0
    found = noise_of_readouts(k + sigma * drawn(k), frequencies)
    assert found is not None
    assert float(found.square().mean().sqrt()) == pytest.approx(sigma, rel=0.1)
    assert noise_of_readouts(k[..., ::2], frequencies[:, ::2]) is None


def test_the_outermost_samples_of_noise_alone():
    y = 0.3 * drawn(torch.zeros(SIZE * SIZE, 6, dtype=torch.complex128))
    k = torch.rand(SIZE * SIZE, 2, generator=torch.Generator().manual_seed(1)) * 2 - 1
    assert float(outermost_noise(y, k).mean()) == pytest.approx(0.3, rel=0.06)
