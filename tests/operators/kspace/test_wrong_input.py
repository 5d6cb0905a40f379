"""Masks, maps, trajectories and times that do not fit are refused."""

import math

import pytest
import torch
from cases.kspace import BOX, F64, GRIDS, random, spokes

from inverse_inr.operators import (
    CartesianKSpace,
    Dephasing,
    NonCartesianKSpace,
    RadialSpokes,
    ToeplitzNormal,
    espirit_maps,
    radial_angles,
    radial_frequency,
)
from inverse_inr.operators.kspace.samples import central_block

GRID = GRIDS[0]
MASK = torch.ones(48, 40, dtype=torch.bool)


def refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CartesianKSpace(GRID, MASK.T), "Transposed"),
        (lambda: CartesianKSpace(GRID, ~MASK), "keeps nothing"),
        (lambda: CartesianKSpace(GRID, MASK[None].expand(3, -1, -1)), "frames"),
        (lambda: CartesianKSpace(GRID, MASK).map(random(48, 40, 3)), "channels"),
        (lambda: central_block(~MASK), "centre of k-space is not sampled"),
    ],
    ids=["transposed", "empty", "frames", "channels", "no centre"],
)
def test_wrong_masks_are_refused(make, message: str):
    refused(make, message)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CartesianKSpace(GRID, MASK, random(48, 40, 4)), "coil axis in another place"),
        (lambda: CartesianKSpace(GRID, MASK, random(2, 48, 40) * math.nan), "NaN"),
        (lambda: espirit_maps(random(2, 5, 20), GRID), "too small for a kernel"),
    ],
    ids=["coil axis", "NaN", "small region"],
)
def test_wrong_coil_maps_are_refused(make, message: str):
    refused(make, message)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: NonCartesianKSpace(GRID, 40 * spokes(GRID)), "cycles per field of view"),
        (lambda: NonCartesianKSpace(GRID, torch.zeros(5, 3)), "expected"),
        (lambda: NonCartesianKSpace(GRID, spokes(GRID), backend="fftw"), "backend"),
        (lambda: RadialSpokes(BOX, radial_angles(3), radial_frequency(GRID), rays=10), "rays"),
    ],
    ids=["units", "three axes", "backend", "few rays"],
)
def test_wrong_trajectories_are_refused(make, message: str):
    refused(make, message)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Dephasing(GRID, torch.zeros(4), relaxation=-torch.ones(GRID.shape)),
            "relaxation rates",
        ),
        (
            lambda: Dephasing(
                GRID, torch.linspace(0, 1e3, 99), 1e4 * random(*GRID.shape, dtype=F64)
            ),
            "64 segments",
        ),
    ],
    ids=["negative rates", "long times"],
)
def test_wrong_dephasing_is_refused(make, message: str):
    refused(make, message)


def test_a_temporal_basis_has_no_toeplitz_form():
    operator = NonCartesianKSpace(GRID, spokes(GRID), basis=random(9, 1))
    with pytest.raises(ValueError, match="not one convolution"):
        ToeplitzNormal(operator)
