"""Data elements of a MATLAB file of version 5: tags, sizes, numbers and compressed parts."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np

from inverse_inr.io.files import FileFormatError
from inverse_inr.io.sizes import DEFLATE, check_claim

NUMBERS = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
    16: "u1",  # UTF-8
    17: "u2",  # UTF-16
    18: "u4",  # UTF-32
}
"""numpy's types of the elements that hold numbers, without the byte order, by their code."""
MATRIX = 14
"""The code of an element that is an array with its name and dimensions."""
COMPRESSED = 15
"""The code of an element that is another one, compressed."""
PEEK = 2**12
"""Bytes of a compressed element that are enough for an array's name and dimensions."""


@dataclass
class Cursor:
    """A place in bytes, which never leaves them.

    Args:
        path: The file, for messages.
        order: "<" or ">", the byte order.
        data: The bytes.
        at: The place.
    """

    path: Path
    order: str
    data: memoryview
    at: int = 0

    @property
    def left(self) -> int:
        """Bytes from the place to the end."""
        return len(self.data) - self.at

    def refuse(self, reason: str) -> NoReturn:
        """Raise the error that a damaged file ends in.

        Args:
            reason: What is wrong, a clause.

        Raises:
            FileFormatError: Always.
        """
        raise FileFormatError(
            f"{self.path}: expected a MATLAB file, found one in which {reason}. "
            "A truncated or damaged copy?"
        )

    def take(self, count: int) -> memoryview:
        """Go on by some bytes.

        Args:
            count: The number of bytes.

        Returns:
            The bytes.

        Raises:
            FileFormatError: There are fewer.
        """
        if not 0 <= count <= self.left:
            self.refuse(f"an element claims {count} bytes where {self.left} are left")
        part = self.data[self.at : self.at + count]
        self.at += count
        return part

    def element(self) -> tuple[int, memoryview]:
        """Read the next element.

        Returns:
            Its code, and the bytes that it holds.

        Raises:
            FileFormatError: It is longer than what is left.
        """
        words = np.frombuffer(self.take(8), self.order + "u4")
        code, count = int(words[0]), int(words[1])
        if code >> 16:  # a small element: code and size share four bytes, the data follow
            small = code >> 16
            if small > 4:
                self.refuse(f"a small element claims {small} bytes where 4 are possible")
            return code & 0xFFFF, self.data[self.at - 4 : self.at - 4 + small]
        part = self.take(count)
        if code != COMPRESSED:
            self.at += min(-count % 8, self.left)
        return code, part

    def numbers(self, what: str) -> np.ndarray:
        """Read an element of numbers.

        Args:
            what: What it should be, for messages: "dimensions".

        Returns:
            (n,) in the type of the file, a view of its bytes.

        Raises:
            FileFormatError: The element is of another kind, or no whole number of numbers long.
        """
        code, part = self.element()
        if code not in NUMBERS:
            self.refuse(f"{what} are an element of code {code}, which is not one of numbers")
        dtype = np.dtype(self.order + NUMBERS[code])
        if len(part) % dtype.itemsize:
            self.refuse(f"{what} have {len(part)} bytes for numbers of {dtype.itemsize}")
        return np.frombuffer(part, dtype)

    def text(self, what: str) -> str:
        """Read an element of characters, as names are.

        Args:
            what: What it should be, for messages.

        Returns:
            The text up to its first zero.

        Raises:
            FileFormatError: It is no text.
        """
        raw = self.numbers(what).tobytes().split(b"\0")[0]
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            self.refuse(f"{what} {raw[:20]!r} are no text")

    def within(self, part: memoryview) -> Cursor:
        """A cursor at the beginning of a part of these bytes.

        Args:
            part: The part.

        Returns:
            The cursor.
        """
        return Cursor(self.path, self.order, part)


def beginning(cursor: Cursor, part: memoryview) -> memoryview:
    """Decompress the first bytes of a compressed element: its tag, and its array's name.

    Args:
        cursor: A cursor of the file, for messages.
        part: The compressed bytes.

    Returns:
        At most `PEEK` bytes.

    Raises:
        FileFormatError: They cannot be decompressed.
    """
    try:
        return memoryview(zlib.decompressobj().decompress(part, PEEK))
    except zlib.error as error:
        cursor.refuse(f"a compressed part cannot be read ({error})")


def decompressed(cursor: Cursor, part: memoryview) -> memoryview:
    """Decompress an element whose own tag says how long it is.

    Args:
        cursor: A cursor of the file, for messages.
        part: The compressed bytes.

    Returns:
        The element, with its tag.

    Raises:
        FileFormatError: It is longer or shorter than its tag says, or its checksum is wrong.
        MemoryError: It is larger than the memory at hand.
    """
    inner = cursor.within(beginning(cursor, part))
    size = 8 + int(np.frombuffer(inner.take(8), cursor.order + "u4")[1])
    check_claim(cursor.path, (size,), 1, held=len(part), ratio=DEFLATE)
    unpack = zlib.decompressobj()
    try:
        whole = unpack.decompress(part, size)
        rest = unpack.decompress(unpack.unconsumed_tail, 8)
    except zlib.error as error:
        cursor.refuse(f"a compressed part cannot be read ({error})")
    if len(whole) < size or len(rest) >= 8 or not unpack.eof:
        cursor.refuse(f"a compressed part does not hold the {size} bytes that it claims")
    return memoryview(whole)
