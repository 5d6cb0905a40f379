"""A picture's bands in their order of coding, and what each of them is predicted from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from inverse_inr.codec.wavelet.contexts import Whole, elsewhere

ACROSS = 0
"""The band whose rows and columns are exchanged while it is coded, to look like the one down."""


class Band(NamedTuple):
    """A place in the pyramid.

    Attributes:
        level: 0 for the finest.
        plane: 0 for the plane with the most variance.
        kind: 0 for detail across, 1 for down, 2 for both.
    """

    level: int
    plane: int
    kind: int


Bands = dict[Band, Whole]
"""(rows, columns) whole numbers of each band."""


def order(planes: int, levels: int) -> Iterator[Band]:
    """The bands as they are coded: coarse levels first, in each of them plane by plane.

    Args:
        planes: How many planes.
        levels: How many levels.
    """
    for level in reversed(range(levels)):
        for plane in range(planes):
            for kind in range(3):
                yield Band(level, plane, kind)


def band_shapes(
    shape: tuple[int, int], levels: int
) -> tuple[tuple[int, int], list[list[tuple[int, int]]]]:
    """Sizes of bands.

    Args:
        shape: (rows, columns) of the picture.
        levels: How many levels.

    Returns:
        (rows, columns) of the low-pass band, and of the three bands of each level.
    """
    rows, columns = shape
    found = []
    for _ in range(levels):
        up, left = (rows + 1) // 2, (columns + 1) // 2
        found.append([(up, columns - left), (rows - up, left), (rows - up, columns - left)])
        rows, columns = up, left
    return (rows, columns), found


def turned(values: Whole, kind: int) -> Whole:
    """Exchange rows and columns of a band across; it is its own inverse."""
    return values.T if kind == ACROSS else values


def around(bands: Bands, band: Band, shape: tuple[int, int]) -> Whole:
    """Give the context numbers of a band that the bands before it in the order make.

    Args:
        bands: Those that are known.
        band: The band.
        shape: Its rows and columns, not exchanged.

    Returns:
        (numbers, rows, columns), turned as the band is coded.
    """
    level, plane, kind = band
    parent = bands.get(Band(level + 1, plane, kind))
    if parent is not None:
        parent = turned(np.abs(parent), kind)
    siblings = [turned(np.abs(bands[Band(level, plane, k)]), kind) for k in range(kind)]
    planes = [turned(np.abs(bands[Band(level, p, kind)]), kind) for p in range(plane)]
    if kind == ACROSS:
        shape = (shape[1], shape[0])
    return elsewhere(shape, level, plane, kind, parent, siblings, planes)
