"""Fields of the MATLAB structs that AFRL publishes, checked to be what they are called."""

from __future__ import annotations

from typing import Any

import numpy as np

from inverse_inr.io.files import FileFormatError, PathLike, existing_file
from inverse_inr.io.matlab import matlab_struct

LOWEST, HIGHEST = 1e6, 1e13
"""Hz: what an imaging radar's frequencies lie between."""


def data_struct(path: PathLike) -> dict[str, Any]:
    """Read the struct `data` of a MATLAB file of any version.

    Args:
        path: The file.

    Returns:
        The fields by name.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is damaged or of another kind, or has no such struct.
    """
    return matlab_struct(existing_file(path, "a MATLAB file"), "data")


def numbers(data: dict[str, Any], name: str, path: PathLike) -> np.ndarray:
    """Return a field that holds numbers.

    Args:
        data: The struct.
        name: The field.
        path: The file, for messages.

    Returns:
        The array in its own type, its bytes in the order of this machine.

    Raises:
        FileFormatError: It holds something else.
    """
    value = data[name]
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "iufc" or not value.size:
        what = type(value).__name__
        if isinstance(value, np.ndarray):
            what = f"{value.dtype} of shape {value.shape}"
        raise FileFormatError(f"{path}: the field {name} must hold numbers, found {what}.")
    return np.asarray(value, value.dtype.newbyteorder("="))


def echoes(data: dict[str, Any], name: str, path: PathLike) -> np.ndarray:
    """Return a field of complex echoes.

    Args:
        data: The struct.
        name: The field.
        path: The file, for messages.

    Returns:
        The complex array.

    Raises:
        FileFormatError: It is real: the phase was lost.
    """
    value = numbers(data, name, path)
    if value.dtype.kind != "c":
        raise FileFormatError(
            f"{path}: the field {name} must be complex, found {value.dtype}. Echoes without phase "
            "make no image; was their imaginary part or their phase left out?"
        )
    return value


def hertz(values: np.ndarray, name: str, path: PathLike) -> np.ndarray:
    """Check frequencies.

    Args:
        values: (K,) in Hz.
        name: What they are called, for messages.
        path: The file, for messages.

    Returns:
        The same values.

    Raises:
        FileFormatError: They hold NaN, or are no radar's.
    """
    if not np.isfinite(values).all():
        bad = np.flatnonzero(~np.isfinite(values))
        raise FileFormatError(f"{path}: {name} holds {len(bad)} NaN or Inf, the first at {bad[0]}.")
    if not (values.min() > LOWEST and values.max() < HIGHEST):
        raise FileFormatError(
            f"{path}: {name} means {values.min():.4g} to {values.max():.4g} Hz, which no radar "
            "sends. GHz and Hz mixed up?"
        )
    return values


def reals(data: dict[str, Any], name: str, path: PathLike) -> np.ndarray:
    """Return a field of real numbers as a vector.

    Args:
        data: The struct.
        name: The field.
        path: The file, for messages.

    Returns:
        (n,) float64.

    Raises:
        FileFormatError: It is complex, or holds no numbers.
    """
    value = numbers(data, name, path)
    if value.dtype.kind == "c":
        raise FileFormatError(f"{path}: the field {name} must be real, found {value.dtype}.")
    return value.astype(np.float64).ravel()
