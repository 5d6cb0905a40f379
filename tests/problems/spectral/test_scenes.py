"""Generated spectral scenes, which have a truth at every wavelength; their figure."""

import numpy as np
import pytest
import torch

import inverse_inr as ii
from inverse_inr.problems.spectral import cassi
from inverse_inr.problems.spectral.figures import spectral_figure
from inverse_inr.problems.spectral.gap_tv import gap_tv
from inverse_inr.problems.spectral.scenes import (
    WAVELENGTHS,
    SpectralScene,
    colorchecker,
    spectral_scene,
)

BOX = ii.Box((0.0, 0.0, 450.0), (12.0, 10.0, 650.0), ("px", "px", "nm"))


def photograph() -> torch.Tensor:
    return torch.rand(12, 10, 3, generator=torch.Generator().manual_seed(0))


def test_a_scene_is_its_materials_times_their_spectra():
    scene = spectral_scene(photograph(), BOX)
    point = torch.tensor(
        [3.4, 7.9, 512.5], dtype=torch.float64
    )  # pixel (3, 7), half-way between two table entries
    k = int(np.searchsorted(WAVELENGTHS, 512.5))
    expected = scene.abundances[3, 7] @ (0.5 * (scene.spectra[:, k - 1] + scene.spectra[:, k]))
    assert float(scene(point)) == pytest.approx(float(expected), rel=1e-6)
    grid = ii.Grid(BOX, (12, 10, 7))
    torch.testing.assert_close(scene.sample(grid), scene(grid.points()), rtol=1e-5, atol=1e-6)
    assert float(scene.sample(grid).min()) >= 0
    assert float((scene.abundances @ scene.spectra).max()) == pytest.approx(1)


def test_brighter_and_redder_pixels_are_so_in_the_scene():
    image = torch.full((12, 10, 3), 0.3)
    image[0, 0] = torch.tensor([0.9, 0.1, 0.1])
    image[0, 1] = torch.tensor([0.1, 0.1, 0.9])
    scene = spectral_scene(image, BOX)
    red, blue = (scene(torch.tensor([[0.5, 0.5, v], [0.5, 1.5, v]]))[:, 0] for v in (640.0, 460.0))
    assert red[0] > 3 * red[1]
    assert blue[1] > 3 * blue[0]


def test_measured_reflectances_are_those_of_colour_science():
    assert colorchecker().shape == (24, len(WAVELENGTHS))
    assert colorchecker()[18].mean() > 5 * colorchecker()[23].mean()  # white and black patch


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.rand(4, 4), r"must be \(H, W, 3\)"),
        (255 * torch.rand(4, 4, 3), "Divide 8-bit values by 255"),
        (torch.full((4, 4, 3), torch.nan), "NaN"),
    ],
)
def test_images_that_are_no_scene(image, message):
    with pytest.raises(ValueError, match=message):
        spectral_scene(image, BOX)


def test_abundances_and_spectra_must_agree():
    with pytest.raises(ValueError, match="disagree"):
        SpectralScene(torch.ones(2, 2, 3), torch.ones(4, len(WAVELENGTHS)), BOX)


def test_a_figure_of_truth_and_solutions():
    problem = cassi(size=16, bands=6)
    solutions = [gap_tv(problem, 0.1, iterations=3)]
    figure = spectral_figure(problem, solutions)
    assert len(figure.axes) == 20  # colours, four bands and their error maps, spectra
    maps = [
        axes for axes in figure.axes if axes.images and axes.images[0].get_cmap().name == "magma"
    ]
    truth = ii.sample(problem.reference, problem.grid)[..., 0]  # type: ignore[arg-type]
    error = (solutions[0].sample()[..., 0] - truth).abs()
    assert len(maps) == 4
    shown = torch.as_tensor(np.asarray(maps[-1].images[0].get_array()))
    torch.testing.assert_close(shown, error[..., round(0.9 * 5)].to(shown))
