"""What a file says of itself and its numbers contradict: refused with both."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from inverse_inr.io import FileFormatError, read_cube

NM = np.linspace(400, 700, 7)
CUBE = np.random.default_rng(0).random((5, 6, 7)).astype(np.float32)


def envi(folder: Path, order: str, said: int, wavelengths: np.ndarray = NM, unit: str = "nm"):
    values = np.ascontiguousarray(CUBE.transpose(2, 0, 1))
    values.astype(f"{order}f4").tofile(folder / "a.img")
    (folder / "a.hdr").write_text(
        "ENVI\nsamples = 6\nlines = 5\nbands = 7\nheader offset = 0\ndata type = 4\n"
        f"interleave = bsq\nbyte order = {said}\nwavelength units = {unit}\n"
        f"wavelength = {{{', '.join(f'{v:g}' for v in wavelengths)}}}\n"
    )
    return folder / "a.hdr"


@pytest.mark.parametrize(("order", "said"), [("<", 1), (">", 0)])
def test_a_byte_order_that_turns_floats_to_noise_is_refused(tmp_path: Path, order: str, said: int):
    with pytest.raises(FileFormatError, match="Is its byte order wrong"):
        read_cube(envi(tmp_path, order, said))
    np.testing.assert_array_equal(read_cube(envi(tmp_path, order, 1 - said)).values.numpy(), CUBE)


@pytest.mark.parametrize(
    ("scale", "unit", "slip"),
    [
        (1e-3, "Nanometers", "Micrometres"),
        (1.0, "Micrometers", "Nanometres"),
        (1.0, "Angstroms", "Nanometres"),
        (1e-3, "Angstroms", "Micrometres"),
    ],
)
def test_a_unit_that_its_numbers_contradict_is_refused(tmp_path: Path, scale, unit, slip):
    path = envi(tmp_path, "<", 0, NM * scale, unit)
    with pytest.raises(FileFormatError, match=f"no spectral camera has. {slip}"):
        read_cube(path)
    assert read_cube(path, wavelengths=NM).wavelengths is not None


def test_wavelengths_of_the_whole_hdf5_file_are_read(tmp_path: Path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        cube = file.create_dataset("group/cube", data=CUBE)
        file.attrs["wavelength"] = NM / 1000
        file.attrs["wavelength_units"] = "um"
        file.attrs["scale_factor"] = 5.0  # of which dataset, nothing says
        cube.attrs["gain"] = 2.0
    found = read_cube(tmp_path / "a.h5")
    assert found.wavelengths is not None
    np.testing.assert_allclose(found.wavelengths.numpy(), NM)
    np.testing.assert_array_equal(found.values.numpy(), CUBE)
    assert "gain = 2" in str(found.notes["not applied"])


def test_a_valid_range_of_one_number_is_refused(tmp_path: Path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("cube", data=CUBE).attrs["valid_range"] = [0.5]
    with pytest.raises(FileFormatError, match=r"valid_range = .* must be two numbers"):
        read_cube(tmp_path / "a.h5", bands="last")


@pytest.mark.parametrize(("channels", "mode"), [(2, "LA"), (4, "RGBA")])
def test_bands_with_transparent_pixels_are_refused(tmp_path: Path, channels: int, mode: str):
    for k in (1, 2):
        pixels = np.full((4, 5, channels), 10, np.uint8)
        Image.fromarray(pixels, mode).save(tmp_path / f"b_{k}.png")
    with pytest.raises(FileFormatError, match="20 transparent pixels"):
        read_cube(tmp_path)


def test_a_missing_band_of_a_folder_is_named(tmp_path: Path):
    for k in (1, 2, 4, 5):
        Image.fromarray(np.full((4, 5), k, np.uint8)).save(tmp_path / f"b_{k}.png")
    cube = read_cube(tmp_path)
    assert cube.values.shape == (4, 5, 4)
    assert str(cube.notes["bands"]).endswith("missing: 3")


def test_jpeg_bands_are_refused_by_name(tmp_path: Path):
    for k in (1, 2):
        Image.fromarray(np.full((4, 5), k, np.uint8)).save(tmp_path / f"b_{k}.jpg")
    with pytest.raises(FileFormatError, match="JPEG changes the values"):
        read_cube(tmp_path)
