"""ENVI files of every layout, and what their headers say of values, bands and wavelengths."""

from pathlib import Path

import numpy as np
import pytest
import torch
from cases.envi import CODES, envi_file, listed

from inverse_inr.io import FileFormatError, SpectralCube, read_cube, write_envi

NM = np.array([450.0, 470.0, 500.0, 560.0, 640.0])
CUBE = np.random.default_rng(0).integers(0, 200, (6, 7, 5)).astype(np.float64)
NANOMETRES = {"wavelength": listed(NM), "wavelength units": "Nanometers"}


@pytest.mark.parametrize("kind", [k for k in CODES if not k.startswith("c")])
@pytest.mark.parametrize("interleave", ["bsq", "bil", "bip"])
@pytest.mark.parametrize("big", [False, True], ids=["little", "big"])
def test_every_type_interleave_and_byte_order(tmp_path: Path, kind, interleave, big):
    header = envi_file(
        tmp_path / "a.hdr", CUBE, kind=kind, interleave=interleave, big=big, offset=13
    )
    cube = read_cube(header)
    assert cube.values.dtype == torch.float32
    assert torch.equal(cube.values, torch.from_numpy(CUBE).float())
    assert cube.mask is None


@pytest.mark.parametrize("kind", ["c8", "c16"])
def test_complex_values_are_no_spectra(tmp_path: Path, kind: str):
    with pytest.raises(FileFormatError, match="cube of three axes, found complex"):
        read_cube(envi_file(tmp_path / "a.hdr", CUBE, kind=kind))


@pytest.mark.parametrize("shape", [(7, 6, 7), (5, 5, 5), (7, 7, 3)])
def test_the_header_tells_the_bands_of_any_shape(tmp_path: Path, shape: tuple[int, int, int]):
    cube = np.random.default_rng(1).random(shape)
    nm = 400 + 10.0 * np.arange(shape[2])
    header = envi_file(tmp_path / "a.hdr", cube, NANOMETRES | {"wavelength": listed(nm)})
    assert torch.equal(read_cube(header).values, torch.from_numpy(cube).float())


def test_bad_bands_are_left_out_and_told(tmp_path: Path):
    cube = CUBE.copy()
    cube[..., 2] = 1e6
    header = envi_file(tmp_path / "a.hdr", cube, NANOMETRES | {"bbl": "{1, 1, 0, 1, 1}"})
    seen = read_cube(header)
    assert seen.bad_bands == (2,)
    assert seen.wavelengths is not None
    assert seen.wavelengths.tolist() == NM[[0, 1, 3, 4]].tolist()
    assert torch.equal(seen.values, torch.from_numpy(CUBE[..., [0, 1, 3, 4]]).float())
    assert "1 bands" in seen.notes["bad bands"]
    kept = read_cube(header, keep_bad_bands=True)
    assert kept.bad_bands == (2,)
    assert float(kept.values[0, 0, 2]) == 1e6
    for own in (NM, NM[[0, 1, 3, 4]]):  # of all bands, or of the good ones
        found = read_cube(header, wavelengths=own).wavelengths
        assert found is not None
        assert found.tolist() == seen.wavelengths.tolist()


def test_bad_bands_without_a_wavelength_do_not_matter(tmp_path: Path):
    nm = NM.copy()
    nm[1] = nm[2]  # a detector's overlap, which the list of bad bands takes out
    fields = NANOMETRES | {"wavelength": listed(nm), "bbl": "{1, 0, 1, 1, 1}"}
    assert read_cube(envi_file(tmp_path / "a.hdr", CUBE, fields)).values.shape[-1] == 4


@pytest.mark.parametrize(
    ("kind", "value", "stored"),
    [("i2", "-9999", -9999), ("f4", "-9999.5", -9999.5), ("f4", "1e34", 1e34), ("u1", "255", 255)],
)
def test_values_that_stand_for_no_data_are_nan_and_masked(tmp_path: Path, kind, value, stored):
    cube = CUBE.copy()
    cube[2, 3, 1] = stored
    cube[4, 4, :] = stored
    fields = NANOMETRES | {"data ignore value": value, "reflectance scale factor": "100"}
    seen = read_cube(envi_file(tmp_path / "a.hdr", cube, fields, kind=kind))
    expected = np.zeros(CUBE.shape, dtype=bool)
    expected[2, 3, 1] = expected[4, 4] = True
    assert seen.mask is not None
    assert torch.equal(~seen.mask, torch.from_numpy(expected))
    assert torch.equal(seen.values.isnan(), ~seen.mask)
    known = ~expected
    np.testing.assert_allclose(seen.values.numpy()[known], CUBE[known] / 100, rtol=1e-6)
    assert seen.notes["no data"].startswith("6 of 210")


def test_a_value_that_the_type_cannot_hold_masks_nothing(tmp_path: Path):
    header = envi_file(tmp_path / "a.hdr", CUBE, {"data ignore value": "-9999"}, kind="u2")
    assert read_cube(header).mask is None


def test_nan_and_infinity_are_no_data(tmp_path: Path):
    cube = CUBE.copy()
    cube[0, 0, 0], cube[1, 1, 1] = np.nan, np.inf
    seen = read_cube(envi_file(tmp_path / "a.hdr", cube))
    assert seen.mask is not None
    assert int((~seen.mask).sum()) == 2


def test_gains_and_offsets_of_each_band(tmp_path: Path):
    gains, offsets = np.array([1.0, 2, 3, 4, 5]), np.array([0.0, -1, 0, 1, 0])
    fields = NANOMETRES | {
        "wavelength": listed(NM[::-1]),
        "data gain values": listed(gains),
        "data offset values": listed(offsets),
    }
    header = envi_file(tmp_path / "a.hdr", CUBE, fields)
    expected = torch.from_numpy(CUBE * gains + offsets).float().flip(-1)
    torch.testing.assert_close(read_cube(header).values, expected)
    stored = torch.from_numpy(CUBE).float().flip(-1)
    assert torch.equal(read_cube(header, raw=True).values, stored)
    assert torch.equal(read_cube(header, raw=True, scale=0.5).values, 0.5 * stored)


def test_a_header_as_programs_write_it(tmp_path: Path):
    """Braces over several lines, comments, capitals, CRLF, a byte order mark, other names."""
    header = tmp_path / "scene.bip.hdr"
    envi_file(tmp_path / "scene.hdr", CUBE, interleave="bip", data=".bip").unlink()
    header.write_bytes(
        b"\xef\xbb\xbfENVI\r\ndescription = {\r\n a scene,\r\n made = up}\r\n; a comment = 3\r\n"
        b"SAMPLES = 7\r\nLines   = 6\r\nbands=5\r\nData Type = 4\r\nInterleave = BIP\r\n"
        b"byte  order = 0\r\nwavelength  units = Nanometers\r\nwavelength = {450, 470,\r\n"
        b" 500.0, 5.6e2,\r\n 640 }\r\n"
    )
    for name in ("scene.bip.hdr", "scene.bip"):
        cube = read_cube(tmp_path / name)
        assert torch.equal(cube.values, torch.from_numpy(CUBE).float())
        assert cube.wavelengths is not None
        assert cube.wavelengths.tolist() == NM.tolist()


def test_raw_values_without_a_suffix(tmp_path: Path):
    envi_file(tmp_path / "scene.hdr", CUBE, data="")
    assert read_cube(tmp_path / "scene.hdr").values.shape == (6, 7, 5)
    assert read_cube(tmp_path / "scene").values.shape == (6, 7, 5)


def test_a_missing_byte_order_is_noted(tmp_path: Path):
    cube = read_cube(envi_file(tmp_path / "a.hdr", CUBE, {"byte order": None}))
    assert "little endian assumed" in cube.notes["byte order"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"lines": "5"}, "840 bytes, but a.hdr tells of 700: .* A header offset of 140"),
        ({"lines": "60"}, "840 bytes, but a.hdr tells of 8400: .* A damaged copy"),
        ({"lines": None}, "no 'lines'"),
        ({"lines": "six"}, "lines = 'six' must be a whole number"),
        ({"lines": "-6"}, "lines = '-6' must be a whole number"),
        ({"bands": "0"}, "are no cube"),
        ({"data type": "7"}, "data type = 7; ENVI has 1"),
        ({"data type": None}, "no 'data type'"),
        ({"byte order": "2"}, "byte order = 2; 0 is little endian"),
        ({"interleave": "bis"}, "interleave = 'bis'; expected bsq, bil or bip"),
        ({"file type": "ENVI Spectral Library"}, "expected an image of spectra"),
        ({"file compression": "1"}, "compressed"),
        ({"major frame offsets": "{128, 0}"}, "frames with padding"),
        ({"bbl": "{1, 1, 0}"}, "bbl has 3 numbers for 5 bands"),
        ({"bbl": "{0, 0, 0, 0, 0}"}, "every band is marked as bad"),
        ({"bbl": "{1, 1, 2, 1, 1}"}, "bbl must hold 1"),
        ({"data ignore value": "none"}, "'none' must be a number"),
        ({"reflectance scale factor": "0"}, "must be positive"),
        ({"data gain values": "{1, 2, x, 4, 5}"}, "not numbers"),
        ({"data gain values": "{1, 2, nan, 4, 5}"}, "NaN or Inf"),
        (
            {"data gain values": "{2, 2, 2, 2, 2}", "reflectance scale factor": "10000"},
            "both data gain values .* raw=True",
        ),
        ({"wavelength": "{450, 470"}, "the brace of 'wavelength' is not closed"),
        ({"wavelength": "{450, 460, 470}"}, "3 wavelengths, but the array has shape"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_header_that_contradicts_itself_or_its_data_is_refused(tmp_path: Path, fields, message):
    with pytest.raises(FileFormatError, match=message):
        read_cube(envi_file(tmp_path / "a.hdr", CUBE, fields))


def test_of_two_files_beside_a_header_the_size_tells_which(tmp_path: Path):
    header = envi_file(tmp_path / "a.hdr", CUBE)
    (tmp_path / "a.dat").write_bytes(b"1")
    cube = read_cube(header)
    assert torch.equal(cube.values, torch.from_numpy(CUBE).float())
    assert "a.img" in cube.notes["raw values"]
    (tmp_path / "a.dat").write_bytes((tmp_path / "a.img").read_bytes())
    with pytest.raises(
        FileFormatError, match=r"several files beside it: a\.dat, a\.img; 2 of them"
    ):
        read_cube(header)
    assert read_cube(tmp_path / "a.img").values.shape == (6, 7, 5)


def test_what_is_written_is_read_and_by_other_programs_too(tmp_path: Path):
    envi = pytest.importorskip("spectral.io.envi", reason="the extra [spectral] is not installed")
    values = torch.from_numpy(CUBE).float()
    values[1, 2, 3] = float("nan")
    cube = SpectralCube(
        values, torch.from_numpy(NM), "W/(m2 sr nm)", fwhm=torch.from_numpy(0.1 * NM)
    )
    write_envi(tmp_path / "a.hdr", cube)
    again = read_cube(tmp_path / "a.hdr")
    assert torch.equal(again.values.nan_to_num(-1), values.nan_to_num(-1))
    assert again.mask is not None
    assert int((~again.mask).sum()) == 1
    assert again.wavelengths is not None
    assert again.fwhm is not None
    assert again.wavelengths.tolist() == NM.tolist()
    torch.testing.assert_close(again.fwhm, cube.fwhm)
    assert again.units == cube.units
    other = envi.open(str(tmp_path / "a.hdr"))
    np.testing.assert_array_equal(np.asarray(other.open_memmap()), values.numpy())
    assert other.bands.centers == NM.tolist()


@pytest.mark.parametrize("interleave", ["bsq", "bil", "bip"])
@pytest.mark.parametrize("order", [0, 1])
def test_what_another_program_writes_is_read(tmp_path: Path, interleave: str, order: int):
    envi = pytest.importorskip("spectral.io.envi", reason="the extra [spectral] is not installed")
    more = {"wavelength": NM.tolist(), "wavelength units": "nm", "bbl": [1, 1, 1, 1, 0]}
    envi.save_image(
        str(tmp_path / "a.hdr"),
        CUBE.astype(np.int16),
        interleave=interleave,
        byteorder=order,
        metadata=more,
    )
    cube = read_cube(tmp_path / "a.hdr")
    assert torch.equal(cube.values, torch.from_numpy(CUBE[..., :4]).float())
    assert cube.bad_bands == (4,)


@pytest.mark.parametrize(
    ("name", "units", "message"),
    [("a.img", "", "ends in .hdr"), ("a.hdr", "one\ntwo", "one line without braces")],
)
def test_what_cannot_be_written_is_refused(tmp_path: Path, name: str, units: str, message: str):
    cube = SpectralCube(torch.ones(2, 2, 2), units=units)
    with pytest.raises(ValueError, match=message):
        write_envi(tmp_path / name, cube)
