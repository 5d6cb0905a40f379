"""Grids of bands at any wavelengths."""

import pytest
import torch
from cases.spectral import box

from inverse_inr import BandGrid, Grid, SampledField, sample

CENTERS = (460.0, 470.0, 500.0, 600.0)


def test_bands_at_any_wavelengths_have_edges_averages_and_crops():
    centers = CENTERS
    grid = BandGrid(box(2, 3), (2, 3, 4), centers=centers)
    assert torch.equal(grid.axes()[-1], torch.tensor(centers))
    assert grid.edges == [450.0, 465.0, 485.0, 550.0, 650.0]
    field = lambda x: x[..., 2:3] + 1000 * x[..., :1]  # noqa: E731
    cube = SampledField(sample(field, grid), grid)
    assert torch.allclose(cube(torch.tensor([[1.0, 1.0, 550.0]])), torch.tensor([[1550.0]]))
    assert torch.allclose(sample(cube, grid, chunk=4), cube.values)  # in slabs
    means = sample(field, grid, average=4)[0, 0, :, 0] - 500
    assert torch.allclose(means, torch.tensor([457.5, 475.0, 517.5, 600.0]))
    assert grid.crop((0, 1, 1), (2, 2, 2)).axes()[-1].tolist() == [470.0, 500.0]
    even = Grid(box(2, 3), (2, 3, 5))
    assert BandGrid.of(box(2, 3), (2, 3), even.axes()[-1]) == even
    assert BandGrid.of(box(2, 3), (2, 3), centers) == grid


@pytest.mark.parametrize(
    ("bands", "centers", "message"),
    [
        (2, (500.0, 480.0), "must rise"),
        (4, CENTERS[:3], "3 centres for 4 bands"),
        (2, (380.0, 480.0), "the box from 450"),
    ],
    ids=["falling", "too few", "outside the box"],
)
def test_centres_that_do_not_fit_are_refused(bands, centers, message):
    with pytest.raises(ValueError, match=message):
        BandGrid(box(2, 3), (2, 3, bands), centers=centers)
