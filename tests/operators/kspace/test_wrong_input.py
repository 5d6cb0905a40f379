"""Masks, maps, trajectories and times that do not fit are refused."""

import math

import pytest
import torch
from cases.kspace import BOX, F64, GRIDS, random, spokes

from inverse_inr import Grid
from inverse_inr.operators import (
    CartesianKSpace,
    Dephasing,
    NonCartesianKSpace,
    PolynomialMaps,
    RadialSpokes,
    ToeplitzNormal,
    birdcage_maps,
    centred_box,
    density_compensation,
    espirit_maps,
    line_mask,
    poisson_disc_mask,
    radial_angles,
    radial_frequency,
    radial_trajectory,
    spiral_trajectory,
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


OUT_OF_RANGE = {
    "no spokes": (lambda: radial_trajectory(GRID, 0), ValueError, "spokes=0"),
    "swapped": (lambda: radial_trajectory(7, GRID), TypeError, "grid=7 must be a Grid"),
    "half a spoke": (lambda: radial_trajectory(GRID, 1.5), TypeError, "spokes=1.5"),
    "a text": (lambda: radial_angles("5"), TypeError, "Leave out the quotes"),
    "density NaN": (lambda: spiral_trajectory(GRID, 4, density=math.nan), ValueError, "density"),
    "acceleration zero": (lambda: line_mask((8, 8), 0.0), ValueError, "acceleration=0"),
    "a shape of zero": (lambda: poisson_disc_mask((0, 8), 2.0), ValueError, "Number 0 is 0"),
    "calibration below 0": (lambda: line_mask((8, 8), 2.0, -1), ValueError, "calibration=-1"),
    "no coils": (lambda: birdcage_maps(BOX, 0), ValueError, "coils=0"),
    "radius below 0": (lambda: birdcage_maps(BOX, radius=-1.0), ValueError, "radius=-1"),
    "degree below 0": (lambda: PolynomialMaps(BOX, 2, -1), ValueError, "degree=-1"),
    "no iterations": (
        lambda: density_compensation(spokes(GRID), GRID, iterations=0),
        ValueError,
        "iterations=0",
    ),
    "no segments": (
        lambda: Dephasing(GRID, torch.zeros(4), torch.zeros(48, 40), segments=0),
        ValueError,
        "segments=0",
    ),
    "angles NaN": (
        lambda: RadialSpokes(BOX, torch.full((3,), math.nan), radial_frequency(GRID)),
        ValueError,
        "angles",
    ),
    "an array for a tensor": (lambda: CartesianKSpace(GRID, MASK.numpy()), TypeError, "as_tensor"),
    "mask and grid swapped": (lambda: CartesianKSpace(MASK, GRID), TypeError, "must be a Grid"),
    "no width": (lambda: NonCartesianKSpace(GRID, spokes(GRID), width=0), ValueError, "width=0"),
    "oversampling": (
        lambda: NonCartesianKSpace(GRID, spokes(GRID), oversampling=0.5),
        ValueError,
        "from 1 to 8",
    ),
    "spacing zero": (lambda: centred_box((8, 8), (1.0, 0.0)), ValueError, "spacing"),
    "weights NaN": (
        lambda: ToeplitzNormal(
            NonCartesianKSpace(GRID, spokes(GRID)), torch.full((360,), math.nan)
        ),
        ValueError,
        "weights",
    ),
}


@pytest.mark.parametrize("slip", OUT_OF_RANGE)
def test_arguments_out_of_range_are_refused_by_name(slip: str):
    make, kind, message = OUT_OF_RANGE[slip]
    with pytest.raises(kind, match=message):
        make()


def test_a_trajectory_a_thousand_times_too_short_is_refused():
    grid = Grid(centred_box((16, 16), (1.0, 1.0)), (16, 16))
    with pytest.raises(ValueError, match=r"reaches 0.008 cycles per field of view"):
        NonCartesianKSpace(grid, radial_trajectory(grid, 4) / 1000)
