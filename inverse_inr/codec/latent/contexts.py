"""What the entropy model sees of a latent: those around it, and those of other lattices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inverse_inr.codec.causal import NEIGHBOURS, Whole
from inverse_inr.codec.wavelet.bands import ACROSS, Band, band_shapes, order, turned
from inverse_inr.codec.wavelet.contexts import roots
from inverse_inr.codec.wavelet.filter_bank import levels_of

NEAR = len(NEIGHBOURS)
"""Numbers of a context that tell of the latent's own lattice. They come first."""
OTHERS = 5
"""Latents of other lattices that a context knows: the one on the next coarser level, those of two
other kinds, those of two other planes. The sums around each of them are known as well."""
SEEN = NEAR + OTHERS
"""Places that a context knows."""
FLAGS = 6
"""Numbers of a context that only tell which lattice it is of; the last is one."""
SIZE = SEEN + OTHERS + FLAGS
"""Numbers of a context."""
SIGNED = NEAR + 2
"""Numbers whose signs tell of a latent's sign: its neighbours, and two other planes."""
UNIT = 16
"""What stands for one in a context."""
STRONGEST = 2 * UNIT
"""Roots beyond it count as it where signs are seen."""


class Place(NamedTuple):
    """The place of a lattice among all latents in a row.

    Attributes:
        first: Number of its first latent.
        rows: Rows, as it is coded: a lattice of detail across has rows and columns exchanged.
        columns: Columns.
    """

    first: int
    rows: int
    columns: int

    @property
    def last(self) -> int:
        """Number behind its last latent."""
        return self.first + self.rows * self.columns


class Layout:
    """All lattices of a picture in a row, in the order in which they are coded.

    Args:
        shape: (rows, columns) of the picture.
        planes: Its planes.
    """

    def __init__(self, shape: tuple[int, int], planes: int) -> None:
        self.levels = levels_of(shape)
        self.low, shapes = band_shapes(shape, self.levels)
        self.places: dict[Band, Place] = {}
        at = 0
        for band in order(planes, self.levels):
            rows, columns = shapes[band.level][band.kind]
            if band.kind == ACROSS:
                rows, columns = columns, rows
            self.places[band] = Place(at, rows, columns)
            at = self.places[band].last
        self.count = at

    def joined(self, bands: Mapping[Band, NDArray[Any]]) -> NDArray[Any]:
        """Put bands in a row, and a zero behind them, which is what lies beyond an edge.

        Args:
            bands: (rows, columns) of each band, not exchanged.

        Returns:
            (count + 1,) numbers.
        """
        parts = [turned(bands[band], band.kind).reshape(-1) for band in self.places]
        return np.concatenate([*parts, np.zeros(1, parts[0].dtype if parts else np.int64)])

    def split(self, latents: NDArray[Any]) -> dict[Band, NDArray[Any]]:
        """Take bands out of a row.

        Args:
            latents: (count + 1,) or (count,) numbers.

        Returns:
            (rows, columns) of each band, not exchanged.
        """
        return {
            band: turned(latents[place.first : place.last].reshape(place[1:]), band.kind)
            for band, place in self.places.items()
        }

    def seen(self, band: Band) -> Whole:
        """Say which latents the contexts of a lattice know.

        Args:
            band: The lattice.

        Returns:
            (SEEN, rows * columns) numbers of latents; `count` is beyond an edge.
        """
        place = self.places[band]
        row, column = np.divmod(np.arange(place.rows * place.columns), max(place.columns, 1))
        found = [self._at(band, row + i, column + j) for i, j in NEIGHBOURS]
        level, plane, kind = band
        found.append(self._at(Band(level + 1, plane, kind), row // 2, column // 2))
        for other in range(2):
            # of bands that are exchanged and those that are not, rows are the other's columns
            here = (column, row) if (kind == ACROSS) != (other == ACROSS) else (row, column)
            known = other < kind
            found.append(self._at(Band(level, plane, other) if known else None, *here))
        for other in (0, plane - 1):
            known = plane > 0
            found.append(self._at(Band(level, other, kind) if known else None, row, column))
        return np.stack(found)

    def _at(self, band: Band | None, row: Whole, column: Whole) -> Whole:
        if band is None or band not in self.places:
            return np.full(row.shape, self.count)
        first, rows, columns = self.places[band]
        inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
        return np.where(inside, first + row * columns + column, self.count)


def flags(band: Band) -> Whole:
    """(FLAGS,) numbers that tell which lattice a context is of, in units of 1 / UNIT."""
    level, plane, kind = band
    told = (level, plane == 0, plane == 1, kind == ACROSS, kind == 2, 1)
    return np.array([int(UNIT * flag) for flag in told])


def signed_roots(latents: Whole) -> Whole:
    """Roots with the signs of their numbers, cut where they are large."""
    return np.sign(latents) * np.minimum(roots(np.abs(latents)), STRONGEST)
