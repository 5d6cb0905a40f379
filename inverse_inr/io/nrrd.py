"""NRRD volumes, as 3D Slicer, ITK and teem write them, read and written without a library.

The format: https://teem.sourceforge.net/nrrd/format.html. Its first axis is the fastest in the file
and the first of the array.
"""

from __future__ import annotations

import bz2
import math
import re
import shlex
import zlib

import numpy as np
import torch
from torch import Tensor

from inverse_inr.domain import Box, Grid
from inverse_inr.io.files import PathLike, as_real_image, atomic_write, reading
from inverse_inr.io.provenance import KEY, current_record
from inverse_inr.io.sizes import ANY_RATIO, DEFLATE, check_claim
from inverse_inr.ranges import checked

EXPECTED = "a NRRD volume (.nrrd, header and data in one file)"
"""The kind of file that is read, for messages."""
RATIOS = {
    "raw": 1.0,
    **dict.fromkeys(("gzip", "gz"), DEFLATE),
    **dict.fromkeys(("bzip2", "bz2"), ANY_RATIO),
}
"""The most bytes that a stored byte can stand for, by the header's encoding."""
TYPES = {
    **dict.fromkeys(("signed char", "int8", "int8_t"), "i1"),
    **dict.fromkeys(("uchar", "unsigned char", "uint8", "uint8_t"), "u1"),
    **dict.fromkeys(
        ("short", "short int", "signed short", "signed short int", "int16", "int16_t"), "i2"
    ),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), "u2"),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t"), "i4"),
    **dict.fromkeys(("uint", "unsigned int", "uint32", "uint32_t"), "u4"),
    **dict.fromkeys(("longlong", "long long", "long long int", "int64", "int64_t"), "i8"),
    **dict.fromkeys(("ulonglong", "unsigned long long", "uint64", "uint64_t"), "u8"),
    "float": "f4",
    "double": "f8",
}
"""numpy's names of the header's types."""
TO_RAS = {
    **dict.fromkeys(("right-anterior-superior", "ras"), (1, 1, 1)),
    **dict.fromkeys(("left-anterior-superior", "las"), (-1, 1, 1)),
    **dict.fromkeys(("left-posterior-superior", "lps"), (-1, -1, 1)),
}
"""Signs that turn a space's axes into right, anterior, superior: those of NIfTI's affine."""
ALONG_SPACE = ("domain", "space", "time", "???", "none")
"""Kinds of axes on which samples lie; any other axis holds the numbers of one sample."""


@checked
def read_nrrd(path: PathLike) -> tuple[Tensor, Grid]:
    """Read a volume with its units; an axis of vector or colour components becomes the channels.

    Args:
        path: The file.

    Returns:
        Values (*shape, c) float32, and their grid: from `axis mins` where they are given, otherwise
        from 0 with the header's spacings; in the header's units, "px" where there are neither
        spacings nor units. Directions of an anatomical space become the grid's affine.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is damaged or of another kind, or its data lie in another file.
        MemoryError: The volume is larger than the memory at hand.
    """
    with reading(path, EXPECTED, ("NRRD",)) as file:
        header, packed = _parse(file.read_bytes())
        sizes = [int(n) for n in header["sizes"].split()]
        kinds = header.get("kinds", " ".join(_kinds(header, len(sizes)))).lower().split()
        if len(sizes) != int(header["dimension"]) or len(kinds) != len(sizes):
            raise ValueError("dimension, sizes and kinds disagree")
        dtype = np.dtype(TYPES[header["type"].lower()])
        if dtype.itemsize > 1 and "endian" not in header:
            raise ValueError("no endian in its header; add a line: endian: little, or big")
        if dtype.itemsize > 1:
            dtype = dtype.newbyteorder("<" if header["endian"].lower() == "little" else ">")
        encoding = header["encoding"].lower()
        if encoding not in RATIOS:
            raise ValueError(f"data in the encoding {encoding!r}; read are {', '.join(RATIOS)}")
        ratio = RATIOS[encoding]
        size = check_claim(file, sizes, dtype.itemsize, held=len(packed), ratio=ratio)
        data = _unpacked(packed, encoding, size)
        array = np.frombuffer(data, dtype, math.prod(sizes)).reshape(sizes, order="F")
        channel = [k for k, kind in enumerate(kinds) if kind not in ALONG_SPACE]
        if len(channel) > 1 or len(channel) == len(sizes):
            raise ValueError(f"axes of kinds {kinds}: one may hold channels, and one must not")
        values = np.moveaxis(array, channel[0], -1) if channel else array[..., None]
        grid = _grid(header, values.shape[:-1], [k for k in range(len(sizes)) if k not in channel])
        return torch.from_numpy(np.ascontiguousarray(values, np.float32)), grid


@checked
def write_nrrd(path: PathLike, values: Tensor, grid: Grid) -> None:
    """Write values as float32 with the box and its units, or with the grid's affine.

    With an affine the box is read back as one from 0 in mm.

    Args:
        path: The file to write.
        values: (*shape, c) real; several channels become the file's first axis.
        grid: The grid of the values. One with an affine has three axes.

    Raises:
        ValueError: The values do not fit the grid, a unit holds a quote, or an affine does not
            belong to three axes.
    """
    array = as_real_image(values, grid, path)
    if any('"' in unit or "\n" in unit for unit in grid.box.units):
        raise ValueError(f"{path}: units {grid.box.units} hold quotes; NRRD puts units in them.")
    if grid.affine is not None and (grid.ndim != 3 or np.shape(grid.affine) != (4, 4)):
        raise ValueError(f"{path}: NRRD keeps a (4, 4) affine of three axes only. Write .npz.")
    several = array.shape[-1] > 1
    array = np.moveaxis(array, -1, 0) if several else array[..., 0]
    lines = [
        "NRRD0004",
        "type: float",
        f"dimension: {array.ndim}",
        f"sizes: {' '.join(map(str, array.shape))}",
        "encoding: raw",
        "endian: little",
        f"kinds: {' '.join(['vector'] * several + ['domain'] * grid.ndim)}",
        *_where(grid, several),
    ]
    record = current_record()
    if record is not None:
        lines.append(f"{KEY}:={record}")
    header = "\n".join(lines) + "\n\n"
    with atomic_write(path) as temporary:
        temporary.write_bytes(header.encode() + array.astype("<f4").tobytes(order="F"))


def _parse(content: bytes) -> tuple[dict[str, str], bytes]:
    """The header's fields by their names in lower case, and what follows the blank line."""
    if not content.startswith(b"NRRD000"):
        raise ValueError("it does not begin with NRRD")
    blank = re.search(rb"\r?\n\r?\n", content)
    if blank is None:
        raise ValueError("its header does not end")
    fields = dict(
        line.split(": ", 1)
        for line in content[: blank.start()].decode().splitlines()[1:]
        if ": " in line and not line.startswith("#") and ":=" not in line
    )
    header = {name.strip().lower(): value.strip() for name, value in fields.items()}
    if {"data file", "datafile"} & header.keys():
        raise ValueError("no data in this file; join them: unu save -f nrrd")
    if any(int(header.get(name, 0)) for name in ("line skip", "lineskip", "byte skip", "byteskip")):
        raise ValueError("lines or bytes to be skipped before the data are not supported")
    return header, content[blank.end() :]


def _kinds(header: dict[str, str], count: int) -> list[str]:
    """Kinds of axes of a header without them: one that has no direction holds channels."""
    directions = header.get("space directions", "").replace(", ", ",").lower().split()
    if len(directions) != count:
        return ["domain"] * count
    return ["vector" if direction == "none" else "domain" for direction in directions]


def _unpacked(packed: bytes, encoding: str, size: int) -> bytes:
    """As many of the array's bytes as its sizes claim, and no more."""
    if encoding == "raw":
        return packed
    if encoding.startswith("b"):
        data = bz2.BZ2Decompressor().decompress(packed, size)
    else:
        data = zlib.decompressobj(wbits=31).decompress(packed, size)
    if len(data) < size:
        raise ValueError(f"{size} bytes claimed, {len(data)} compressed in it")
    return data


def _grid(header: dict[str, str], shape: tuple[int, ...], axes: list[int]) -> Grid:
    """The lattice of the sample axes, with an affine where the header has one."""

    def numbers(name: str) -> list[float]:
        found = [float(v) for v in header[name].split()] if name in header else []
        return [found[k] for k in axes] if found else [math.nan] * len(axes)

    lower, upper, spacing = map(numbers, ("axis mins", "axis maxs", "spacings"))
    units = shlex.split(header.get("units", header.get("space units", "")))
    units = [units[k] for k in axes] if "units" in header else units
    affine = None
    if "space directions" in header:
        vectors = header["space directions"].replace(", ", ",").split()
        matrix = np.array([_vector(vectors[k]) for k in axes]).T  # column k is a step along axis k
        spacing = np.linalg.norm(matrix, axis=0).tolist()
        signs = TO_RAS.get(header.get("space", "").lower())
        if signs is not None and matrix.shape == (3, 3) and "space origin" in header:
            affine = np.eye(4)
            affine[:3, :3] = np.array(signs)[:, None] * matrix
            affine[:3, 3] = np.array(signs) * _vector(header["space origin"].replace(" ", ""))
            units = units or ["mm"] * 3
    units = units or ["px" if math.isnan(h) else "" for h in spacing]
    lower = [0.0 if math.isnan(a) else a for a in lower]
    spacing = [1.0 if math.isnan(h) else h for h in spacing]
    upper = [
        a + n * h if math.isnan(b) else b
        for a, b, n, h in zip(lower, upper, shape, spacing, strict=True)
    ]
    grid = Grid(Box(tuple(lower), tuple(upper), tuple(units)), shape)
    return grid.with_affine(None if affine is None else affine.tolist())


def _vector(text: str) -> np.ndarray:
    return np.array([float(v) for v in text.strip("()").split(",")])


def _where(grid: Grid, several: bool) -> list[str]:
    """The header's lines that say where the samples lie."""

    def row(name: str, values: list[str], none: str) -> str:
        return f"{name}: {' '.join([none] * several + values)}"

    if grid.affine is not None:
        affine = np.array(grid.affine)
        columns = [f"({','.join(map(repr, c))})" for c in affine.T[:, :3].tolist()]
        return [
            "space: right-anterior-superior",
            row("space directions", columns[:3], "none"),
            f"space origin: {columns[3]}",
            'space units: "mm" "mm" "mm"',
        ]
    return [
        row("axis mins", [repr(a) for a in grid.box.lower], "nan"),
        row("axis maxs", [repr(b) for b in grid.box.upper], "nan"),
        row("centers", ["cell"] * grid.ndim, "???"),
        row("units", [f'"{unit}"' for unit in grid.box.units], '""'),
    ]
