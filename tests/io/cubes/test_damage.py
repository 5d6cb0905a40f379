"""Damaged cubes end in our own error or in a cube, whatever byte is wrong or missing."""

import random
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from cases.envi import envi_file, listed
from PIL import Image

from inverse_inr.io import FileFormatError, SpectralCube, read_cube

NM = np.array([450.0, 470.0, 500.0, 560.0, 640.0])
CUBE = np.random.default_rng(0).random((6, 7, 5)).astype(np.float32)
KINDS = ("a.hdr", "a.img", "a.h5", "a.npz", "a.npy", "a.tif", "scene")


def example(folder: Path, name: str) -> tuple[Path, Path]:
    """A cube of one kind: what is read, and the file to damage."""
    path = folder / name
    if name in ("a.hdr", "a.img"):
        fields = {
            "wavelength": listed(NM),
            "wavelength units": "Nanometers",
            "bbl": "{1, 1, 0, 1, 1}",
            "data ignore value": "-9999",
            "data gain values": "{1, 2, 3, 4, 5}",
        }
        return envi_file(folder / "a.hdr", CUBE, fields), path
    if name == "a.h5":
        with h5py.File(path, "w") as file:
            file.create_dataset("cube", data=CUBE).attrs.update({"_FillValue": -1.0, "units": "x"})
            file.create_dataset("wavelength", data=NM).attrs["units"] = "nm"
    elif name == "a.npz":
        np.savez(path, cube=CUBE, wavelengths=NM)
    elif name == "a.npy":
        np.save(path, CUBE)
    elif name == "a.tif":
        tifffile = pytest.importorskip("tifffile", reason="tifffile is not installed")
        tifffile.imwrite(path, np.moveaxis(CUBE, -1, 0), photometric="minisblack")
    else:
        path.mkdir()
        for k in range(3):
            Image.fromarray((255 * CUBE[..., k]).astype("u1")).save(path / f"band_{k}.png")
        return path, path / "band_1.png"
    return path, path


def damaged(data: bytes, generator: random.Random) -> bytes:
    """The data cut off, or with one to ten bytes changed."""
    if generator.random() < 0.25:
        return data[: generator.randrange(len(data))]
    changed = bytearray(data)
    for _ in range(generator.choice((1, 1, 3, 10))):
        changed[generator.randrange(len(data))] = generator.randrange(256)
    return bytes(changed)


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_two_hundred_damaged_copies_are_cubes_or_refused(tmp_path: Path, name: str):
    read, target = example(tmp_path, name)
    bands = "last" if name == "a.npy" else None
    assert read_cube(read, bands=bands).values.shape[:2] == (6, 7)
    data = target.read_bytes()
    generator = random.Random(zlib.crc32(name.encode()))
    for _ in range(200):
        target.write_bytes(damaged(data, generator))
        try:
            cube = read_cube(read, bands=bands)
        except (FileFormatError, FileNotFoundError, MemoryError):
            continue
        assert isinstance(cube, SpectralCube)
        assert cube.values.numel()


@pytest.mark.parametrize("name", [kind for kind in KINDS if kind != "a.hdr"])
def test_a_copy_that_was_cut_off_is_refused(tmp_path: Path, name: str):
    read, target = example(tmp_path, name)
    data = target.read_bytes()
    target.write_bytes(data[: len(data) // 2])
    with pytest.raises(FileFormatError):
        read_cube(read, bands="last" if name == "a.npy" else None)
