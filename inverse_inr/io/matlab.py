"""MATLAB files (.mat): a variable of v5 to v7 or of v7.3 (HDF5), told by the first bytes; a struct as a dictionary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from inverse_inr.io.files import FileFormatError, PathLike, nearest_first, reading

HDF5 = b"\x89HDF\r\n\x1a\n"


def read_matlab(path: PathLike, name: str) -> np.ndarray:
    """One variable as MATLAB shows it. Raises FileNotFoundError, FileFormatError (truncated, no such variable)."""
    with reading(path, "a MATLAB file", ("MATLAB", "HDF5")) as file:
        found = _hdf5(file, name) if _is_hdf5(file) else _v5(file)
    if name not in found:
        listed = ", ".join(nearest_first(name, found)) or "none"
        raise FileFormatError(f"{path}: expected variable {name!r}; variables: {listed}.")
    return found[name]


def _is_hdf5(path: Path) -> bool:
    """A v7.3 file is HDF5 behind 512 bytes of MATLAB's own; some programs leave those out."""
    with path.open("rb") as file:
        head = file.read(520)
    return head[:8] == HDF5 or head[512:] == HDF5


def _v5(path: Path) -> dict[str, np.ndarray]:
    from scipy.io import loadmat

    return {k: v for k, v in loadmat(path).items() if not k.startswith("__")}


def _hdf5(path: Path, name: str) -> dict[str, np.ndarray]:
    """HDF5 holds MATLAB's arrays with their axes reversed, complex numbers as pairs of fields."""
    import h5py

    with h5py.File(path, "r") as file:
        found: dict[str, np.ndarray] = {k: np.empty(0) for k in file if isinstance(file[k], h5py.Dataset)}
        if name in found:
            values = np.asarray(file[name])
            if values.dtype.names == ("real", "imag"):
                values = values["real"] + 1j * values["imag"]
            found[name] = values.T
    return found


def matlab_struct(path: PathLike, name: str) -> dict[str, Any]:
    """A 1 x 1 struct as a dictionary, structs in it too. Raises FileFormatError besides for other variables."""
    return _fields(read_matlab(path, name), f"{path}: {name}")


def _fields(value: np.ndarray, where: str) -> dict[str, Any]:
    if value.dtype.names is None or value.size != 1:
        raise FileFormatError(f"{where} is no 1 x 1 struct but {value.dtype} of shape {value.shape}.")
    entry = value.reshape(-1)[0]
    return {
        k: _fields(v, f"{where}.{k}") if isinstance(v, np.ndarray) and v.dtype.names and v.size == 1 else v
        for k, v in ((k, entry[k]) for k in value.dtype.names)
    }
