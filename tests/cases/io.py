"""Shared by the tests of files: grids, a small valid file of each format, reading and writing."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from inverse_inr import io
from inverse_inr.domain import Box, Grid

SUFFIXES = [".nii", ".nii.gz", ".nrrd", ".npz", ".png"]


def grid_of(shape: tuple[int, ...], spacing: tuple[float, ...] = (0.5, 1.25, 3.0)) -> Grid:
    upper = tuple(n * h for n, h in zip(shape, spacing, strict=False))
    return Grid(Box((0,) * len(shape), upper, ("mm",) * len(shape)), shape)


def example(suffix: str, folder: Path) -> Path:
    """A small valid file of each format."""
    torch.manual_seed(0)
    path = folder / f"example{suffix}"
    if suffix == ".dcm":
        path.write_bytes(ct_file().read_bytes())
    elif suffix == ".h5":
        scan_file(path)
    else:
        io.write_image(path, torch.rand(31, 40, 1), grid_of((31, 40)))
    return path


def read(path: Path) -> object:
    if path.suffix == ".h5":
        return io.read_dxchange(path)
    return io.read_image(path)


def write(path: Path) -> None:
    if path.suffix == ".h5":
        io.write_hdf5(path, {"x": torch.ones(3)})
    else:
        io.write_image(path, torch.rand(3, 4, 1), grid_of((3, 4)))


def ct_file() -> Path:
    data = pytest.importorskip("pydicom.data", reason="pydicom (the dicom extra) is not installed")
    return Path(str(data.get_testdata_file("CT_small.dcm")))


def scan_file(path: Path, theta: int = 7, units: object = "degrees", without: str = "") -> Path:
    data = np.arange(7 * 5 * 6, dtype=np.uint16).reshape(7, 5, 6)
    arrays = {"data": data, "data_white": data[:3] + 1000, "data_dark": data[:2]}
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            if name != without:
                file[f"exchange/{name}"] = array
        file["exchange/theta"] = np.linspace(0, 180, theta)
        file["exchange/theta"].attrs["units"] = units
    return path
