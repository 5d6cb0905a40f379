"""Damaged scans and sinograms, cut off or with bytes changed, end in our error or are read."""

import random
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
from cases.scan import counts_of, half_turn, sinogram, write_scan

from inverse_inr.io import read_scan
from inverse_inr.problems.ct import ct_sinogram

ROOT = str(Path(__file__).parents[3])
ANGLES = half_turn()


def scan(folder: Path) -> Path:
    return write_scan(folder / "a.h5")


def pages(folder: Path) -> Path:
    frames = counts_of(ANGLES)[:30].astype("u2")
    tifffile.imwrite(folder / "a.tif", frames, photometric="minisblack")
    return folder / "a.tif"


def compressed(folder: Path) -> Path:
    frames = counts_of(ANGLES)[:30].astype("u2")
    tifffile.imwrite(folder / "a.tif", frames, photometric="minisblack", compression="zlib")
    return folder / "a.tif"


def npy(folder: Path) -> Path:
    np.save(folder / "a.npy", sinogram(ANGLES).numpy())
    return folder / "a.npy"


def npz(folder: Path) -> Path:
    np.savez(folder / "a.npz", s=sinogram(ANGLES).numpy(), theta=ANGLES.rad2deg().numpy())
    return folder / "a.npz"


def hdf5(folder: Path) -> Path:
    with h5py.File(folder / "b.h5", "w") as file:
        file["s"] = sinogram(ANGLES).numpy()
        file["theta"] = ANGLES.rad2deg().numpy()
    return folder / "b.h5"


def read(path: str) -> Any:
    return read_scan(path, rows=0)


def read_sinogram(path: str) -> Any:
    if path.endswith(".npy"):
        return ct_sinogram(path, angles=ANGLES, center=0.0)
    return ct_sinogram(path, center=0.0)


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Cut off, or with up to three bytes changed, most of them in the headers."""
    if chance.random() < 0.25:
        return data[: chance.randrange(len(data))]
    changed = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        end = len(data) if chance.random() < 0.5 else min(4096, len(data))
        changed[chance.randrange(end)] = chance.choice([0, 255, chance.randrange(256)])
    return bytes(changed)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("make", "call"),
    [
        (scan, read),
        (pages, read),
        (compressed, read),
        (npy, read_sinogram),
        (npz, read_sinogram),
        (hdf5, read_sinogram),
    ],
    ids=lambda value: value.__name__,
)
def test_damaged_files_are_refused_by_us(
    tmp_path: Path, make: Callable[[Path], Path], call: Callable[[str], Any]
):
    path = make(tmp_path)
    data = path.read_bytes()
    chance = random.Random(0)
    refused = 0
    for _ in range(200):
        path.write_bytes(damaged(data, chance))
        error = _error(call, str(path))
        if error is not None:
            refused += 1
            assert traceback.extract_tb(error.__traceback__)[-1].filename.startswith(ROOT)
    assert refused > 20


def _error(call: Callable[[str], Any], path: str) -> Exception | None:
    try:
        call(path)
    except (ValueError, TypeError, OSError) as error:
        return error
    return None
