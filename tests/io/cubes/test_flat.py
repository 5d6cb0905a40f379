"""Cubes as MATLAB files of other people hold them: flat, or in a struct."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from inverse_inr.io import FileFormatError, read_cube
from inverse_inr.problems.spectral.cassi import band_centres
from inverse_inr.problems.spectral.data import scene_cube

CUBE = np.random.default_rng(0).random((5, 6, 7))
FLAT = CUBE.reshape(30, 7, order="F").T
"""(bands, pixels), pixels counted column by column as MATLAB does."""


@pytest.mark.parametrize("names", [("nRow", "nCol"), ("rows", "cols"), ("height", "width")])
@pytest.mark.parametrize("array", [FLAT, FLAT.T], ids=["bands first", "pixels first"])
def test_flat_cubes_get_the_rows_and_columns_that_the_file_says(tmp_path: Path, names, array):
    sizes: dict[str, Any] = dict(zip(names, (5, 6), strict=True))
    savemat(tmp_path / "a.mat", {"Y": array, "maxValue": 1.0} | sizes)
    for key in (None, "Y"):
        cube = read_cube(tmp_path / "a.mat", key)
        np.testing.assert_allclose(cube.values.numpy(), CUBE, rtol=1e-6)
        assert "column by column" in str(cube.notes["flat"])


@pytest.mark.parametrize("sizes", [{}, {"nRow": 5, "nCol": 5}, {"nRow": 2.5, "nCol": 12}])
def test_flat_cubes_of_unknown_rows_are_refused(tmp_path: Path, sizes: dict[str, Any]):
    savemat(tmp_path / "a.mat", {"Y": FLAT} | sizes)
    with pytest.raises(FileFormatError, match=r"Y with its pixels in one axis\? .* reshape it"):
        read_cube(tmp_path / "a.mat")


def test_cassi_takes_flat_cubes_of_any_shape(tmp_path: Path):
    savemat(tmp_path / "a.mat", {"Y": FLAT, "nRow": 5, "nCol": 6})
    values, notes = scene_cube(str(tmp_path / "a.mat"), "Y", band_centres(7), 6)
    np.testing.assert_allclose(values.numpy(), CUBE / CUBE.max(), rtol=1e-6)
    assert "cube: flat" in notes


def test_cassi_says_that_it_takes_a_flat_cube_as_square(tmp_path: Path):
    square = CUBE[:, :5]
    savemat(tmp_path / "a.mat", {"Y": square.reshape(25, 7, order="F").T})
    values, notes = scene_cube(str(tmp_path / "a.mat"), "Y", band_centres(7), 6)
    np.testing.assert_allclose(values.numpy(), square / square.max(), rtol=1e-6)
    assert "5 x 5, column by column" in notes["cube: flat"]


@pytest.mark.parametrize("key", [None, "scene/cube"])
def test_a_cube_in_a_struct_is_found(tmp_path: Path, key: str | None):
    wavelengths = np.linspace(400, 700, 7)
    savemat(tmp_path / "a.mat", {"scene": {"cube": CUBE, "wavelengths": wavelengths}})
    cube = read_cube(tmp_path / "a.mat", key)
    np.testing.assert_allclose(cube.values.numpy(), CUBE, rtol=1e-6)
    assert cube.wavelengths is not None
    assert cube.wavelengths.tolist() == wavelengths.tolist()
