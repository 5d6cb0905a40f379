"""One array of a file that holds one or several: npy, npz, HDF5, MATLAB or TIFF."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from inverse_inr.io.files import (
    FileFormatError,
    PathLike,
    existing_file,
    nearest_first,
    reading,
    signature,
)
from inverse_inr.io.hdf5 import dataset_names, numeric_dataset, open_hdf5
from inverse_inr.io.matlab import matlab_struct, matlab_variables
from inverse_inr.io.scans.tiff_frames import SUFFIXES, read_tiff_stack
from inverse_inr.memory import require
from inverse_inr.ranges import checked

EXPECTED = "an array as .npy, .npz, .h5, .mat or .tif"
"""The kinds of files that are read, for messages."""


@checked
def array_shapes(path: PathLike) -> dict[str, tuple[int, ...]]:
    """List the arrays of numbers in a file, with their shapes.

    Args:
        path: The file.

    Returns:
        Shapes by name; none for a file of one nameless array.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is damaged or of another kind.
    """
    path = existing_file(path, EXPECTED)
    kind = _kind(path)
    found: dict[str, Any] = {}
    if kind == "npz":
        with reading(path, EXPECTED, ("ZIP",)), np.load(path, allow_pickle=False) as archive:
            found = {name: archive[name] for name in archive.files}
    elif kind == "hdf5":
        with open_hdf5(path) as file:
            nodes = {name: file[name] for name in dataset_names(file)}
            return {n: tuple(d.shape) for n, d in nodes.items() if _numeric(d) and d.shape}
    elif kind == "matlab":
        found = _matlab(path)
    return {name: array.shape for name, array in found.items() if _numeric(array)}


@checked
def read_array(path: PathLike, name: str | None = None) -> np.ndarray:
    """Read an array of real numbers.

    Args:
        path: The file.
        name: The array in a file that holds several, "struct.field" in MATLAB's structs; None for
            the nameless array of .npy or TIFF.

    Returns:
        The array in its own shape and type. Pages of TIFF are (pages, rows, columns), a single one
        (rows, columns).

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is damaged or of another kind, has no such array, or it holds no
            real numbers.
    """
    path = existing_file(path, EXPECTED)
    kind = _kind(path)
    if name is None and kind in ("npz", "hdf5", "matlab"):
        listed = ", ".join(list(array_shapes(path))[:20])
        raise FileFormatError(f"{path}: holds several arrays ({listed}). Name one: dataset=.")
    array = _read(path, kind, name)
    if not _numeric(array):
        raise FileFormatError(
            f"{path}: expected real numbers in {name or 'the array'}, found {array.dtype}."
        )
    return array


def _read(path: Path, kind: str, name: str | None) -> np.ndarray:
    if kind == "tiff":
        frames = read_tiff_stack(path, None).frames
        return frames[0] if len(frames) == 1 else frames
    if kind == "npy":
        with reading(path, EXPECTED, ("npy",)) as file, file.open("rb") as stream:
            return np.load(stream, allow_pickle=False)
    assert name is not None
    if kind == "hdf5":
        with open_hdf5(path) as file:
            found_there = numeric_dataset(file, name)
            require(f"{path}: {name}", float(found_there.size) * found_there.dtype.itemsize)
            return np.asarray(found_there[()])
    found: dict[str, Any] = {}
    if kind == "npz":
        with reading(path, EXPECTED, ("ZIP",)), np.load(path, allow_pickle=False) as archive:
            if name in archive.files:
                return np.asarray(archive[name])
    else:
        found = _matlab(path)
    if name not in found:
        listed = ", ".join(nearest_first(name, array_shapes(path))[:20]) or "none"
        raise FileFormatError(f"{path}: expected an array {name!r}; arrays: {listed}.")
    return np.asarray(found[name])


def _matlab(path: Path) -> dict[str, Any]:
    """The variables of a file; the fields of a 1 x 1 struct by "struct.field"."""
    found: dict[str, Any] = {}
    for name, variable in matlab_variables(path).items():
        if variable.dtype.names is not None and variable.size == 1:
            found |= _flat(name, matlab_struct(path, name))
        else:
            found[name] = variable
    return found


def _flat(before: str, fields: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in fields.items():
        if isinstance(value, dict):
            found |= _flat(f"{before}.{name}", value)
        elif isinstance(value, np.ndarray):
            found[f"{before}.{name}"] = value
    return found


def _numeric(array: Any) -> bool:
    return array.dtype.kind in "iufb"


def _kind(path: Path) -> str:
    """The kind of a file by its first bytes, its suffix having the last word for TIFF."""
    if path.suffix.lower() in SUFFIXES:
        return "tiff"
    if path.suffix.lower() == ".mat":
        return "matlab"
    size = path.stat().st_size
    known = {"npy": "npy", "ZIP": "npz", "HDF5": "hdf5", "TIFF": "tiff", "MATLAB": "matlab"}
    kind = known.get(signature(path) or "") if size else None
    if kind is None:
        with reading(path, EXPECTED, ()):
            raise ValueError("its first bytes are those of no such format")
    return kind
