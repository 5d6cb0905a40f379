"""Coil maps: estimated from a calibration region, read from scanners' files, learnt in a gauge."""

import pytest
import torch
from cases.kspace import BOX, F64, random
from torch import nn

from inverse_inr import Grid, phantoms, priors, sample
from inverse_inr.noise import ComplexGaussian
from inverse_inr.operators import (
    CartesianKSpace,
    GivenCoils,
    LearnedCoils,
    PolynomialMaps,
    birdcage_maps,
    centred_box,
    espirit_maps,
    line_mask,
    low_resolution_maps,
)
from inverse_inr.operators.kspace.centred_fft import centred_fft, centred_inverse


@pytest.mark.parametrize("estimate", [low_resolution_maps, espirit_maps])
@pytest.mark.parametrize("shape", [(64, 60), (63, 61)])
def test_coils_of_the_calibration_region(estimate, shape: tuple[int, int]):
    box = centred_box(shape, (1 / 32, 1 / 32))
    grid = Grid(box, shape)
    coils = birdcage_maps(box, 6)
    field = phantoms.shepp_logan(box)
    operator = CartesianKSpace(grid, line_mask(shape, 4, 24), coils)
    region = operator.calibration(coils.fourier(field.fourier, operator.frequencies))
    assert region.shape[1] == shape[0]
    assert 24 <= region.shape[2] <= 26  # a chosen line may lie next to the block
    maps = estimate(region, grid)
    truth = sample(coils, grid).movedim(-1, 0)
    inside = sample(field, grid)[..., 0] > 0.05
    likeness = (maps.conj() * truth).sum(0).abs() / torch.linalg.vector_norm(truth, dim=0)
    assert likeness[inside].min() > 0.995
    assert torch.linalg.vector_norm(maps, dim=0) == pytest.approx(torch.ones(shape), abs=1e-5)


@pytest.mark.parametrize("width", [24, 48, 64])
@pytest.mark.parametrize("coils", [2, 4])
def test_noise_counts_as_no_row_space(coils: int, width: int):
    """Maps of noisy coils err by their noise: 0.07 to 0.09 here, and by 0.5 to 0.9 if it counts."""
    grid = Grid(BOX, (64, 64))
    maps = birdcage_maps(BOX, coils)
    field = phantoms.shepp_logan(BOX)
    operator = CartesianKSpace(grid, torch.ones(grid.shape, dtype=torch.bool))
    image = sample(field, grid)
    seen = sample(maps, grid)
    sigma = 0.1 * float((image * seen).abs().max()) * grid.spacing[0] * grid.spacing[1] * 64
    y = maps.fourier(field.fourier, operator.frequencies)
    y = ComplexGaussian(sigma).sample(y, torch.Generator().manual_seed(0))
    inner = slice(32 - width // 2, 32 + width // 2)
    found = espirit_maps(operator.calibration(y)[:, inner, inner], grid).movedim(0, -1)
    inside = image[..., 0] > 0.05
    truth = seen / torch.linalg.vector_norm(seen, dim=-1, keepdim=True)
    likeness = (found.conj() * truth).sum(-1).abs()[inside].clamp(max=1)
    assert float((1 - likeness.square()).mean().sqrt()) < 0.15


def test_files_of_scanners_are_our_lattice():
    """Files hold a unitary centred FFT, and pixel n // 2 is the origin: no phase, one factor."""
    shape = (9, 8)
    grid = Grid(centred_box(shape, (0.5, 2.0)), shape)
    assert float(grid.points(F64)[4, 4].norm()) == pytest.approx(0, abs=1e-12)
    image = random(*shape)
    operator = CartesianKSpace(grid, torch.ones(shape, dtype=torch.bool))
    torch.testing.assert_close(operator.lattice(operator.map(image)), centred_fft(image))
    torch.testing.assert_close(centred_inverse(centred_fft(image)), image)


@pytest.mark.parametrize("kind", ["polynomial", "grid", "siren"])
def test_learnt_coils_keep_their_gauge(kind: str):
    grid = Grid(BOX, (12, 10))
    start = GivenCoils(random(3, *grid.shape), grid)
    if kind == "polynomial":
        correction: nn.Module = PolynomialMaps(BOX, 3, 4, constant=0.3)
    else:
        correction = priors.create(kind, BOX, 3, head="complex", bandwidth=2.0)
    alone = LearnedCoils(PolynomialMaps(BOX, 3, 4, constant=0.3))
    for maps in (LearnedCoils(correction, start).float(), alone.float()):
        on_grid = sample(maps, grid)
        torch.testing.assert_close(on_grid, maps(grid.points()), rtol=1e-4, atol=1e-5)
        lengths = torch.linalg.vector_norm(on_grid, dim=-1)
        torch.testing.assert_close(lengths, torch.ones(grid.shape))
        if maps.start is not None:
            overlap = (maps.start.sample(grid).conj() * on_grid).sum(-1)
            assert overlap.imag.abs().max() < 1e-5
            assert overlap.real.min() >= 0
