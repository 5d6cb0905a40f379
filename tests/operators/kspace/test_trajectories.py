"""Masks, radial and spiral trajectories of k-space, and densities that integrate."""

import math

import pytest
import torch
from cases.kspace import F64, error

from inverse_inr import Box, Grid, phantoms
from inverse_inr.operators import (
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
