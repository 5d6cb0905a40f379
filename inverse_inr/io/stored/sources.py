"""Arrays of files that are read by ranges of their flat index: npy and HDF5."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from inverse_inr.io.files import FileFormatError, reading
from inverse_inr.io.hdf5 import numeric_dataset

CHUNK_CACHE = 2**25
"""Bytes of unpacked chunks that HDF5 keeps: neighbours in the flat index share chunks."""


class Source(Protocol):
    """An array of a file.

    Attributes:
        path: The file, or the folder of zarr.
        shape: Its shape.
        dtype: The type of its numbers.
    """

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def chunks(self) -> tuple[int, ...] | None:
        """The shape of the parts that are read at once; None where any range can be."""
        ...

    def read(self, start: int, stop: int) -> np.ndarray:
        """Read a range of the array's flat index, (stop - start,)."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


class Unchanged:
    """Knows a file as it was when it was opened.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known = _state(path)

    def check(self) -> None:
        """Raise FileFormatError if the file is gone or another."""
        now = _state(self.path)
        if now == self.known:
            return
        if now is None or self.known is None:
            raise FileFormatError(f"{self.path}: the file is gone, while its values are in use.")
        raise FileFormatError(
            f"{self.path}: the file was altered while its values are in use: it had "
            f"{self.known[0]} bytes and has {now[0]}. Is another program writing to it?"
        )


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino


class NpyFile:
    """A .npy file in C order.

    Args:
        path: The file.

    Raises:
        FileFormatError: The file is damaged, cut, or in Fortran order.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.chunks: tuple[int, ...] | None = None
        with reading(path, "a .npy file", ("npy",)):
            mapped = np.load(path, mmap_mode="r", allow_pickle=False)
            self.shape, self.dtype = mapped.shape, mapped.dtype
            self.offset = int(mapped.offset)
            if not mapped.flags.c_contiguous:
                raise FileFormatError(
                    f"{path}: the array is in Fortran order, whose flat index jumps. Save "
                    "numpy.ascontiguousarray(array)."
                )
            del mapped
        self._closed = False
        self._unchanged = Unchanged(path)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Read a range of the array's flat index, (stop - start,)."""
        if self._closed:
            raise FileFormatError(f"{self.path}: the file was closed.")
        self._unchanged.check()
        with self.path.open("rb") as file:
            file.seek(self.offset + start * self.dtype.itemsize)
            values = np.fromfile(file, self.dtype, stop - start)
        if len(values) < stop - start:
            raise FileFormatError(f"{self.path}: the file ends before value {stop}. Cut?")
        return values

    def close(self) -> None:
        """Refuse to read from now on."""
        self._closed = True


class Hdf5File:
    """A dataset of HDF5, in chunks or not, compressed or not.

    Args:
        path: The file.
        name: The dataset.

    Raises:
        FileFormatError: The file is damaged, or has no such dataset of numbers.
    """

    def __init__(self, path: Path, name: str) -> None:
        import h5py

        self.path = path
        with reading(path, "an HDF5 file", ("HDF5",)):
            self._file = h5py.File(path, "r", rdcc_nbytes=CHUNK_CACHE)
            try:
                self._data = numeric_dataset(self._file, name)
            except FileFormatError:
                self._file.close()
                raise
        self.shape = tuple(self._data.shape)
        self.dtype = self._data.dtype
        self.chunks: tuple[int, ...] | None = self._data.chunks
        self._unchanged = Unchanged(path)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Read a range of the array's flat index, (stop - start,)."""
        self._unchanged.check()
        parts = [
            np.asarray(self._data[place]).reshape(-1) for place in pieces(start, stop, self.shape)
        ]
        return np.concatenate(parts)

    def close(self) -> None:
        """Close the file, which then cannot be read."""
        self._file.close()


def pieces(start: int, stop: int, shape: tuple[int, ...]) -> Iterator[tuple[Any, ...]]:
    """The boxes of an array that together are a range of its flat index, in order.

    Args:
        start: The first index.
        stop: The index after the last.
        shape: The array's shape.

    Yields:
        A number or a slice for each axis.
    """
    if len(shape) == 1:
        yield (slice(start, stop),)
        return
    inner = math.prod(shape[1:])
    first, skipped = divmod(start, inner)
    last, rest = divmod(stop, inner)
    if first == last:
        for piece in pieces(skipped, rest, shape[1:]):
            yield (first, *piece)
        return
    if skipped:
        for piece in pieces(skipped, inner, shape[1:]):
            yield (first, *piece)
        first += 1
    if first < last:
        yield (slice(first, last), *[slice(None)] * (len(shape) - 1))
    if rest:
        for piece in pieces(0, rest, shape[1:]):
            yield (last, *piece)
