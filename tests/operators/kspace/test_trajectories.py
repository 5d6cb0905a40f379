"""Masks, radial and spiral trajectories of k-space, and densities that integrate."""

import math

import pytest
import torch
from cases.kspace import F64, error

from inverse_inr import Box, Grid, phantoms
from inverse_inr.operators import (
    NonCartesianKSpace,
    ToeplitzNormal,
    centred_box,
    density_compensation,
    is_radial,
    line_mask,
    poisson_disc_mask,
    radial_density,
    radial_trajectory,
    spiral_trajectory,
    variable_density_mask,
)
from inverse_inr.operators.kspace.coil_estimation import central_block


def test_masks_hold_what_they_promise():
    for pattern in ("random", "equispaced"):
        lines = line_mask((60, 80), 4, 24, pattern=pattern, seed=1)
        assert (lines == lines[:1]).all()
        assert int(lines[0].sum()) == pytest.approx(24 + 56 / 4, abs=1)
        assert central_block(lines)[0] == slice(0, 60)
        assert lines[0, 28:52].all()
    for make in (variable_density_mask, poisson_disc_mask):
        mask = make((60, 80), 5, 12, seed=2)
        assert float(mask.float().mean()) == pytest.approx(1 / 5, rel=0.03)
        assert mask[24:36, 34:46].all()
        assert torch.equal(mask, make((60, 80), 5, 12, seed=2))
        assert not torch.equal(mask, make((60, 80), 5, 12, seed=3))
    points = poisson_disc_mask((60, 80), 8, 0).nonzero().double()
    distance = torch.cdist(points, points) + 99 * torch.eye(len(points))
    assert distance.min() >= 1.4  # no two side by side


@pytest.mark.parametrize(
    ("trajectory", "size"),
    [(radial_trajectory, (64,)), (spiral_trajectory, (12, 700))],
    ids=["radial", "spiral"],
)
def test_density_compensation_integrates(trajectory, size: tuple[int, ...]):
    """With full sampling, Σ w F(k) exp(2πi k·x) is the field again."""
    grid = Grid(Box((-1.0, -1.0), (1.0, 1.0)), (32, 32))
    k = trajectory(grid, *size)
    assert float(k.norm(dim=-1).max()) <= grid.nyquist[0] * (1 + 1e-9)
    field = phantoms.gaussian_blobs(grid.box, count=3, width=0.15)
    flat = k.reshape(-1, 2)
    w = density_compensation(k, grid).flatten()
    x = grid.points(F64).reshape(-1, 2)
    image = (w * field.fourier(flat)) @ torch.exp(2j * math.pi * (flat @ x.T))
    assert error(image.real, field(x)[:, 0]) < 0.06


def test_the_ramp_integrates_what_many_spokes_see():
    grid = Grid(Box((-1.0, -1.0), (1.0, 1.0)), (32, 32))
    k = radial_trajectory(grid, 100, golden=False)
    assert is_radial(k)
    assert not is_radial(spiral_trajectory(grid, 4, 100))
    field = phantoms.gaussian_blobs(grid.box, count=3, width=0.15)
    x = grid.points(F64).reshape(-1, 2)
    flat = k.reshape(-1, 2)
    waves = torch.exp(2j * math.pi * (flat @ x.T))
    image = (radial_density(k).flatten() * field.fourier(flat)) @ waves
    assert error(image.real, field(x)[:, 0]) < 0.02


PIXELS = (0.3, 0.6875, 0.7, 0.8, 0.9375, 1.0, 1.1, 1.3, 1.8, 2.2, 3.0)  # mm


def _grid(pixel: float, n: int = 30) -> Grid:
    return Grid(centred_box((n, n), (pixel, pixel)), (n, n))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("trajectory", [radial_trajectory, spiral_trajectory])
def test_own_trajectories_never_lie_beyond_nyquist_by_a_rounding(trajectory, dtype: torch.dtype):
    for pixel in PIXELS:
        grid = _grid(pixel)
        k = trajectory(grid, 5, 40).to(dtype)
        operator = NonCartesianKSpace(grid, k)
        ToeplitzNormal(operator)
        density_compensation(k, grid, iterations=1)


@pytest.mark.parametrize("beyond", [1 + 3e-7, 1 + 5e-5])
def test_a_frequency_just_beyond_nyquist_is_used_as_it_is(beyond: float):
    grid = _grid(0.7)
    k = beyond * grid.nyquist[0] * torch.tensor([[[1.0, -0.3], [-1.0, 1.0]]], dtype=F64)
    operator = NonCartesianKSpace(grid, k, width=10, oversampling=2.0)
    image = torch.randn(grid.shape, dtype=F64, generator=torch.Generator().manual_seed(0))
    x = grid.points(F64).reshape(-1, 2)
    waves = torch.exp(-2j * math.pi * (k.reshape(-1, 2) @ x.T))
    exact = waves @ image.flatten().to(waves.dtype) * math.prod(grid.spacing)
    assert error(operator.map(image), exact) < 1e-6


# pixel size in mm, and the factor of a trajectory in cycles per mm
UNITS = {
    "Divide by 2π\\.": (0.7, 2 * math.pi),
    "Divide by 2π and by the pixel size": (0.7, 2 * math.pi * 0.7),
    "Divide by the pixel size": (2.0, 2.0),
    "Divide by the lengths of the box": (0.7, 30 * 0.7),
    "pixels too coarse": (0.7, 1.3),
}


@pytest.mark.parametrize("slip", UNITS)
def test_a_trajectory_beyond_nyquist_is_refused_with_its_likely_unit(slip: str):
    pixel, factor = UNITS[slip]
    grid = _grid(pixel)
    with pytest.raises(ValueError, match=slip):
        NonCartesianKSpace(grid, factor * radial_trajectory(grid, 5, 40))
