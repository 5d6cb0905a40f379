"""NumPy archives: the format that keeps a grid whole, whatever its units and dimension."""

from __future__ import annotations

import json
import math
import zipfile
from pathlib import Path
from typing import IO

import numpy as np
import torch
from torch import Tensor

from inverse_inr.domain import Box, Grid
from inverse_inr.io.files import (
    FileFormatError,
    PathLike,
    as_image,
    atomic_write,
    describe,
    reading,
    signature,
)
from inverse_inr.io.provenance import DATASET, current_record
from inverse_inr.io.sizes import DEFLATE, check_claim
from inverse_inr.ranges import checked

EXPECTED = "a .npz archive of values, lower, upper, units"
"""The kind of file that is read, for messages."""
REQUIRED = ("values", "lower", "upper", "units")
"""The arrays that a file must hold: the values, and the box's corners and units."""


@checked
def read_npz(path: PathLike) -> tuple[Tensor, Grid]:
    """Read values and their grid; nothing is unpickled.

    Args:
        path: The file.

    Returns:
        Values (*shape, c), float32 or complex64, and their grid, with its affine and metadata if
            there are any.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is damaged or of another kind.
        MemoryError: An array is larger than the memory at hand.
    """
    with reading(path, EXPECTED, ("ZIP",)) as file:
        arrays = _load(file)
        missing = [name for name in REQUIRED if name not in arrays]
        if missing:
            raise FileFormatError(
                f"{file}: expected {EXPECTED}; {missing} missing, found {sorted(arrays)}."
            )
        values = arrays["values"]
        lower, upper, units = (tuple(arrays[name].tolist()) for name in REQUIRED[1:])
        box = Box(lower, upper, units)
        if values.dtype.kind not in "iufbc":
            raise FileFormatError(
                f"{file}: expected numbers in 'values', found dtype {values.dtype}."
            )
        if values.ndim != box.ndim + 1:
            raise FileFormatError(
                f"{file}: expected 'values' of {box.ndim} axes and channels, "
                f"found shape {values.shape}. No channel axis?"
            )
        grid = Grid(box, values.shape[:-1])
        if "affine" in arrays:
            grid = grid.with_affine(arrays["affine"].tolist())
        if "metadata" in arrays:
            grid = grid.with_metadata(json.loads(str(arrays["metadata"])))
        dtype = np.complex64 if values.dtype.kind == "c" else np.float32
        return torch.from_numpy(np.ascontiguousarray(values, dtype=dtype)), grid


@checked
def write_npz(path: PathLike, values: Tensor, grid: Grid) -> None:
    """Write values with their grid's box, units, affine and metadata.

    Args:
        path: The file to write.
        values: (*shape, c), written as float32, or as complex64 if they are complex.
        grid: The grid of the values.

    Raises:
        ValueError: The values do not fit the grid.
    """
    box = grid.box
    arrays = {
        "values": as_image(values, grid, path),
        "lower": np.array(box.lower),
        "upper": np.array(box.upper),
        "units": np.array(box.units, dtype=np.str_),
    }
    if grid.affine is not None:
        arrays["affine"] = np.array(grid.affine)
    if grid.metadata is not None:
        arrays["metadata"] = np.array(json.dumps(grid.metadata))
    record = current_record()
    if record is not None:
        arrays[DATASET] = np.array(record)
    with atomic_write(path) as temporary:
        np.savez(temporary, allow_pickle=False, **arrays)


def _load(path: Path) -> dict[str, np.ndarray]:
    # checked before numpy reads: it takes any other file for a pickle, and says so
    if path.stat().st_size == 0 or signature(path) != "ZIP":
        slip = "Wrong suffix?"
        if path.stat().st_size and signature(path) == "npy":
            slip = "Saved with np.save?"
        raise FileFormatError(f"{path}: expected {EXPECTED}, found {describe(path)}. {slip}")
    # our own handle: numpy leaves the one that it opens to the collector if the archive is damaged
    with path.open("rb") as stream, zipfile.ZipFile(stream) as archive:
        found = {}
        for member in archive.infolist():
            if member.filename.endswith(".npy"):
                with archive.open(member) as part:
                    found[member.filename[:-4]] = read_array(part, path, member.compress_size)
        return found


def read_array(stream: IO[bytes], path: PathLike, held: int, ratio: float = DEFLATE) -> np.ndarray:
    """Read an array in NumPy's own format, once its claimed size is known to be possible.

    Args:
        stream: The bytes of a .npy file, or of one in an archive.
        path: The file, for messages.
        held: The stored bytes.
        ratio: The most bytes that a stored byte can stand for: 1 for a .npy file.

    Returns:
        The array; nothing is unpickled.

    Raises:
        FileFormatError: The array cannot be held by the stored bytes.
        MemoryError: It is larger than the memory at hand.
        ValueError: The bytes are no array, or a pickled one.
    """
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    else:
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(stream)
    if dtype.hasobject:
        raise ValueError("it holds pickled objects, which are not read: allow_pickle=False")
    size = check_claim(path, shape, dtype.itemsize, held=held, ratio=ratio)
    data = bytearray(stream.read(size))  # a copy that may be written to
    # an archive compares its checksum once its end has been seen
    more = len(stream.read(1))
    if len(data) < size or more:
        found = "more" if more else len(data)
        raise ValueError(f"an array of shape {shape} claims {size} bytes, found {found}")
    flat = np.frombuffer(data, dtype, math.prod(shape))
    return flat.reshape(shape, order="F" if fortran else "C")
