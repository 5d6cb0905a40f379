"""Sizes that headers claim, compared with what their file can hold and with the memory at hand.

A damaged header may ask for any size. Readers call `check_claim` before they allocate anything.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

from inverse_inr.io.files import FileFormatError, PathLike

DEFLATE = 1040.0
"""The most bytes that a byte of deflate (gzip, zlib, PNG, ZIP) can stand for: 1032, and slack."""
ANY_RATIO = math.inf
"""For compressions that have no largest ratio worth a check, as bzip2 and JPEG."""
FLOAT = 4
"""Bytes of a value as the readers return it, float32."""


def memory_at_hand() -> int | None:
    """Bytes that can be allocated without swapping, as the system and its container say.

    Returns:
        Free memory and what the system would give up for it; None where the system does not say.
    """
    found = []
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                found.append(1024 * int(line.split()[1]))
        group = Path("/sys/fs/cgroup")
        limit = (group / "memory.max").read_text().strip()
        if limit != "max":
            found.append(int(limit) - int((group / "memory.current").read_text()))
    except (OSError, ValueError, IndexError):
        pass
    if not found and hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return max(0, min(found)) if found else None


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
    free = memory_at_hand()
    wanted = needed + count * FLOAT
    if free is not None and wanted > free:
        raise MemoryError(
            f"{path}: {_words(sizes)} need {in_words(wanted)}, and {in_words(free)} of memory "
            "are at hand. Read a part of it, or bin it first."
        )
    return needed


def _words(sizes: Sequence[int]) -> str:
    return " x ".join(map(str, sizes)) + " values"


def in_words(count: float) -> str:
    """A number of bytes as people write it.

    Args:
        count: The number of bytes.

    Returns:
        "812 bytes", "1.5 MiB", "111 GiB".
    """
    for power, unit in ((4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")):
        if count >= 1024**power:
            return f"{count / 1024**power:.3g} {unit}"
    return f"{count:g} bytes"
