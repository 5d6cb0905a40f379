"""What predicts the spread of a coefficient: magnitudes of those that are decoded before it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inverse_inr.codec.causal import NEIGHBOURS, REACH, Whole

ELSEWHERE = 14
"""Numbers of a context that tell of other bands, levels and planes."""
SIZE = len(NEIGHBOURS) + ELSEWHERE + 1
"""Numbers in a context, of which the last is one."""
UNIT = 16
"""What stands for one in a context."""
LARGEST = 4095
"""Magnitudes beyond it count as it."""
ROOTS = np.array([math.isqrt(UNIT * UNIT * m) for m in range(LARGEST + 1)], np.int64)
"""Whole square roots: magnitudes are seen in that scale."""


def neighbour_roots(magnitudes: Whole) -> Whole:
    """The part of the contexts that a band tells of itself.

    Args:
        magnitudes: (rows, columns).

    Returns:
        (neighbours, rows, columns) roots.
    """
    rows, columns = magnitudes.shape
    padded = np.pad(roots(magnitudes), REACH)
    found = [
        padded[REACH + r : REACH + r + rows, REACH + c : REACH + c + columns] for r, c in NEIGHBOURS
    ]
    return np.stack(found)


def roots(magnitudes: Whole) -> Whole:
    """Square roots of magnitudes, in sixteenths."""
    return ROOTS[np.minimum(magnitudes, LARGEST)]


def elsewhere(
    shape: tuple[int, int],
    level: int,
    plane: int,
    band: int,
    parent: Whole | None,
    siblings: list[Whole],
    planes: list[Whole],
) -> Whole:
    """The part of the contexts that is known before a band is begun.

    Args:
        shape: (rows, columns) of the band.
        level: Its level, 0 for the finest.
        plane: Its plane, 0 for the one with the most variance.
        band: 0 for detail across, 1 for down, 2 for both.
        parent: Magnitudes of the same band on the next coarser level; None on the coarsest.
        siblings: Magnitudes of the bands of this level and plane that are decoded already.
        planes: Magnitudes of the same band in the planes that are decoded already.

    Returns:
        (ELSEWHERE + 1, rows, columns).
    """
    nothing = np.zeros(shape, np.int64)
    found = []
    if parent is None:
        found += [nothing, nothing]
    else:
        doubled = parent.repeat(2, 0).repeat(2, 1)
        around = sums_around(parent).repeat(2, 0).repeat(2, 1)
        found += [roots(_fitting(doubled, shape)), roots(_fitting(around, shape) // 4)]
    seen = [_fitting(one, shape) for one in siblings]
    seen += [nothing] * (2 - len(seen))
    if planes:
        seen += [planes[0], planes[-1]]
    else:
        seen += [nothing, nothing]
    for one in seen:
        found += [roots(one), roots(sums_around(one) // 4)]
    flags = (level, int(plane == 0), int(plane == 1), int(band == 2), 1)
    found += [np.full(shape, UNIT * flag) for flag in flags]
    return np.stack(found)


def _fitting(other: Whole, shape: tuple[int, int]) -> Whole:
    """A band whose size may differ by a row and a column."""
    rows, columns = shape
    grown = np.pad(
        other, ((0, max(0, rows - other.shape[0])), (0, max(0, columns - other.shape[1])))
    )
    return grown[:rows, :columns]


def sums_around(values: NDArray[Any]) -> NDArray[Any]:
    """Sum the eight numbers around each.

    Args:
        values: (rows, columns); beyond the edge numbers count as zero.

    Returns:
        (rows, columns).
    """
    padded = np.pad(values, 1)
    rows, columns = values.shape
    total = -values
    for r in range(3):
        for c in range(3):
            total = total + padded[r : r + rows, c : c + columns]
    return total
