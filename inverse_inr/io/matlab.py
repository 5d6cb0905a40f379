"""MATLAB v5 files (.mat, up to v7): a variable, or a struct as a dictionary."""

from __future__ import annotations

from typing import Any

import numpy as np

from inverse_inr.io.files import FileFormatError, PathLike, nearest_first, reading


def read_matlab(path: PathLike, name: str) -> np.ndarray:
    """One variable as SciPy reads it. Raises FileNotFoundError, FileFormatError (truncated, v7.3, no such variable)."""
    from scipy.io import loadmat

    with reading(path, "a MATLAB file", ("MATLAB",)) as file:
        found = loadmat(file)
    if name not in found:
        listed = ", ".join(nearest_first(name, [k for k in found if not k.startswith("__")])) or "none"
        raise FileFormatError(f"{path}: expected variable {name!r}; variables: {listed}.")
    return found[name]


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
