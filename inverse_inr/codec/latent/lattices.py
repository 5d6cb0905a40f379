"""The lattices of a picture: their sizes, and how finer places are made of coarser ones."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from inverse_inr.codec.planes import Floats

LEVELS = 7
"""Levels of the lattices, each coarser by two than the one before it; the first has the pixels."""
COLOURS_FROM = 2
"""Level at which the lattices of all planes but the first begin."""
TAPS = 4
"""Numbers of a filter that makes a line twice as long; the other half is their mirror image."""


class Lattice(NamedTuple):
    """A lattice of a picture.

    Attributes:
        level: 0 for the finest.
        plane: The plane of colours that it begins with, 0 for the one with the most variance.
    """

    level: int
    plane: int

    @property
    def gain(self) -> float:
        """The size of a latent of one, in steps; less where many pixels see it."""
        return 2.0 ** -min(self.level, 5)


def lattices(planes: int) -> list[Lattice]:
    """Name the lattices of a picture, those of the first plane first.

    Args:
        planes: Planes of the picture.
    """
    found = [Lattice(level, 0) for level in range(LEVELS)]
    for plane in range(1, planes):
        found += [Lattice(level, plane) for level in range(COLOURS_FROM, LEVELS)]
    return found


def shapes(shape: tuple[int, int]) -> list[tuple[int, int]]:
    """Sizes of the levels, the finest first.

    Args:
        shape: (rows, columns) of the picture.

    Returns:
        (rows, columns) of each level.
    """
    rows, columns = shape
    found = []
    for _ in range(LEVELS):
        found.append((rows, columns))
        rows, columns = (rows + 1) // 2, (columns + 1) // 2
    return found


@cache
def placing(count: int) -> Floats:
    """Say which taps a line of places takes from the coarser line below it.

    Place i of the finer line lies at i / 2 - 1 / 4 of the coarser one, between two of its places,
    and sees the four around it; ends are mirrored.

    Args:
        count: Places of the finer line.

    Returns:
        (TAPS, count, coarser places): the filter is the sum over taps of tap times matrix.
    """
    coarse = (count + 1) // 2
    found = np.zeros((TAPS, count, coarse))
    for i in range(count):
        odd = i % 2 == 1
        first = i // 2 - (1 if odd else 2)
        for k in range(TAPS):
            j = first + k
            if j < 0:
                j = -j - 1
            if j >= coarse:
                j = 2 * coarse - 1 - j
            tap = k if odd else TAPS - 1 - k
            found[tap, i, min(max(j, 0), coarse - 1)] += 1
    return found
