"""Coordinates of a map: exact from file to grid to file, by rasterio as the judge."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cases.envi import envi_file, listed

from inverse_inr import io
from inverse_inr.domain import Grid
from inverse_inr.io.maps.envi_map import fields_of, map_of
from inverse_inr.io.maps.georeference import moved
from inverse_inr.problems.pixels import binned, cropped
from inverse_inr.problems.restoration import denoise, super_resolution

UTM = "UTM, 1.000, 1.000, 379123.1, 4640987.7, 3.1, 2.9, 13, North, WGS-84, units=Meters"
TURNED = (2.5, 0.75, 500000.125, 0.5, -3.5, 5000000.0625)


def rasterio_or_skip() -> Any:
    return pytest.importorskip("rasterio", reason="rasterio (the geo extra) is not installed")


def opened(path: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return rasterio_or_skip().open(path)


def geotiff(path: Path, count: int = 1, transform: tuple = TURNED) -> Path:
    rasterio = rasterio_or_skip()
    options = {"height": 6, "width": 8, "count": count, "dtype": "uint16"}
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        crs="EPSG:25832",
        transform=rasterio.Affine(*transform),
        **options,
    ) as file:
        file.write(np.arange(48 * count, dtype=np.uint16).reshape(count, 6, 8) * 9 + 1)
        file.update_tags(TIFFTAG_DATETIME="2025:06:01 10:00:00", SENSOR="airborne")
        for k in range(count):
            file.set_band_description(k + 1, f"band {k}")
            tags = {"wavelength": str(0.5 + 0.0101 * k), "wavelength_units": "Micrometers"}
            file.update_tags(k + 1, **tags)
    return path


def envi(path: Path, **fields: str) -> Path:
    cube = np.arange(6 * 8 * 3, dtype=np.float32).reshape(6, 8, 3) + 1
    about = {
        "wavelength": listed([700.0, 500.0, 600.0]),
        "wavelength units": "Nanometers",
        "fwhm": listed([7, 5, 6]),
        "bbl": "{1, 1, 1}",
        "band names": "{red, blue, green}",
        "default bands": "{1, 3, 2}",
        "map info": f"{{{UTM}}}",
        "acquisition time": "2025-06-01T10:00:00.5Z",
        "sensor type": "Hyper-X",
        "solar irradiance": "{1.5, 1.25, 1.75}",
        "description": "{a scene, of a field, here}",
    }
    return envi_file(path, cube, about | fields)


def placed(file: Any, column: float, row: float) -> tuple[float, float]:
    a, b, c, d, e, f = tuple(file.transform)[:6]
    return a * column + b * row + c, d * column + e * row + f


# --- GeoTIFF --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_an_image_keeps_its_place_through_a_reconstruction(tmp_path: Path):
    path = geotiff(tmp_path / "a.tif")
    problem = denoise(str(path), measured=True)
    solution = problem.suggested.baselines["TV"](problem)
    solution.write(tmp_path / "b.tif")
    with opened(path) as old, opened(tmp_path / "b.tif") as new:
        assert tuple(new.transform) == tuple(old.transform)  # to the last bit
        assert new.crs == old.crs
        assert new.tags()["SENSOR"] == "airborne"
        assert new.tags()["TIFFTAG_DATETIME"] == "2025:06:01 10:00:00"
        assert new.descriptions == old.descriptions
    record = io.read_record(tmp_path / "b.tif")
    assert record is not None
    assert record["method"] == solution.method
    assert io.read_image(tmp_path / "b.tif")[0].shape == (6, 8, 1)


def test_a_finer_lattice_lies_at_the_same_place(tmp_path: Path):
    path = geotiff(tmp_path / "a.tif", transform=(2.5, 0, 500000.125, 0, -3.5, 5000000.0625))
    problem = super_resolution(str(path), factor=2, measured=True)
    problem_grid = problem.grid
    assert problem_grid.shape == (12, 16)
    io.write_image(tmp_path / "b.tif", torch.zeros(12, 16, 1), problem_grid)
    with opened(tmp_path / "b.tif") as new:
        assert tuple(new.transform)[:6] == (1.25, 0, 500000.125, 0, -1.75, 5000000.0625)


def test_binning_and_cropping_move_the_place(tmp_path: Path):
    values, grid = io.read_image(geotiff(tmp_path / "a.tif"))
    inner, kept = cropped(*binned(values, grid, 2), 2)
    io.write_image(tmp_path / "b.tif", inner, kept)
    with opened(tmp_path / "a.tif") as old, opened(tmp_path / "b.tif") as new:
        # two large pixels of three rows, from row 0; two of four columns, from column 1
        assert placed(new, 0, 0) == pytest.approx(placed(old, 2, 0), abs=1e-9)
        assert placed(new, 2, 2) == pytest.approx(placed(old, 6, 4), abs=1e-9)


def test_a_cube_keeps_its_place_bands_and_wavelengths(tmp_path: Path):
    cube = io.read_cube(geotiff(tmp_path / "a.tif", 4))
    assert cube.wavelengths is not None
    assert cube.wavelengths.tolist() == pytest.approx([500, 510.1, 520.2, 530.3])
    io.write_image(tmp_path / "b.tif", cube.values[..., None], cube.grid)
    again = io.read_cube(tmp_path / "b.tif")
    assert torch.equal(again.values, cube.values)
    assert again.grid.axes(torch.float64)[2].tolist() == pytest.approx([500, 510.1, 520.2, 530.3])
    with opened(tmp_path / "a.tif") as old, opened(tmp_path / "b.tif") as new:
        assert tuple(new.transform) == tuple(old.transform)
        assert new.crs == old.crs
        assert new.descriptions == old.descriptions
        assert np.array_equal(new.read(), old.read().astype(np.float32))


def test_without_rasterio_nothing_is_lost_silently(tmp_path: Path, monkeypatch: Any):
    path = geotiff(tmp_path / "a.tif")
    values, placed = io.read_image(path)
    monkeypatch.setitem(__import__("sys").modules, "rasterio", None)
    with io.inferences() as found:
        _, grid = io.read_image(path)
    assert grid.metadata is None
    assert any("coordinates of a map are left out" in sentence for sentence in found)
    with pytest.raises(ImportError, match=r"inverse-inr\[geo\]"):
        io.write_image(tmp_path / "b.tif", values, placed)


def test_a_grid_on_another_box_is_refused(tmp_path: Path):
    values, grid = io.read_image(geotiff(tmp_path / "a.tif"))
    other = Grid(type(grid.box)((0, 0), (6, 8), ("mm", "mm")), (6, 8), metadata=grid.metadata)
    with pytest.raises(ValueError, match="Made on another box"):
        io.write_image(tmp_path / "b.tif", values, other)


# --- ENVI -----------------------------------------------------------------------------------------


def test_an_envi_header_survives_word_for_word(tmp_path: Path):
    cube = io.read_cube(envi(tmp_path / "a.hdr"))
    assert cube.metadata is not None
    assert [band["band names"] for band in cube.metadata["bands"]] == ["blue", "green", "red"]
    with io.recording({"a": {"b": 1}}):
        io.write_image(tmp_path / "b.hdr", cube.values[..., None], cube.grid)
    text = (tmp_path / "b.hdr").read_text()
    for line in (
        f"map info = {{{UTM}}}",
        "acquisition time = 2025-06-01T10:00:00.5Z",
        "sensor type = Hyper-X",
        "band names = {blue, green, red}",
        "default bands = {3, 2, 1}",
        "solar irradiance = {1.25, 1.75, 1.5}",
        "bbl = {1, 1, 1}",
        "fwhm = {5.0, 6.0, 7.0}",
        "description = {a scene, of a field, here}",
    ):
        assert line in text
    again = io.read_cube(tmp_path / "b.hdr")
    assert torch.equal(again.values, cube.values)
    assert again.metadata == cube.metadata
    assert io.read_record(tmp_path / "b.hdr") == {"a": {"b": 1}}


@pytest.mark.parametrize(
    "info",
    [UTM, UTM.replace("1.000, 1.000", "2.5, 3.5"), UTM.replace("2.9", "3.1") + ", rotation=30"],
    ids=["corner", "inside", "turned"],
)
def test_map_info_means_what_gdal_reads(tmp_path: Path, info: str):
    path = envi(tmp_path / "a.hdr", **{"map info": f"{{{info}}}"})
    found = map_of({"map info": info}, path)
    assert found["crs"] == "EPSG:32613"
    with opened(path.with_suffix(".img")) as file:
        assert found["transform"] == pytest.approx(tuple(file.transform)[:6], rel=1e-12)


def test_an_envi_cube_becomes_a_geotiff_and_comes_back(tmp_path: Path):
    rasterio = rasterio_or_skip()
    cube = io.read_cube(envi(tmp_path / "a.hdr"))
    io.write_image(tmp_path / "b.tif", cube.values[..., None], cube.grid)
    with opened(tmp_path / "b.tif") as file:
        assert file.crs == rasterio.CRS.from_epsg(32613)
        assert file.descriptions == ("blue", "green", "red")
    back = io.read_cube(tmp_path / "b.tif")
    assert back.grid == cube.grid
    io.write_image(tmp_path / "c.hdr", back.values[..., None], back.grid)
    with opened(tmp_path / "a.img") as old, opened(tmp_path / "c.img") as new:
        assert tuple(new.transform) == tuple(old.transform)
        assert new.crs == old.crs
        assert new.descriptions[0].startswith("blue")


def test_a_cropped_map_info_is_written_anew(tmp_path: Path):
    cube = io.read_cube(envi(tmp_path / "a.hdr"))
    grid = cube.grid.crop((2, 1, 0), (3, 4, 3))
    io.write_image(tmp_path / "b.hdr", cube.values[2:5, 1:5, :, None], grid)
    found = io.read_cube(tmp_path / "b.hdr").metadata
    assert found is not None
    assert found["transform"] == pytest.approx([3.1, 0, 379126.2, 0, -2.9, 4640981.9], abs=1e-9)
    assert found["header"]["map info"].endswith("13, North, WGS-84, units=Meters")


def test_what_map_info_cannot_say_is_refused():
    with pytest.raises(ValueError, match=r"Write \.tif, which holds any"):
        fields_of({"crs": "EPSG:25832", "transform": TURNED}, TURNED, "a.hdr")
    with pytest.raises(io.FileFormatError, match="must hold a projection and six numbers"):
        map_of({"map info": "UTM, 1, 1, east"}, Path("a.hdr"))


def test_moving_composes(tmp_path: Path):
    metadata = {"transform": list(TURNED), "format": "x"}
    twice = moved(moved(metadata, (1, 2), (3, 3)), (4, 5), (2, 2))
    once = moved(metadata, (1 + 3 * 4, 2 + 3 * 5), (6, 6))
    assert twice is not None
    assert once is not None
    assert twice["transform"] == pytest.approx(once["transform"], rel=1e-12)
    assert moved(None, (0, 0), (1, 1)) is None
