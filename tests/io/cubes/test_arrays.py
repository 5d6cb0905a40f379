"""Cubes among named arrays: which array is which, band numbers, attributes of HDF5 datasets."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from scipy.io import savemat

from inverse_inr.io import FileFormatError, SpectralCube, read_cube

NM = np.array([450.0, 470.0, 500.0, 560.0, 640.0])
COUNTS = np.random.default_rng(0).integers(1, 200, (6, 7, 5)).astype(np.int16)


def hdf5(
    path: Path,
    attributes: dict[str, Any],
    others: dict[str, tuple[np.ndarray, dict[str, Any]]] | None = None,
    counts: np.ndarray = COUNTS,
) -> Path:
    """A dataset scene/cube with attributes, and others beside it."""
    with h5py.File(path, "w") as file:
        cube = file.create_dataset("scene/cube", data=counts)
        cube.attrs.update(attributes)
        for name, (values, said) in (others or {}).items():
            file.create_dataset(f"scene/{name}", data=values).attrs.update(said)
    return path


def wavelengths_of(cube: SpectralCube) -> np.ndarray:
    assert cube.wavelengths is not None
    return cube.wavelengths.numpy()


@pytest.mark.parametrize("numbers", [np.arange(1, 6), np.arange(5), [4, 9, 17, 18, 30]])
@pytest.mark.parametrize("suffix", [".mat", ".npz", ".h5"])
def test_band_numbers_are_no_wavelengths(tmp_path: Path, numbers, suffix: str):
    path = tmp_path / f"a{suffix}"
    arrays = {"cube": COUNTS, "bands": np.asarray(numbers)}
    if suffix == ".mat":
        savemat(path, arrays)
    elif suffix == ".npz":
        np.savez(path, **arrays)
    else:
        with h5py.File(path, "w") as file:
            file.update(arrays)
    cube = read_cube(path, bands="last")
    assert cube.wavelengths is None
    assert cube.notes["wavelengths"]
    assert wavelengths_of(read_cube(path, wavelengths=NM)).tolist() == NM.tolist()


def test_wavelengths_count_before_band_numbers(tmp_path: Path):
    savemat(tmp_path / "a.mat", {"cube": COUNTS, "bands": np.arange(1, 6), "lambda": NM})
    assert wavelengths_of(read_cube(tmp_path / "a.mat")).tolist() == NM.tolist()


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("wavelengths_nm", NM),
        ("wavelength_um", NM / 1000),
        ("wavenumbers", 1e7 / NM),
        ("wavelengths", NM),
        ("wl", NM / 1000),
    ],
)
def test_the_name_of_an_array_may_tell_its_unit(tmp_path: Path, name: str, values: np.ndarray):
    np.savez(tmp_path / "a.npz", **{"cube": COUNTS, name: values})  # pyright: ignore
    np.testing.assert_allclose(wavelengths_of(read_cube(tmp_path / "a.npz")), NM)


def test_attributes_tell_units_no_data_and_factors(tmp_path: Path):
    counts = COUNTS.copy()
    counts[1, 2, 3] = -32768
    path = hdf5(
        tmp_path / "a.h5",
        {"units": "W m-2", "_FillValue": -32768, "scale_factor": 0.5, "add_offset": 3.0},
        {"wavelength": (1e7 / NM, {"units": "cm-1"}), "fwhm": (NM / 100, {})},
    )
    with h5py.File(path, "a") as file:
        file["scene/cube"][...] = counts  # type: ignore[index]
    cube = read_cube(path)
    assert cube.units == "W m-2"
    np.testing.assert_allclose(wavelengths_of(cube), NM)
    assert cube.mask is not None
    assert (~cube.mask).nonzero().tolist() == [[1, 2, 3]]
    known = cube.mask.numpy()
    np.testing.assert_allclose(cube.values.numpy()[known], 0.5 * COUNTS[known] + 3, rtol=1e-6)
    stored = read_cube(path, raw=True)
    np.testing.assert_array_equal(stored.values.numpy()[known], COUNTS[known])
    assert not bool(stored.values[1, 2, 3].isfinite())


def test_a_factor_as_neon_writes_it_divides(tmp_path: Path):
    path = hdf5(tmp_path / "a.h5", {"Scale_Factor": 10000.0, "Data_Ignore_Value": -9999.0})
    cube = read_cube(path, wavelengths=NM)
    np.testing.assert_allclose(cube.values.numpy(), COUNTS / 10000, rtol=1e-6)
    assert "NEON" in cube.notes["scale"]


def test_values_out_of_the_valid_range_are_no_data(tmp_path: Path):
    cube = read_cube(hdf5(tmp_path / "a.h5", {"valid_range": [10, 150]}), wavelengths=NM)
    assert cube.mask is not None
    expected = (COUNTS >= 10) & (COUNTS <= 150)
    assert torch.equal(cube.mask, torch.from_numpy(expected))
    assert 0 < expected.mean() < 1


def test_bands_of_the_cubes_own_attributes(tmp_path: Path):
    said = {"wavelengths": NM / 1000, "wavelength_units": "um", "units": b"reflectance"}
    cube = read_cube(hdf5(tmp_path / "a.h5", said))
    np.testing.assert_allclose(wavelengths_of(cube), NM)
    assert cube.units == "reflectance"


def test_good_bands_beside_the_cube(tmp_path: Path):
    others = {
        "wavelengths": (NM, {"units": "nm"}),
        "good_wavelengths": (np.array([1, 0, 1, 1, 1]), {}),
    }
    cube = read_cube(hdf5(tmp_path / "a.nc", {}, others))
    assert cube.bad_bands == (1,)
    assert wavelengths_of(cube).tolist() == NM[[0, 2, 3, 4]].tolist()


@pytest.mark.parametrize(
    ("attributes", "others", "message"),
    [
        ({"_FillValue": "none"}, {}, "attribute _fillvalue = 'none' must be a number"),
        ({"scale_factor": 0.0}, {}, "scale_factor 0"),
        ({}, {"wavelength": (NM, {"units": "parsec"})}, "wavelengths in 'parsec'"),
        ({}, {"wavelength": (NM[:4], {"units": "nm"})}, "4 wavelengths, but the array"),
        ({}, {"wavelength": (NM, {}), "bbl": (np.ones(4), {})}, "4 entries for 5 bands"),
    ],
)
def test_attributes_that_cannot_be_meant_are_refused(tmp_path: Path, attributes, others, message):
    with pytest.raises(FileFormatError, match=message):
        read_cube(hdf5(tmp_path / "a.h5", attributes, others))


def test_a_file_without_names_takes_no_key(tmp_path: Path):
    np.save(tmp_path / "a.npy", COUNTS)
    with pytest.raises(FileFormatError, match="one array without a name"):
        read_cube(tmp_path / "a.npy", "cube")
