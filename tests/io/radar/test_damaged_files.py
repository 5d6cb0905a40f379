"""Damaged radar files, cut or with bytes changed, end in our own error or are read as they are."""

import random
import struct
import warnings
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from cases.cphd import write_cphd
from cases.ti import written

from inverse_inr.io import (
    FileFormatError,
    PhaseData,
    read_cphd,
    read_gotcha,
    read_mstar,
    read_radar,
    read_ti,
    read_ti_json,
    write_radar,
)

MUTATIONS = 200


def a_phase_history(folder: Path) -> Path:
    place = torch.ones(4, 3, dtype=torch.float64)
    f = torch.linspace(9e9, 9.5e9, 6, dtype=torch.float64)
    y = torch.ones(4, 6, dtype=torch.complex64)
    write_radar(folder / "a.h5", PhaseData(y, f, place, place, place[:, 0], -1))
    return folder / "a.h5"


def a_gotcha73(folder: Path) -> Path:
    with h5py.File(folder / "a.mat", "w", userblock_size=512) as file:
        data = file.create_group("data")
        data["fp"] = np.ones((5, 12), [("real", "f8"), ("imag", "f8")])
        data["freq"] = np.linspace(9.3e9, 9.9e9, 12)[None]
        for name, value in (("x", 7e3), ("y", 7e3), ("z", 7e3), ("r0", 1.21e4)):
            data[name] = np.full((5, 1), value)
    return folder / "a.mat"


def a_cphd(folder: Path) -> Path:
    write_cphd(folder / "a.cphd", flags=1)
    return folder / "a.cphd"


def a_chip(folder: Path) -> Path:
    fields = b"NumberOfRows = 4\nNumberOfColumns = 5\nTargetAz = 12.5\n"
    head = b"[PhoenixHeaderVer01.04]\nPhoenixHeaderLength = %05d\n" + fields
    head += b"native_header_length = 0\n[EndofPhoenixHeader]\n"
    head %= len(head) + 1
    (folder / "a.000").write_bytes(head + struct.pack(">40f", *range(40)))
    return folder / "a.000"


def a_capture(folder: Path) -> Path:
    return written(folder)[0]


def its_json(folder: Path) -> Path:
    return written(folder)[1]


def read_capture(path: Path) -> object:
    return read_ti(path, path.with_name("a.mmwave.json"))


FORMATS: dict[str, tuple[Callable[[Path], Path], Callable[[Path], object]]] = {
    "HDF5": (a_phase_history, read_radar),
    "MATLAB 7.3": (a_gotcha73, read_gotcha),
    "CPHD": (a_cphd, read_cphd),
    "MSTAR": (a_chip, read_mstar),
    "TI": (a_capture, read_capture),
    "TI JSON": (its_json, read_ti_json),
}


def mutated(content: bytes, draw: random.Random) -> bytes:
    """The content cut off, or with one to eight bytes changed, mostly near its beginning."""
    if draw.random() < 0.25:
        return content[: draw.randrange(len(content))]
    changed = bytearray(content)
    end = draw.choice([min(len(content), 2048), len(content)])
    for _ in range(draw.randint(1, 8)):
        changed[draw.randrange(end)] = draw.randrange(256)
    return bytes(changed)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FORMATS)
def test_damaged_files_end_in_our_own_error_or_are_read(tmp_path, name):
    make, read = FORMATS[name]
    path = make(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read(path)  # whole, it is read
        content = path.read_bytes()
        draw = random.Random(0)
        refused = 0
        for _ in range(MUTATIONS):
            path.write_bytes(mutated(content, draw))
            try:
                read(path)
            except FileFormatError:
                refused += 1
    assert refused > 0
