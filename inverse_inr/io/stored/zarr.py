"""Zarr arrays, versions 2 and 3, in the plain forms that need no library.

Chunks are raw, or packed by zlib or gzip; those packed by Blosc or Zstandard are refused by name
(https://zarr-specs.readthedocs.io, versions 2 and 3).
"""

from __future__ import annotations

import itertools
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from inverse_inr.io.files import FileFormatError
from inverse_inr.io.stored.sources import Unchanged, pieces

UNPACKED_AUTOMATICALLY = 32 + 15
"""What tells zlib to recognise the heads of both gzip and zlib."""


class ZarrFolder:
    """A zarr array in a folder.

    Args:
        path: The folder, which holds `.zarray` or `zarr.json`.

    Raises:
        FileNotFoundError: There is no such folder.
        FileFormatError: It is no zarr array of numbers, or is packed in a way that needs a library.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        about = [path / name for name in (".zarray", "zarr.json") if (path / name).is_file()]
        if not path.exists():
            raise FileNotFoundError(f"{path}: expected a zarr array; there is no such folder.")
        if not about:
            raise FileFormatError(
                f"{path}: expected a zarr array, found neither .zarray nor zarr.json there. "
                "A group? Name the folder of one of its arrays."
            )
        try:
            described = json.loads(about[0].read_text())
            if about[0].name == ".zarray":
                self._version_2(described)
            else:
                self._version_3(described)
        except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
            raise FileFormatError(f"{about[0]}: no description of an array ({error}).") from None
        self._unchanged = Unchanged(about[0])
        # a chunk that is not there holds the fill value; one that was there must not go
        self._there = {p for p in path.rglob("*") if p.is_file()}
        self._closed = False
        self._last: tuple[tuple[int, ...], np.ndarray] | None = None

    def _version_2(self, about: dict[str, Any]) -> None:
        self._set(about["shape"], about["chunks"], np.dtype(about["dtype"]), about["fill_value"])
        packed = (about["compressor"] or {"id": "raw"})["id"]
        self._require(packed in ("raw", "zlib", "gzip"), f"packed by {packed}")
        self._require(not about["filters"], f"filtered by {about['filters']}")
        self._require(about["order"] == "C" or len(self.shape) == 1, "in Fortran order")
        self._packed = packed != "raw"
        self._separator, self._prefix = about.get("dimension_separator", "."), ""

    def _version_3(self, about: dict[str, Any]) -> None:
        self._require(about["node_type"] == "array", "a group, not an array")
        grid = about["chunk_grid"]
        self._require(grid["name"] == "regular", f"of chunks that are {grid['name']}")
        codecs = {codec["name"]: codec.get("configuration", {}) for codec in about["codecs"]}
        unknown = set(codecs) - {"bytes", "gzip", "crc32c"}
        self._require(not unknown, f"packed by {', '.join(sorted(unknown))}")
        self._require("crc32c" not in codecs, "with check sums (crc32c)")
        dtype = np.dtype(about["data_type"]).newbyteorder("<")
        if codecs["bytes"].get("endian", "little") == "big":
            dtype = dtype.newbyteorder(">")
        self._set(about["shape"], grid["configuration"]["chunk_shape"], dtype, about["fill_value"])
        self._packed = "gzip" in codecs
        key = about["chunk_key_encoding"]
        default = "/" if key["name"] == "default" else "."
        self._separator = key.get("configuration", {}).get("separator", default)
        self._prefix = "c" + self._separator if key["name"] == "default" else ""

    def _set(self, shape: Any, chunks: Any, dtype: np.dtype[Any], fill: Any) -> None:
        self.shape = tuple(map(int, shape))
        self.chunks = tuple(map(int, chunks))
        self.dtype = dtype
        self._require(dtype.kind in "iufcb" and bool(self.shape), f"of {dtype}")
        self._require(len(chunks) == len(self.shape), f"of chunks of shape {chunks}")
        if isinstance(fill, list):  # real and imaginary part
            fill = complex(*fill)
        self._fill = np.array(fill or 0).astype(dtype)

    def _require(self, fine: bool, found: str) -> None:
        if not fine:
            raise FileFormatError(
                f"{self.path}: the zarr array is {found}, which this reader does not know. Write "
                "it without compression or by gzip, or as HDF5."
            )

    def read(self, start: int, stop: int) -> np.ndarray:
        """Read a range of the array's flat index, (stop - start,)."""
        if self._closed:
            raise FileFormatError(f"{self.path}: the array was closed.")
        self._unchanged.check()
        return np.concatenate(
            [self._box(place).reshape(-1) for place in pieces(start, stop, self.shape)]
        )

    def close(self) -> None:
        """Refuse to read from now on."""
        self._closed = True

    def _box(self, place: tuple[Any, ...]) -> np.ndarray:
        ranges = [
            range(*p.indices(n)) if isinstance(p, slice) else range(p, p + 1)
            for p, n in zip(place, self.shape, strict=True)
        ]
        out = np.empty([len(r) for r in ranges], self.dtype)
        met = [
            range(r.start // c, (r.stop - 1) // c + 1)
            for r, c in zip(ranges, self.chunks, strict=True)
        ]
        for number in itertools.product(*met):
            inside, into = [], []
            for r, k, c in zip(ranges, number, self.chunks, strict=True):
                low, high = max(r.start, k * c), min(r.stop, (k + 1) * c)
                inside.append(slice(low - k * c, high - k * c))
                into.append(slice(low - r.start, high - r.start))
            out[tuple(into)] = self._chunk(number)[tuple(inside)]
        return out

    def _chunk(self, number: tuple[int, ...]) -> np.ndarray:
        if self._last is not None and self._last[0] == number:
            return self._last[1]
        file = self.path / (self._prefix + self._separator.join(map(str, number)))
        if not file.is_file():
            if file in self._there:
                raise FileFormatError(f"{file}: the chunk is gone, while its values are in use.")
            return np.broadcast_to(self._fill, self.chunks)
        content = file.read_bytes()
        try:
            if self._packed:
                content = zlib.decompress(content, UNPACKED_AUTOMATICALLY)
            values = np.frombuffer(content, self.dtype).reshape(self.chunks)
        except (zlib.error, ValueError) as error:
            raise FileFormatError(
                f"{file}: no chunk of shape {self.chunks} and {self.dtype} ({error}). Cut?"
            ) from None
        self._last = (number, values)
        return values
