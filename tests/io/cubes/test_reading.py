"""Spectral cubes from every format: values, wavelengths and units; unclear files are refused."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from scipy.io import savemat

from inverse_inr import BandGrid, Grid
from inverse_inr.io import FileFormatError, SpectralCube, read_cube

NM = np.array([450.0, 470.0, 500.0, 560.0, 640.0])
VALUES = np.random.default_rng(0).random((6, 7, 5)).astype(np.float32)


def reversed_hdf5(path: Path, arrays: dict[str, np.ndarray], userblock: int = 0) -> Path:
    """An HDF5 file with the axes of its arrays reversed."""
    with h5py.File(path, "w", userblock_size=userblock) as file:
        for name, array in arrays.items():
            file[name] = array.T
    return path


def v73(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    """A file as MATLAB writes it: axes reversed, behind 512 bytes of its own."""
    reversed_hdf5(path, arrays, userblock=512)
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(128))
    return path


def equals(cube: SpectralCube, wavelengths: bool = True) -> bool:
    if wavelengths and not np.allclose(cube.wavelengths, NM):  # pyright: ignore
        return False
    return torch.equal(cube.values, torch.from_numpy(VALUES))


def test_matlab_of_both_kinds(tmp_path: Path):
    savemat(tmp_path / "v5.mat", {"img": VALUES, "wavelengths": NM})
    assert equals(read_cube(tmp_path / "v5.mat"))
    arrays = {"img": VALUES, "wavelengths": NM[None]}
    assert equals(read_cube(v73(tmp_path / "v73.mat", arrays)))
    assert equals(read_cube(reversed_hdf5(tmp_path / "bare.mat", arrays)))


def test_npz_hdf5_and_tiff(tmp_path: Path):
    np.savez(tmp_path / "a.npz", cube=VALUES, wavelength=NM / 1000)  # in micrometres
    assert equals(read_cube(tmp_path / "a.npz"))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["scene/rad"] = np.moveaxis(VALUES, -1, 0)  # bands first, as in ICVL
        file["scene/bands"] = NM
    assert equals(read_cube(tmp_path / "a.h5"))
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "a.tif", np.moveaxis(VALUES, -1, 0), photometric="minisblack")
    assert equals(read_cube(tmp_path / "a.tif", wavelengths=NM))
    assert equals(read_cube(tmp_path / "a.tif", bands="first"), wavelengths=False)
    np.save(tmp_path / "a.npy", VALUES)
    assert equals(read_cube(tmp_path / "a.npy", wavelengths=NM))


def test_the_published_tsa_measurement_is_no_cube(data):
    with pytest.raises(FileFormatError, match=r"meas_real \(660, 714\)"):
        read_cube(data.file("tsa_real_scene1.mat"))


def test_bands_are_sorted_and_have_a_grid(tmp_path: Path):
    np.savez(tmp_path / "a.npz", cube=VALUES[..., ::-1], wavelengths=NM[::-1])
    cube = read_cube(tmp_path / "a.npz")
    assert equals(cube)
    assert isinstance(cube.grid, BandGrid)
    assert cube.grid.shape == (6, 7, 5)
    assert cube.grid.axes(torch.float64)[-1].tolist() == NM.tolist()
    even = NM[0] + 10.0 * np.arange(5)
    assert type(read_cube(tmp_path / "a.npz", wavelengths=even).grid) is Grid


@pytest.fixture
def unnamed(tmp_path: Path) -> Path:
    """A cube of 6 x 7 x 5 numbers that does not say which axis holds the bands."""
    np.savez(tmp_path / "a.npz", cube=VALUES)
    return tmp_path / "a.npz"


@pytest.mark.parametrize(
    "options",
    [{"bands": "first"}, {"wavelengths": np.arange(6) + 400.0}],
    ids=["bands", "wavelengths"],
)
def test_the_axis_of_the_bands_can_be_told(unnamed: Path, options: dict):
    assert read_cube(unnamed, **options).values.shape == (7, 5, 6)


@pytest.mark.parametrize("options", [{"bands": "middle"}, {"wavelengths": np.arange(7) + 400.0}])
def test_bands_may_lie_between_lines_and_samples(unnamed: Path, options: dict):
    expected = torch.from_numpy(VALUES).movedim(1, -1)
    assert torch.equal(read_cube(unnamed, **options).values, expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"\(6, 7, 5\) may have its bands first or last"),
        ({"wavelengths": NM, "bands": "first"}, "5 wavelengths, but the array has shape"),
        ({"wavelengths": np.arange(9) + 400.0}, "9 wavelengths"),
        ({"wavelengths": NM / 1000}, "In micrometres"),
        ({"wavelengths": np.arange(1, 6)}, "Band numbers are no wavelengths"),
        ({"wavelengths": [450.0, -1.0, 2.0, 3.0, 4.0]}, "positive and finite"),
        ({"wavelengths": NM, "scale": 0.0}, "scale=0 leaves nothing"),
        ({"bands": "second"}, "must be 'first', 'middle' or 'last'"),
    ],
    ids=["not told", "another axis", "no axis", "um", "numbers", "negative", "scale", "word"],
)
def test_which_axis_holds_the_bands_is_not_guessed(unnamed: Path, options: dict, message: str):
    with pytest.raises(ValueError, match=message):
        read_cube(unnamed, **options)


def test_as_many_rows_as_bands_leave_the_axis_open(tmp_path: Path):
    np.savez(tmp_path / "b.npz", cube=VALUES[:5], wavelengths=NM)
    with pytest.raises(FileFormatError, match="first or last"):
        read_cube(tmp_path / "b.npz")


def test_a_missing_file_is_refused(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        read_cube(tmp_path / "none.mat")


def test_a_text_is_no_cube(tmp_path: Path):
    (tmp_path / "text.mat").write_text("not a matlab file")
    with pytest.raises(FileFormatError, match="found text"):
        read_cube(tmp_path / "text.mat")


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ((), "name it with key="),
        (("c",), r"expected an array 'c'. Arrays: .*a \(6, 7, 5\)"),
    ],
    ids=["no key", "unknown key"],
)
def test_of_two_arrays_one_must_be_named(tmp_path: Path, key: tuple[str, ...], message: str):
    savemat(tmp_path / "two.mat", {"a": VALUES, "b": VALUES})
    with pytest.raises(FileFormatError, match=message):
        read_cube(tmp_path / "two.mat", *key)


def test_a_file_that_is_cut_off_is_a_damaged_copy(tmp_path: Path):
    broken = v73(tmp_path / "broken.mat", {"img": VALUES})
    broken.write_bytes(broken.read_bytes()[:900])
    with pytest.raises(FileFormatError, match="damaged copy"):
        read_cube(broken)


def test_two_bands_of_the_same_wavelength_are_refused(tmp_path: Path):
    np.savez(tmp_path / "twice.npz", cube=VALUES, wavelengths=np.array([450.0, 470, 470, 560, 640]))
    with pytest.raises(FileFormatError, match="same wavelength"):
        read_cube(tmp_path / "twice.npz")


@pytest.mark.parametrize(
    ("wavelengths", "message"),
    [(NM[:4], "4 wavelengths for values"), (NM[::-1].copy(), "must rise")],
    ids=["too few", "falling"],
)
def test_a_cube_of_wrong_wavelengths_is_refused(wavelengths: np.ndarray, message: str):
    with pytest.raises(ValueError, match=message):
        SpectralCube(torch.from_numpy(VALUES), torch.from_numpy(wavelengths))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"mask": torch.ones(6, 7, dtype=torch.bool)}, r"mask must be bool of shape \(6, 7, 5\)"),
        ({"mask": torch.ones(6, 7, 5)}, "mask must be bool"),
        ({"fwhm": torch.ones(4)}, "4 widths for values"),
        ({"wavelengths": torch.full((5,), float("nan"))}, "NaN or Inf"),
    ],
)
def test_parts_of_a_cube_that_do_not_fit_are_refused(changed: dict, message: str):
    with pytest.raises(ValueError, match=message):
        SpectralCube(torch.from_numpy(VALUES), **changed)


def test_pixels_without_data_are_not_trusted():
    mask = torch.ones(6, 7, 5, dtype=torch.bool)
    mask[2, 3, 4] = False
    cube = SpectralCube(torch.from_numpy(VALUES), mask=mask)
    assert cube.saturated(2.0).nonzero().tolist() == [[2, 3]]
    assert torch.equal(cube.measured, mask)


def test_pixels_that_cannot_be_trusted():
    values = torch.full((2, 2, 3), 0.5)
    values[0, 0, 1] = -0.1
    values[1, 1, 2] = 1.0
    values[0, 1, 0] = float("nan")
    assert SpectralCube(values).saturated(1.0).tolist() == [[True, True], [False, True]]
