"""Arrays of a MATLAB file of version 5: numbers, characters, cells, structs, sparse matrices."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from inverse_inr.io.files import FileFormatError
from inverse_inr.io.matlab5.elements import (
    COMPRESSED,
    MATRIX,
    Cursor,
    beginning,
    decompressed,
)

CELL, STRUCT, OBJECT, CHARACTERS, SPARSE = 1, 2, 3, 4, 5
CLASSES = {
    6: "f8",
    7: "f4",
    8: "i1",
    9: "u1",
    10: "i2",
    11: "u2",
    12: "i4",
    13: "u4",
    14: "i8",
    15: "u8",
}
"""numpy's types of the classes of numbers, by their code."""
UNREAD = {OBJECT: "object", 16: "function handle", 17: "object (string, table, datetime ...)"}
"""Classes that are not read."""
COMPLEX, LOGICAL = 0x08, 0x02
"""Flags of an array."""
DEEPEST = 32
"""Structs and cells inside each other that are read."""
MOST_AXES = 32
"""Dimensions that are read, as many as numpy had for long."""


class Header(NamedTuple):
    """The description of an array, which stands before its values."""

    kind: int
    """The code of its class."""
    flags: int
    shape: tuple[int, ...]
    name: str


def read_variables(path: Path, only: str | None = None) -> dict[str, Any]:
    """Read the variables of a file.

    Args:
        path: The file, known to be of version 5.
        only: Read that one variable, if it is there.

    Returns:
        Arrays by name: numbers in the type of their class, logical ones as bool, characters as one
        text a row, cells as objects, structs as structured arrays of objects, sparse matrices as
        scipy's. Of objects and function handles nothing is read.

    Raises:
        FileFormatError: The file is damaged; or `only` is an object or a function handle.
        MemoryError: An array is larger than the memory at hand.
    """
    content = path.read_bytes()
    order = "<" if content[126:128] == b"IM" else ">"
    cursor = Cursor(path, order, memoryview(content), min(128, len(content)))
    found: dict[str, Any] = {}
    while cursor.left:
        if cursor.left < 8 and not any(cursor.data[cursor.at :]):
            break
        code, part = cursor.element()
        if code not in (MATRIX, COMPRESSED):
            cursor.refuse(f"an element of code {code} stands where a variable should")
        if code == COMPRESSED:
            inside = cursor.within(beginning(cursor, part))
            if inside.left < 8 or int(np.frombuffer(inside.take(4), order + "u4")[0]) != MATRIX:
                cursor.refuse("a compressed part holds no variable")
            inside.take(4)
        else:
            inside = cursor.within(part)
        header = read_header(inside)
        if not header.name or only not in (None, header.name):
            continue  # without a name: what function handles refer to
        if header.kind in UNREAD:
            if only is not None:
                raise FileFormatError(
                    f"{path}: {only!r} is a MATLAB {UNREAD[header.kind]}, which is not read. "
                    "Save its fields as a struct or as arrays."
                )
            continue
        if header.name in found:
            cursor.refuse(f"variable {header.name!r} stands twice")
        if code == COMPRESSED:
            inside = cursor.within(cursor.within(decompressed(cursor, part)).element()[1])
            header = read_header(inside)
        found[header.name] = _values(inside, header, 0)
    return found


def read_header(cursor: Cursor) -> Header:
    """Read what stands before the values of an array.

    Args:
        cursor: At the beginning of the array; it goes on to its values.

    Returns:
        The header.

    Raises:
        FileFormatError: It is damaged.
    """
    flags = cursor.numbers("the flags of an array")
    if flags.size < 2 or flags.dtype.itemsize != 4:
        cursor.refuse("the flags of an array are no two words")
    kind, bits = int(flags[0]) & 0xFF, (int(flags[0]) >> 8) & 0xFF
    if kind == 17:  # its name stands where other arrays have their dimensions
        return Header(kind, bits, (), cursor.text("an array's name"))
    if kind not in (*CLASSES, *UNREAD, CELL, STRUCT, CHARACTERS, SPARSE):
        cursor.refuse(f"an array is of class {kind}, which there is not")
    shape = tuple(int(n) for n in cursor.numbers("the dimensions of an array"))
    if not 2 <= len(shape) <= MOST_AXES or min(shape) < 0:
        cursor.refuse(f"an array has the dimensions {shape[:8]}")
    return Header(kind, bits, shape, cursor.text("an array's name"))


def _values(cursor: Cursor, header: Header, depth: int) -> Any:
    """The values of an array, whose header has been read."""
    if depth > DEEPEST:
        cursor.refuse(f"structs and cells lie {depth} deep in each other")
    if header.kind == CELL:
        return _cells(cursor, header, depth)
    if header.kind == STRUCT:
        return _struct(cursor, header, depth)
    if header.kind == SPARSE:
        return _sparse(cursor, header)
    if header.kind == CHARACTERS:
        return _characters(cursor, header)
    dtype = np.dtype(CLASSES[header.kind])
    values = _numbers(cursor, math.prod(header.shape), dtype)
    if header.flags & COMPLEX:
        values = values + 1j * _numbers(cursor, math.prod(header.shape), dtype)
    elif header.flags & LOGICAL:
        values = values != 0
    return values.reshape(header.shape, order="F")


def _numbers(cursor: Cursor, count: int, dtype: np.dtype) -> np.ndarray:
    """The next element as numbers of a type, as many as the dimensions say."""
    stored = cursor.numbers("the values of an array")
    if stored.size != count:
        cursor.refuse(f"an array has {stored.size} values for dimensions of {count}")
    if dtype.kind != "f" and stored.dtype.kind == "f":
        cursor.refuse(f"integers are stored as {stored.dtype.name}")
    return stored.astype(dtype)


def _characters(cursor: Cursor, header: Header) -> np.ndarray:
    """One text for each row of a matrix of characters."""
    count = math.prod(header.shape)
    code, part = cursor.element() if cursor.left else (2, memoryview(b""))
    names = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
    if code not in names:
        cursor.refuse(f"characters are an element of code {code}")
    encoding = names[code]
    if encoding in ("utf-16", "utf-32"):
        encoding += "-le" if cursor.order == "<" else "-be"
    try:
        text = bytes(part).decode(encoding)
    except UnicodeDecodeError:
        cursor.refuse(f"characters are no {encoding}")
    if len(text) != count:
        cursor.refuse(f"{len(text)} characters stand where dimensions say {count}")
    rows = header.shape[0]
    width = count // rows if rows else 0
    if not count:
        return np.array([], dtype="<U1")
    return np.array(["".join(text[k::rows]) for k in range(rows)], dtype=f"<U{width}")


def _nested(cursor: Cursor, depth: int) -> Any:
    """An array inside another; None of a class that is not read."""
    code, part = cursor.element()
    if code != MATRIX:
        cursor.refuse(f"an element of code {code} stands where an array should")
    if not len(part):
        return np.zeros((0, 0))
    inner = cursor.within(part)
    header = read_header(inner)
    if header.kind in UNREAD:
        return None
    return _values(inner, header, depth + 1)


def _count(cursor: Cursor, header: Header, each: int = 1) -> int:
    """The number of arrays inside another, each of which takes 8 bytes at least."""
    count = math.prod(header.shape)
    if 8 * count * each > cursor.left:
        cursor.refuse(f"{header.shape} entries stand in {cursor.left} bytes")
    return count


def _cells(cursor: Cursor, header: Header, depth: int) -> np.ndarray:
    count = _count(cursor, header)
    cells = np.empty(count, dtype=object)
    for k in range(count):
        cells[k] = _nested(cursor, depth)
    return cells.reshape(header.shape, order="F")


def _struct(cursor: Cursor, header: Header, depth: int) -> np.ndarray:
    lengths = cursor.numbers("the length of field names")
    length = int(lengths[0]) if lengths.size == 1 else 0
    raw = cursor.numbers("field names").tobytes()
    if length < 1 or len(raw) % length:
        cursor.refuse(f"field names of {length} bytes stand in {len(raw)}")
    names = [raw[k : k + length].split(b"\0")[0] for k in range(0, len(raw), length)]
    if len(set(names)) < len(names) or not all(n.isascii() and n for n in names):
        cursor.refuse("field names are empty, repeated or no text")
    fields = [n.decode() for n in names]
    count = _count(cursor, header, max(1, len(fields))) if fields else math.prod(header.shape)
    if not fields:
        return np.zeros((0, 0), dtype=object)
    table = np.empty(count, dtype=[(n, object) for n in fields])
    for k in range(count):
        for name in fields:
            table[name][k] = _nested(cursor, depth)
    return table.reshape(header.shape, order="F")


def _sparse(cursor: Cursor, header: Header) -> Any:
    from scipy.sparse import csc_matrix

    rows = cursor.numbers("the rows of a sparse matrix").astype(np.int64)
    starts = cursor.numbers("the columns of a sparse matrix").astype(np.int64)
    if len(header.shape) != 2 or len(starts) != header.shape[1] + 1:
        cursor.refuse(f"a sparse matrix of {header.shape} has {len(starts) - 1} columns")
    count = int(starts[-1])
    if starts[0] != 0 or (np.diff(starts) < 0).any() or not 0 <= count <= len(rows):
        cursor.refuse("the columns of a sparse matrix are out of order")
    rows = rows[:count]
    if count and not 0 <= rows.min() <= rows.max() < header.shape[0]:
        cursor.refuse("a sparse matrix names rows that it has not")
    values = _stored(cursor, count)
    if header.flags & COMPLEX:
        values = values + 1j * _stored(cursor, count)
    elif header.flags & LOGICAL:
        values = values != 0
    return csc_matrix((values, rows, starts), shape=header.shape)


def _stored(cursor: Cursor, count: int) -> np.ndarray:
    """The values of a sparse matrix, beyond which room may be reserved."""
    values = cursor.numbers("the values of a sparse matrix")
    if len(values) < count:
        cursor.refuse(f"a sparse matrix has {len(values)} values for {count} rows")
    return values[:count].astype(np.float64)
