"""MATLAB files (.mat): variables of v5 to v7 or of v7.3 (HDF5), and structs as dictionaries.

The first bytes tell the version.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from inverse_inr.io.files import FileFormatError, PathLike, describe, nearest_first, reading
from inverse_inr.io.matlab5 import read_variables
from inverse_inr.io.matlab73 import matlab73_struct
from inverse_inr.io.sizes import ANY_RATIO, check_claim
from inverse_inr.ranges import checked

HDF5 = b"\x89HDF\r\n\x1a\n"
"""The signature of HDF5."""


@checked
def read_matlab(path: PathLike, name: str) -> np.ndarray:
    """Read one variable.

    Args:
        path: The file.
        name: The variable.

    Returns:
        The array as MATLAB shows it.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is damaged or of another kind, or has no such variable.
    """
    found = matlab_variables(path, name)
    if name not in found:
        listed = ", ".join(nearest_first(name, matlab_variables(path))) or "none"
        raise FileFormatError(f"{path}: expected variable {name!r}; variables: {listed}.")
    return found[name]


@checked
def matlab_variables(path: PathLike, only: str | None = None) -> dict[str, np.ndarray]:
    """Read all variables of a file.

    Args:
        path: The file.
        only: Read that one variable, if it is there.

    Returns:
        Arrays by name, as MATLAB shows them: in the type of their class, logical ones as bool.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is damaged or of another kind.
        MemoryError: An array is larger than the memory at hand.
    """
    with reading(path, "a MATLAB file", ("MATLAB", "HDF5")) as file:
        if is_matlab_hdf5(file):
            return _hdf5(file, only)
        return _v5(file, only)


def is_matlab_hdf5(path: Path) -> bool:
    """Tell whether a file is of version 7.3.

    Such a file is HDF5 behind 512 bytes of MATLAB's own; some programs leave those out.

    Args:
        path: An existing file.
    """
    with path.open("rb") as file:
        head = file.read(520)
    return HDF5 in (head[:8], head[512:])


def _v5(path: Path, only: str | None) -> dict[str, np.ndarray]:
    """Read a file of version 4, or of 5 to 7, which share a format."""
    with path.open("rb") as file:
        head = file.read(128)
    if len(head) == 128 and head[126:] in (b"IM", b"MI"):
        major = head[125] if head[126:] == b"IM" else head[124]
        if major != 1:
            raise FileFormatError(
                f"{path}: expected a MATLAB file of version 5 to 7.3, found one that says {major}. "
                "Damaged, or cut at its beginning?"
            )
        return read_variables(path, only)
    if len(head) < 20 or 0 not in head[:4]:  # version 4 begins with a small number
        raise FileFormatError(
            f"{path}: expected a MATLAB file, found {describe(path)}. "
            "Wrong suffix, or a failed download?"
        )
    from scipy.io import loadmat

    found = loadmat(path, variable_names=None if only is None else [only])
    return {k: v for k, v in found.items() if not k.startswith("__")}


def _hdf5(path: Path, only: str | None) -> dict[str, np.ndarray]:
    """Read MATLAB's HDF5: axes reversed, complex numbers as pairs of fields, structs as groups."""
    import h5py

    found: dict[str, np.ndarray] = {}

    def keep(name: str, node: object) -> None:
        if isinstance(node, h5py.Dataset) and not name.startswith("#") and only in (None, name):
            check_claim(path, node.shape or (), node.dtype.itemsize, ratio=ANY_RATIO)
            values: Any = np.asarray(node)
            if values.dtype.names == ("real", "imag"):
                values = values["real"] + 1j * values["imag"]
            elif node.attrs.get("MATLAB_class") == b"logical":
                values = values != 0
            found[name] = values.T

    with h5py.File(path, "r") as file:
        file.visititems(keep)
    return found


@checked
def matlab_struct(path: PathLike, name: str) -> dict[str, Any]:
    """Read a 1 x 1 struct of a file of any version.

    Args:
        path: The file.
        name: The variable.

    Returns:
        The fields by name, 1 x 1 structs among them as dictionaries too.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is damaged or of another kind, or has no such struct.
    """
    with reading(path, "a MATLAB file", ("MATLAB", "HDF5")) as file:
        if is_matlab_hdf5(file):
            return matlab73_struct(file, name)
    return _fields(read_matlab(path, name), f"{path}: {name}")


def _fields(value: np.ndarray, where: str) -> dict[str, Any]:
    if value.dtype.names is None or value.size != 1:
        raise FileFormatError(
            f"{where} is no 1 x 1 struct but {value.dtype} of shape {value.shape}."
        )
    entry = value.reshape(-1)[0]
    fields = {}
    for name in value.dtype.names:
        field = entry[name]
        if isinstance(field, np.ndarray) and field.dtype.names and field.size == 1:
            field = _fields(field, f"{where}.{name}")
        fields[name] = field
    return fields
