"""Sizes that headers claim, compared with what their file can hold and with the memory at hand.

A damaged header may ask for any size. Readers call `check_claim` before they allocate anything.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from inverse_inr.io.files import FileFormatError, PathLike
from inverse_inr.memory import in_words, require

DEFLATE = 1040.0
"""The most bytes that a byte of deflate (gzip, zlib, PNG, ZIP) can stand for: 1032, and slack."""
ANY_RATIO = math.inf
"""For compressions that have no largest ratio worth a check, as bzip2 and JPEG."""
FLOAT = 4
"""Bytes of a value as the readers return it, float32."""


def check_claim(
    path: PathLike,
    shape: Sequence[int],
    itemsize: float,
    *,
    held: int | None = None,
    ratio: float = 1.0,
) -> int:
    """Refuse an array that its file cannot hold, or the memory cannot, before it is allocated.

    Args:
        path: The file, for the message.
        shape: The size along each axis that the header claims.
        itemsize: Bytes per number in the file, a fraction where numbers are bits.
        held: Bytes in the file that can belong to the array; default: all of them.
        ratio: The most bytes that one stored byte can stand for: 1 without compression, `DEFLATE`,
            or `ANY_RATIO`.

    Returns:
        The bytes of the array as it lies uncompressed in the file.

    Raises:
        FileFormatError: A size is negative, or the file is too small for the array.
        MemoryError: The array is larger than the memory at hand.
    """
    sizes = [int(n) for n in shape]
    if any(n < 0 for n in sizes):
        raise FileFormatError(f"{path}: the header claims the shape {tuple(sizes)}. Damaged?")
    count = math.prod(sizes)
    needed = math.ceil(count * itemsize)
    if held is None:
        held = Path(path).stat().st_size
    if needed > held * ratio:
        compressed = " even compressed" if ratio > 1 else ""
        raise FileFormatError(
            f"{path}: expected {_words(sizes)} of {in_words(needed)}, as its header claims, found "
            f"{in_words(held)}, too few{compressed}. A truncated file, or a damaged header?"
        ) from None
    require(f"{path}: reading {_words(sizes)}", needed + count * FLOAT, "Read a part of it.")
    return needed


def _words(sizes: Sequence[int]) -> str:
    return " x ".join(map(str, sizes)) + " values"
