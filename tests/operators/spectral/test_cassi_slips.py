"""What CASSI refuses, and why it says so."""

import pytest
import torch
from cases.cassi import bands, box, camera

from inverse_inr import Box, Grid
from inverse_inr.operators import CASSI, Placement
from inverse_inr.operators.spectral.dispersion import Scaled, Table, steps


def test_refuses_what_does_not_fit():
    wavelengths, mask = bands(5), torch.rand(6, 9)
    law = steps(wavelengths, 1.0)
    with pytest.raises(ValueError, match="smaller than the scene"):
        CASSI(box(6, 9), torch.rand(6, 8), wavelengths, law)
    with pytest.raises(ValueError, match="Transposed"):
        CASSI(box(6, 9), torch.rand(9, 6), wavelengths, law)
    with pytest.raises(ValueError, match="larger than the scene"):
        CASSI(box(6, 9), torch.rand(6, 10), wavelengths, law)
    with pytest.raises(ValueError, match="colours for 5 bands"):
        CASSI(box(6, 9), torch.rand(6, 9, 4), wavelengths, law)
    with pytest.raises(ValueError, match="no light"):
        CASSI(box(6, 9), torch.zeros(6, 9), wavelengths, law)
    with pytest.raises(ValueError, match="must rise"):
        CASSI(box(6, 9), mask, wavelengths.flip(0), law)
    with pytest.raises(ValueError, match="micrometres"):
        CASSI(box(6, 9), mask, wavelengths / 1000, law)
    with pytest.raises(ValueError, match="leaves the detector of 12 px"):
        CASSI(box(6, 9), mask, wavelengths, law, width=12)
    with pytest.raises(ValueError, match="off the detector's edge"):
        CASSI(box(6, 9), mask, wavelengths, Scaled(law, offset=-1.0))
    with pytest.raises(ValueError, match="whole pixels"):
        CASSI(Box((0, 0, 450), (6.5, 9, 650)), mask, wavelengths, law)
    with pytest.raises(ValueError, match="two of space"):
        CASSI(Box((0, 0), (6, 9)), mask, wavelengths, law)
    with pytest.raises(ValueError, match="mode must be"):
        CASSI(box(6, 9), mask, wavelengths, law, mode="sd")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="axis=2"):
        CASSI(box(6, 9), mask, wavelengths, law, axis=2)
    with pytest.raises(ValueError, match="4 wavelengths and 5 shifts"):
        Table(torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.rand(5))


def test_refuses_cubes_of_another_count_or_order():
    a = camera()
    with pytest.raises(ValueError, match=r"5 bands; the grid has shape \(6, 9, 4\)"):
        a.on(Grid(box(6, 9), (6, 9, 4)))
    with pytest.raises(ValueError, match=r"movedim\(0, -1\)"):
        a.on(Grid(Box((0, 0, 0), (5, 6, 9)), (5, 6, 9)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Placement(torch.tensor([1.0, 2.0, 3.0])),
            r"Placement: shift must have shape \(2,\), got \(3,\)",
        ),
        (lambda: Placement(stretch=torch.zeros(4)), r"Placement: stretch must have shape \(2, 2\)"),
        (lambda: Placement(rotation=float("nan")), "Placement: rotation holds NaN"),
    ],
)
def test_a_placement_refuses_what_it_cannot_mean(make, message):
    with pytest.raises(ValueError, match=message):
        make()
