"""Cubes of images: pages of a TIFF file, folders of one image per band in the right order."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from inverse_inr.io import FileFormatError, read_cube


def folder_of(folder: Path, names: list[str], kind: str = "u1") -> Path:
    """Images whose grey level is their place in the list."""
    folder.mkdir(parents=True, exist_ok=True)
    for k, name in enumerate(names):
        Image.fromarray(np.full((4, 5), k, dtype=kind)).save(folder / name)
    return folder


def order_of(folder: Path, top: int = 255, **options) -> list[int]:
    return (read_cube(folder, **options).values[0, 0] * top).round().int().tolist()


def test_a_folder_as_cave_publishes_it(tmp_path: Path):
    inner = tmp_path / "balloons_ms" / "balloons_ms"
    inner.mkdir(parents=True)
    for k in range(31):
        band = np.full((4, 5), 2000 * k, dtype=np.uint16)
        Image.fromarray(band).save(inner / f"balloons_ms_{k + 1:02d}.png")
    Image.new("RGB", (5, 4)).save(inner / "balloons_RGB.bmp")
    cube = read_cube(tmp_path / "balloons_ms")
    assert cube.values.shape == (4, 5, 31)
    assert torch.allclose(cube.values[0, 0], 2000 * torch.arange(31) / 65535)
    assert cube.wavelengths is not None
    assert cube.wavelengths[[0, -1]].tolist() == [400.0, 700.0]
    assert "CAVE" in cube.notes["wavelengths"]


@pytest.mark.parametrize("count", [12, 31, 110])
@pytest.mark.parametrize("name", ["band_{}.png", "{}.png", "x2_B{}_v1.tif", "Band {} of 9.png"])
def test_bands_come_in_the_order_of_their_numbers(tmp_path: Path, count: int, name: str):
    folder = folder_of(tmp_path / "scene", [name.format(k + 1) for k in range(count)])
    assert order_of(folder) == list(range(count))


@pytest.mark.parametrize(
    ("names", "nm"),
    [
        (["b_1000nm.png", "b_450nm.png", "b_990nm.png"], [450, 990, 1000]),
        (["a1_0.45um.png", "a2_0.5um.png", "a3_1.1um.png"], [450, 500, 1100]),
        (["s_450.5_nm.png", "s_460.0_nm.png", "s_470.25_nm.png"], [450.5, 460, 470.25]),
        (["07_640NM.png", "08_550NM.png", "09_450NM.png"], [450, 550, 640]),
    ],
)
def test_wavelengths_in_names_are_used(tmp_path: Path, names: list[str], nm: list[float]):
    cube = read_cube(folder_of(tmp_path / "scene", names))
    assert cube.wavelengths is not None
    np.testing.assert_allclose(cube.wavelengths.numpy(), nm)
    levels = (cube.values[0, 0] * 255).round().int().tolist()
    said = [
        float(n.split("_")[1].lower().split("nm")[0].split("um")[0]) * (1000 if "um" in n else 1)
        for n in names
    ]
    assert levels == np.argsort(said).tolist()


def test_names_without_a_unit_tell_no_wavelengths(tmp_path: Path):
    cube = read_cube(folder_of(tmp_path / "scene", [f"s_{w}.png" for w in (450, 550, 650)]))
    assert cube.wavelengths is None
    assert "450 to 650 without a unit" in cube.notes["wavelengths"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["b_450nm.png", "b_550nm.png", "mask.png"], "2 of 3 names tell .* mask.png does not"),
        (["b_450nm.png", "b_0.55um.png"], "some names are in nm, others in um"),
        (["b_450nm_1.png", "b_450nm_2.png"], "two bands have the same wavelength"),
        (["one.png"], "expected a folder of one PNG or TIFF a band, found 1"),
    ],
)
def test_a_folder_whose_names_disagree_is_refused(tmp_path: Path, names: list[str], message: str):
    with pytest.raises(FileFormatError, match=message):
        read_cube(folder_of(tmp_path / "scene", names))


@pytest.mark.parametrize(
    ("odd", "message"),
    [
        (np.zeros((4, 5, 3), "u1") + np.arange(3, dtype="u1"), "found colours"),
        (np.zeros((5, 5), "u1"), "different sizes or types"),
        (np.zeros((4, 5), "u2"), "different sizes or types"),
        (np.dstack([np.zeros((4, 5, 3), "u1"), np.eye(4, 5, dtype="u1")]), "transparent"),
    ],
    ids=["colours", "size", "type", "alpha"],
)
def test_an_image_that_is_no_band_is_refused(tmp_path: Path, odd: np.ndarray, message: str):
    folder = folder_of(tmp_path / "scene", ["b_1.png", "b_2.png"])
    Image.fromarray(odd).save(folder / "b_3.png")
    with pytest.raises(FileFormatError, match=message):
        read_cube(folder)


def test_grey_bands_stored_as_colours_and_hidden_files(tmp_path: Path):
    folder = folder_of(tmp_path / "scene", ["b_1.png", "b_2.png"])
    for k in (1, 2):
        Image.fromarray(np.full((4, 5, 3), 9 * k, "u1")).save(folder / f"b_{k}.png")
    (folder / "._b_1.png").write_bytes(b"not an image")
    assert order_of(folder) == [9, 18]


@pytest.mark.parametrize("interleave", ["pages", "samples", "planes"])
def test_a_tiff_file_tells_its_bands(tmp_path: Path, interleave: str):
    tifffile = pytest.importorskip("tifffile")
    cube = np.random.default_rng(0).random((5, 6, 5)).astype("f4")
    options = {"photometric": "minisblack"}
    if interleave == "samples":
        tifffile.imwrite(tmp_path / "a.tif", cube, planarconfig="contig", **options)
    elif interleave == "planes":
        tifffile.imwrite(
            tmp_path / "a.tif", np.moveaxis(cube, -1, 0), planarconfig="separate", **options
        )
    else:
        tifffile.imwrite(tmp_path / "a.tif", np.moveaxis(cube, -1, 0), **options)
    assert torch.equal(read_cube(tmp_path / "a.tif").values, torch.from_numpy(cube))
    other = "last" if interleave != "samples" else "first"
    with pytest.raises(FileFormatError, match="the format has its bands"):
        read_cube(tmp_path / "a.tif", bands=other)


def test_gdals_no_data_value_is_a_mask(tmp_path: Path):
    tifffile = pytest.importorskip("tifffile")
    pages = np.arange(5 * 4 * 3, dtype="i2").reshape(5, 4, 3)
    tag = (42113, "s", 0, "7", True)
    tifffile.imwrite(tmp_path / "a.tif", pages, photometric="minisblack", extratags=[tag])
    cube = read_cube(tmp_path / "a.tif")
    assert cube.mask is not None
    assert torch.equal(cube.mask, torch.from_numpy(np.moveaxis(pages, 0, -1) != 7))


def test_a_single_page_is_no_cube(tmp_path: Path):
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "a.tif", np.ones((4, 5), "u1"))
    with pytest.raises(FileFormatError, match="cube of three axes"):
        read_cube(tmp_path / "a.tif")
