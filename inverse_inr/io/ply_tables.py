"""The tables of a PLY file: its header, and its elements in ASCII or binary.

Lists of three entries are read as triangles; other lists are refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import numpy as np

from inverse_inr.io.files import FileFormatError, describe

EXPECTED = "a PLY file of vertices and triangles"
"""The kind of file that is read, for messages."""
TYPES = {
    "char": "i1",
    "uchar": "u1",
    "short": "i2",
    "ushort": "u2",
    "int": "i4",
    "uint": "u4",
    "float": "f4",
    "double": "f8",
    "int8": "i1",
    "uint8": "u1",
    "int16": "i2",
    "uint16": "u2",
    "int32": "i4",
    "uint32": "u4",
    "float32": "f4",
    "float64": "f8",
}
"""PLY's types as numpy's, without the byte order."""
ORDERS = {"ascii": "=", "binary_little_endian": "<", "binary_big_endian": ">"}
"""PLY's formats as numpy's byte orders; "=" stands for text."""

Element = tuple[str, int, list[tuple[str, ...]]]
"""Name, count and properties: (type, name), or ("list", count type, type, name)."""
Tables = dict[str, dict[str, np.ndarray]]
"""Columns by element and property; the triangles of a face are (count, 3)."""


def read_tables(file: Path, content: bytes) -> Tables:
    """Read all elements of a PLY file.

    Args:
        file: The file, for messages.
        content: What the file holds.

    Returns:
        Columns by element and property. A face's list becomes "triangles", (count, 3).

    Raises:
        FileFormatError: The file is of another kind or truncated, or has polygons of more corners.
    """
    order, elements, start = _header(file, content)
    if order == "=":
        return _ascii(file, content[start:], elements)
    return _binary(file, content[start:], elements, order)


def _header(file: Path, content: bytes) -> tuple[str, list[Element], int]:
    """The byte order, the elements and where the body begins."""
    end = content.find(b"end_header")
    stop = content.find(b"\n", end)
    if not content.startswith(b"ply") or end < 0 or stop < 0:
        found = describe(file)
        raise FileFormatError(
            f"{file}: expected {EXPECTED}, found {found}: no header 'ply' to 'end_header'."
        )
    order = ""
    elements: list[Element] = []
    for line in content[:end].decode("ascii", "replace").splitlines()[1:]:
        match line.split():
            case ["format", kind, _] if kind in ORDERS:
                order = ORDERS[kind]
            case ["element", name, count] if count.isdigit():
                elements.append((name, int(count), []))
            case ["property", *words] if elements and len(words) in (2, 4) and _known(words):
                elements[-1][2].append(tuple(words))
            case [] | ["comment" | "obj_info", *_]:
                pass
            case _:
                raise FileFormatError(f"{file}: the header's line {line.strip()!r} is no PLY.")
    vertex = next((e for e in elements if e[0] == "vertex"), None)
    if not order or vertex is None or not {"x", "y", "z"} <= {p[-1] for p in vertex[2]}:
        raise FileFormatError(f"{file}: the header names no format, or no vertices with x, y, z.")
    return order, elements, stop + 1


def _known(words: list[str]) -> bool:
    """Whether a property's types are known, of two words or of a list's four."""
    if words[0] == "list":
        return all(w in TYPES for w in words[1:3])
    return len(words) == 2 and words[0] in TYPES


def _triangular(file: Path, name: str, properties: list[tuple[str, ...]]) -> bool:
    """Whether an element is a list of corners and nothing else; other lists are refused."""
    lists = [p for p in properties if p[0] == "list"]
    if lists and (name != "face" or len(properties) > 1):
        raise FileFormatError(
            f"{file}: element {name!r} has a list among {len(properties)} properties: "
            "not read here."
        )
    return bool(lists)


def _binary(file: Path, body: bytes, elements: list[Element], order: str) -> Tables:
    tables: Tables = {}
    at = 0
    for name, count, properties in elements:
        triangles = _triangular(file, name, properties)
        dtype = _record(properties, order, triangles)
        if not dtype.itemsize:
            raise FileFormatError(f"{file}: the header's element {name!r} has no properties.")
        if len(body) - at < count * dtype.itemsize:
            _short(file, name, count, (len(body) - at) // dtype.itemsize)
        table = np.frombuffer(body, dtype, count, at)
        if triangles:
            tables[name] = {"triangles": _corners(file, table)}
        else:
            tables[name] = {k: table[k] for k in table.dtype.names or ()}
        at += count * dtype.itemsize
    return tables


def _record(properties: list[tuple[str, ...]], order: str, triangles: bool) -> np.dtype:
    """The layout of one entry of a binary element."""
    if not triangles:
        return np.dtype([(p[1], order + TYPES[p[0]]) for p in properties])
    _, number, index, _ = properties[0]
    return np.dtype([("count", order + TYPES[number]), ("triangles", order + TYPES[index], (3,))])


def _corners(file: Path, table: np.ndarray) -> np.ndarray:
    if not (table["count"] == 3).all():
        raise FileFormatError(
            f"{file}: only triangles are read; a face has {int(table['count'].max())} corners."
        )
    return table["triangles"]


def _ascii(file: Path, body: bytes, elements: list[Element]) -> Tables:
    lines = [line for line in body.decode("ascii", "replace").splitlines() if line.strip()]
    tables: Tables = {}
    at = 0
    for name, count, properties in elements:
        triangles = _triangular(file, name, properties)
        part = lines[at : at + count]
        if len(part) < count:
            _short(file, name, count, len(part))
        if triangles:
            needed = "triangles (3 and three numbers)"
            rows = _numbers(file, name, part, 4, needed)
            if not (rows[:, 0] == 3).all():
                _misfit(file, name, rows, needed)
            tables[name] = {"triangles": rows[:, 1:]}
        else:
            width = len(properties)
            rows = _numbers(file, name, part, width, f"{width} numbers, one a property")
            tables[name] = {p[1]: rows[:, k] for k, p in enumerate(properties)}
        at += count
    return tables


def _numbers(file: Path, name: str, lines: list[str], width: int, needed: str) -> np.ndarray:
    """The numbers of an element's lines, (lines, width); `needed` says what a line must hold."""
    columns = -1 if lines else width  # numpy cannot infer the width of no lines
    try:
        numbers = np.array([[float(w) for w in line.split()] for line in lines])
        rows = numbers.reshape(len(lines), columns)
    except ValueError:
        raise FileFormatError(
            f"{file}: the lines of {name!r} do not hold as many numbers each."
        ) from None
    if rows.shape[1] != width:
        _misfit(file, name, rows, needed)
    return rows


def _misfit(file: Path, name: str, rows: np.ndarray, needed: str) -> NoReturn:
    raise FileFormatError(
        f"{file}: a line of {name!r} must hold {needed}; it has {rows.shape[1]} numbers."
    )


def _short(file: Path, name: str, expected: int, found: int) -> NoReturn:
    raise FileFormatError(
        f"{file}: the header promises {expected} of {name!r}, the file ends after {found}. "
        "Truncated?"
    )
