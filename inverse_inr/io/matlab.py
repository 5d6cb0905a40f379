"""MATLAB files (.mat): a variable of v5 to v7 or of v7.3 (HDF5), told by the first bytes; a struct as a dictionary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from inverse_inr.io.files import FileFormatError, PathLike, nearest_first, reading

HDF5 = b"\x89HDF\r\n\x1a\n"


def read_matlab(path: PathLike, name: str) -> np.ndarray:
    """One variable as MATLAB shows it. Raises FileNotFoundError, FileFormatError (truncated, no such variable)."""
    found = matlab_variables(path, name)
    if name not in found:
        listed = ", ".join(nearest_first(name, matlab_variables(path))) or "none"
        raise FileFormatError(f"{path}: expected variable {name!r}; variables: {listed}.")
    return found[name]


def matlab_variables(path: PathLike, only: str | None = None) -> dict[str, np.ndarray]:
    """All variables of a file, or `only` that one where it is there. Raises FileNotFoundError, FileFormatError."""
    with reading(path, "a MATLAB file", ("MATLAB", "HDF5")) as file:
        return _hdf5(file, only) if is_matlab_hdf5(file) else _v5(file, only)


def is_matlab_hdf5(path: Path) -> bool:
    """A v7.3 file is HDF5 behind 512 bytes of MATLAB's own; some programs leave those out."""
    with path.open("rb") as file:
        head = file.read(520)
    return HDF5 in (head[:8], head[512:])


def _v5(path: Path, only: str | None) -> dict[str, np.ndarray]:
    from scipy.io import loadmat

    found = loadmat(path, variable_names=None if only is None else [only])
    return {k: v for k, v in found.items() if not k.startswith("__")}


def _hdf5(path: Path, only: str | None) -> dict[str, np.ndarray]:
    """HDF5 holds MATLAB's arrays with their axes reversed, complex numbers as pairs of fields, structs as groups."""
    import h5py

    found: dict[str, np.ndarray] = {}

    def keep(name: str, node: object) -> None:
        if isinstance(node, h5py.Dataset) and not name.startswith("#") and only in (None, name):
            values: Any = np.asarray(node)
            pairs = values.dtype.names == ("real", "imag")
            found[name] = (values["real"] + 1j * values["imag"] if pairs else values).T

    with h5py.File(path, "r") as file:
        file.visititems(keep)
    return found


def matlab_struct(path: PathLike, name: str) -> dict[str, Any]:
    """A 1 x 1 struct as a dictionary, structs in it too. Raises FileFormatError besides for other variables."""
    return _fields(read_matlab(path, name), f"{path}: {name}")


def _fields(value: np.ndarray, where: str) -> dict[str, Any]:
    if value.dtype.names is None or value.size != 1:
        raise FileFormatError(
            f"{where} is no 1 x 1 struct but {value.dtype} of shape {value.shape}."
        )
    entry = value.reshape(-1)[0]
    return {
        k: _fields(v, f"{where}.{k}")
        if isinstance(v, np.ndarray) and v.dtype.names and v.size == 1
        else v
        for k, v in ((k, entry[k]) for k in value.dtype.names)
    }
