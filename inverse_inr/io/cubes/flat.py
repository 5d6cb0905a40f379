"""Cubes whose pixels MATLAB files hold in one axis, (bands, pixels), as for unmixing.

Jasper Ridge, Samson and Urban come like that: `Y` with `nRow` and `nCol`. MATLAB counts the pixels
column by column.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

SIZES = (
    ("nrow", "ncol"),
    ("nrows", "ncols"),
    ("rows", "cols"),
    ("rows", "columns"),
    ("height", "width"),
    ("lines", "samples"),
    ("h", "w"),
)
"""Usual names of the numbers of rows and columns, in lower case."""


def flat_names(found: Mapping[str, np.ndarray]) -> list[str]:
    """The matrices among named arrays, which may be flat cubes.

    Args:
        found: Arrays by name.
    """
    return [
        name
        for name, array in found.items()
        if array.ndim == 2 and min(array.shape) > 1 and array.dtype.kind in "iuf"
    ]


def with_cubes(found: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Give flat cubes their rows and columns, where the file says them.

    Args:
        found: Arrays by name, as MATLAB shows them.

    Returns:
        The arrays, flat cubes as (rows, columns, bands); and a note for each of those.
    """
    sizes = _sizes(found)
    arrays = dict(found)
    notes: dict[str, str] = {}
    if sizes is None:
        return arrays, notes
    rows, columns, said = sizes
    for name in flat_names(found):
        array = found[name]
        if array.shape.count(rows * columns) != 1:
            continue
        pixels = array if array.shape[0] == rows * columns else array.T
        arrays[name] = pixels.reshape(columns, rows, -1).swapaxes(0, 1)
        notes[name] = (
            f"{name} {array.shape} is flat: {said} say {rows} x {columns}, column by column"
        )
    return arrays, notes


def _sizes(found: Mapping[str, np.ndarray]) -> tuple[int, int, str] | None:
    """Rows and columns that the file says, and their names."""
    single = {
        name.rsplit("/", 1)[-1].lower(): (name, float(array.reshape(-1)[0]))
        for name, array in found.items()
        if array.size == 1 and array.dtype.kind in "iuf"
    }
    for high, wide in SIZES:
        if high not in single or wide not in single:
            continue
        numbers = (single[high][1], single[wide][1])
        if all(n == round(n) and n >= 1 for n in numbers if np.isfinite(n)):
            return int(numbers[0]), int(numbers[1]), f"{single[high][0]} and {single[wide][0]}"
    return None
