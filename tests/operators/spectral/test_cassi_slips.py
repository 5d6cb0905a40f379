"""What CASSI refuses, and why it says so."""

import pytest
import torch
from cases.spectral import bands, box, camera

from inverse_inr import Box, Grid
from inverse_inr.operators import CASSI, Placement
from inverse_inr.operators.spectral.dispersion import Scaled, Table, steps

WAVELENGTHS = bands(5)
LAW = steps(WAVELENGTHS, 1.0)
FITTING = {
    "box": box(6, 9),
    "mask": torch.rand(6, 9),
    "wavelengths": WAVELENGTHS,
    "dispersion": LAW,
}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"mask": torch.rand(6, 8)}, "smaller than the scene"),
        ({"mask": torch.rand(9, 6)}, "Transposed"),
        ({"mask": torch.rand(6, 10)}, "larger than the scene"),
        ({"mask": torch.rand(6, 9, 4)}, "colours for 5 bands"),
        ({"mask": torch.zeros(6, 9)}, "no light"),
        ({"wavelengths": WAVELENGTHS.flip(0)}, "must rise"),
        ({"wavelengths": WAVELENGTHS / 1000}, "micrometres"),
        ({"width": 12}, "leaves the detector of 12 px"),
        ({"dispersion": Scaled(LAW, offset=-1.0)}, "off the detector's edge"),
        ({"box": Box((0, 0, 450), (6.5, 9, 650))}, "whole pixels"),
        ({"box": Box((0, 0), (6, 9))}, "two of space"),
        ({"mode": "sd"}, "mode='sd' must be 'single', 'dual' or 'spatial-spectral'"),
        ({"psf": -0.5}, "psf=-0.5 must be"),
        ({"width": 0}, "width=0 must be a whole number of at least 1"),
        ({"axis": 2}, "axis=2"),
    ],
)
def test_a_camera_refuses_what_does_not_fit(changed, message):
    with pytest.raises(ValueError, match=message):
        CASSI(**(FITTING | changed))


def test_a_table_refuses_another_number_of_shifts():
    with pytest.raises(ValueError, match=r"wavelengths \(4,\) and shifts \(5,\)"):
        Table(torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.rand(5))


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (Grid(box(6, 9), (6, 9, 4)), r"5 bands; the grid has shape \(6, 9, 4\)"),
        (Grid(Box((0, 0, 0), (5, 6, 9)), (5, 6, 9)), r"movedim\(0, -1\)"),
    ],
)
def test_a_camera_refuses_cubes_of_another_count_or_order(grid, message):
    with pytest.raises(ValueError, match=message):
        camera().on(grid)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Placement(torch.tensor([1.0, 2.0, 3.0])),
            r"Placement: shift must have shape \(2,\), got \(3,\)",
        ),
        (lambda: Placement(stretch=torch.zeros(4)), r"Placement: stretch must have shape \(2, 2\)"),
        (
            lambda: Placement(rotation=float("nan")),
            "Placement: rotation=nan must be",
        ),
    ],
)
def test_a_placement_refuses_what_it_cannot_mean(make, message):
    with pytest.raises(ValueError, match=message):
        make()
