"""The order in which a lattice is decoded: each number from those around it that are known."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

Whole = NDArray[np.int64]

NEIGHBOURS = (
    (0, -1),
    (0, -2),
    (0, -3),
    (-1, -2),
    (-1, -1),
    (-1, 0),
    (-1, 1),
    (-1, 2),
    (-2, -1),
    (-2, 0),
    (-2, 1),
    (-3, 0),
)
"""Rows and columns from a number to those around it that are decoded before it."""
SLOPE = 3
"""A number at (row, column) belongs to wave SLOPE row + column, its neighbours to earlier ones."""
REACH = 3
"""How far a neighbour may be; beyond the edge numbers count as zero."""


@cache
def _waves(rows: int, columns: int) -> tuple[tuple[Whole, Whole], ...]:
    row, column = np.divmod(np.arange(rows * columns), max(columns, 1))
    wave = SLOPE * row + column
    by_wave = np.argsort(wave, kind="stable")
    ends = np.flatnonzero(np.diff(wave[by_wave])) + 1
    parts = np.split(by_wave, ends)
    return tuple((row[part], column[part]) for part in parts if len(part))


def waves(rows: int, columns: int) -> Iterator[tuple[Whole, Whole]]:
    """The places of a lattice in waves, each of which is predicted from those before it alone.

    Args:
        rows: Its rows.
        columns: Its columns.

    Yields:
        Rows and columns of a wave's places.
    """
    yield from _waves(rows, columns)
