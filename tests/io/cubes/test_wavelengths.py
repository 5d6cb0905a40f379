"""Wavelengths in files: any unit becomes nm, numbers that are none are none, users may say them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from cases.envi import envi_file, listed

from inverse_inr.io import FileFormatError, read_cube

NM = np.array([450.0, 470.0, 500.0, 560.0, 640.0])
CUBE = np.random.default_rng(0).integers(0, 200, (6, 7, 5)).astype(np.float64)


@pytest.mark.parametrize(
    ("unit", "values"),
    [
        ("Nanometers", NM),
        ("nm", NM),
        ("Micrometers", NM / 1e3),
        ("µm", NM / 1e3),
        ("um", NM / 1e3),
        ("Millimeters", NM / 1e6),
        ("Centimeters", NM / 1e7),
        ("Meters", NM / 1e9),
        ("Angstroms", NM * 10),
        ("Å", NM * 10),
        ("Wavenumbers", 1e7 / NM),
        ("cm^-1", 1e7 / NM),
        ("1/cm", 1e7 / NM),
        ("GHz", 299792458.0 / NM),
        ("THz", 299792.458 / NM),
        ("eV", 1239.841984 / NM),
    ],
)
def test_wavelengths_of_any_unit_are_nm_and_rise(tmp_path: Path, unit: str, values: np.ndarray):
    header = envi_file(
        tmp_path / "a.hdr",
        CUBE,
        {"wavelength": listed(values), "wavelength units": unit, "fwhm": listed(0.01 * values)},
    )
    cube = read_cube(header)
    assert cube.wavelengths is not None
    np.testing.assert_allclose(cube.wavelengths.numpy(), NM, rtol=1e-8)
    assert cube.fwhm is not None
    np.testing.assert_allclose(cube.fwhm.numpy(), 0.01 * NM, rtol=1e-8)
    assert torch.equal(cube.values, torch.from_numpy(CUBE).float())


@pytest.mark.parametrize(
    ("unit", "values"),
    [
        ("Index", np.arange(1, 6)),
        ("Unknown", NM),
        ("Nanometers", np.arange(1, 6)),
        ("Micrometers", np.arange(0, 5)),
        (None, np.arange(1, 6)),
        (None, [3, 7, 21, 40, 80]),
    ],
    ids=str,
)
def test_numbers_that_are_no_wavelengths_are_none_and_noted(tmp_path: Path, unit, values):
    fields = {"wavelength": listed(values), "wavelength units": unit}
    cube = read_cube(envi_file(tmp_path / "a.hdr", CUBE, fields))
    assert cube.wavelengths is None
    assert cube.notes["wavelengths"]
    with pytest.raises(ValueError, match=r"wavelengths=\.\.\."):
        _ = cube.grid


@pytest.mark.parametrize(
    "fields",
    [
        {"wavelength": listed(np.arange(1, 6)), "wavelength units": "Index"},
        {"wavelength": listed(NM), "wavelength units": "furlongs"},
        {"wavelength": listed(-NM), "wavelength units": "Nanometers"},
        {"wavelength": listed([450.0] * 5), "wavelength units": "Nanometers"},
        {"wavelength": listed(NM[:4]), "wavelength units": "Nanometers"},
        {},
    ],
    ids=["index", "unknown unit", "negative", "alike", "too few", "none"],
)
def test_wavelengths_of_the_user_rescue_any_file(tmp_path: Path, fields: dict[str, str]):
    header = envi_file(tmp_path / "a.hdr", CUBE, fields)
    cube = read_cube(header, wavelengths=torch.from_numpy(NM))
    assert cube.wavelengths is not None
    assert cube.wavelengths.tolist() == NM.tolist()
    turned = read_cube(header, wavelengths=NM[::-1])
    assert torch.equal(turned.values, cube.values.flip(-1))
    if fields and fields.get("wavelength units") != "Index":
        with pytest.raises(FileFormatError):
            read_cube(header)


def test_wavelengths_in_the_names_of_bands_are_used(tmp_path: Path):
    named = {"band names": "{Radiance (450.0 nm), B2 470nm,\n B3 500 nm, B4 560.0 nm, B5_640nm}"}
    cube = read_cube(envi_file(tmp_path / "a.hdr", CUBE, named))
    assert cube.wavelengths is not None
    assert cube.wavelengths.tolist() == NM.tolist()
    assert "names" in cube.notes["wavelengths"]
    plain = {"band names": "{Band 1, Band 2, Band 3, Band 4, Band 5}"}
    assert read_cube(envi_file(tmp_path / "a.hdr", CUBE, plain)).wavelengths is None
