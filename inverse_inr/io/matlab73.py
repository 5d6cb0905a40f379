"""MATLAB files of version 7.3: structs, cells and text out of HDF5.

MATLAB writes a variable larger than 2 GB only in this version. A struct is a group with a member a
field, an array has its axes reversed, a complex number is a pair (real, imag), text is uint16, and
a cell or an array of structs holds references.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from inverse_inr.io.files import FileFormatError, PathLike, nearest_first
from inverse_inr.io.hdf5 import open_hdf5
from inverse_inr.ranges import checked

DEEPEST = 16
"""Levels of structs and cells that are followed; a file may refer to itself."""


@checked
def matlab73_variable(path: PathLike, name: str) -> Any:
    """Read one variable of a file of version 7.3.

    Args:
        path: The file.
        name: The variable.

    Returns:
        An array as MATLAB shows it; text; a dictionary for a struct; a list for a cell or for each
        field of an array of structs.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is damaged or of another kind, or has no such variable.
    """
    with open_hdf5(path) as file:
        names = [key for key in file if not key.startswith("#")]
        if name not in names:
            listed = ", ".join(nearest_first(name, names)) or "none"
            raise FileFormatError(f"{path}: expected variable {name!r}; variables: {listed}.")
        return _value(file[name], f"{path}: {name}", DEEPEST)


@checked
def matlab73_struct(path: PathLike, name: str) -> dict[str, Any]:
    """Read a 1 x 1 struct of a file of version 7.3.

    Args:
        path: The file.
        name: The variable.

    Returns:
        The fields by name, structs among them as dictionaries too.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is damaged or of another kind, or has no such struct.
    """
    found = matlab73_variable(path, name)
    if not isinstance(found, dict):
        raise FileFormatError(
            f"{path}: {name} is no 1 x 1 struct but {type(found).__name__} of "
            f"shape {np.shape(found)}."
        )
    return found


def _value(node: Any, where: str, levels: int) -> Any:
    """A group as a dictionary, a dataset as an array, text or a list."""
    import h5py

    if levels == 0:
        raise FileFormatError(f"{where}: structs nested more than {DEEPEST} deep. A loop?")
    if isinstance(node, h5py.Group):
        return {key: _value(node[key], f"{where}.{key}", levels - 1) for key in node}
    if not isinstance(node, h5py.Dataset):
        raise FileFormatError(f"{where} is no array and no struct.")
    if node.attrs.get("MATLAB_empty", 0):
        return np.zeros([int(n) for n in np.asarray(node[()]).ravel()])
    if node.dtype.kind == "O":
        return _referred(node, where, levels)
    values: Any = np.asarray(node[()])
    if values.dtype.names == ("real", "imag"):
        values = values["real"] + 1j * values["imag"]
    if values.dtype.kind not in "iufcb":
        raise FileFormatError(f"{where} holds no numbers but {values.dtype}.")
    if node.attrs.get("MATLAB_class", b"") == b"char":
        return "".join(chr(int(code)) for code in values.T.ravel(order="F"))
    return values.T


def _referred(node: Any, where: str, levels: int) -> list[Any]:
    """What a dataset of references refers to, in MATLAB's order."""
    import h5py

    references = np.asarray(node[()]).ravel()
    if not all(isinstance(one, h5py.Reference) for one in references):
        raise FileFormatError(f"{where} holds no numbers but {node.dtype}.")
    return [
        _value(node.file[one], f"{where}{{{k}}}", levels - 1) for k, one in enumerate(references)
    ]
