"""The record of a scan, which all readers return."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from torch import Tensor

from inverse_inr.io.files import PathLike


class Scan(NamedTuple):
    """A scan as measured: detector counts, and frames that give transmissions."""

    counts: Tensor
    """(views, rows, columns) float32."""
    white: Tensor | None
    """(rows, columns) float32: mean of the frames without object. (views, rows, columns) where
    frames before and after were interpolated in time. None if there are none."""
    dark: Tensor
    """(rows, columns) float32: mean of the frames without beam; zeros if there are none."""
    angles: Tensor | None
    """(views,) float64, radians; None if neither the file nor the caller gives any."""
    gain: Tensor | None = None
    """(rows,) float64 counts per quantum by photon transfer, NaN where it cannot be found."""
    ceiling: float = math.inf
    """The largest number that the file's integers hold; infinity for floating point."""
    notes: Mapping[str, str] = MappingProxyType({})
    """What was inferred from the file, in words."""


def row_slice(rows: int | slice | None, count: int, path: PathLike) -> slice:
    """Turn a choice of detector rows into an ascending slice that keeps the axis.

    Args:
        rows: A row, a slice, or None for all.
        count: The number of rows there are.
        path: The file, for the message.

    Raises:
        ValueError: There are no such rows.
    """
    if rows is None:
        return slice(None)
    if isinstance(rows, slice):
        picked = range(count)[rows]
        if not picked or picked.step < 0:
            raise ValueError(
                f"{path}: rows={rows} must select some of the {count} detector rows "
                "in ascending order."
            )
        return slice(picked.start, picked.stop, picked.step)
    if not -count <= rows < count:
        raise ValueError(f"{path}: rows={rows}, but the scan has {count} detector rows.")
    return slice(rows % count, rows % count + 1)
