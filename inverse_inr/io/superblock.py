"""The superblock of HDF5: whether a file goes on after the end that it names.

The library reads such files, and on some damaged ones it never returns.
"""

from __future__ import annotations

from pathlib import Path

SIGNATURE = b"\x89HDF\r\n\x1a\n"
"""The first bytes of a superblock."""
FARTHEST = 2**20
"""Bytes before a superblock that are looked through: those of another format, such as MATLAB's."""


def goes_on_after_its_end(path: Path) -> bool:
    """Tell whether a file is longer than its superblock says.

    Args:
        path: An existing file.

    Returns:
        True if there are bytes behind the end of HDF5's own; False for another format too. A file
        that ends too early is the library's own to refuse.

    Source:
        HDF5 File Format Specification, version 3, II.A.
    """
    size = path.stat().st_size
    block = _superblock(path, size)
    if block is None:
        return False
    version = block[8]
    width, place = block[9], 12
    if version < 2:
        width, place = block[13], 24 + 4 * version
    if width != 8:
        return False
    start, end = (int.from_bytes(block[k : k + 8], "little") for k in (place, place + 16))
    # some writers count the end from the start of the file, some from that of HDF5
    return size > end and size != start + end


def _superblock(path: Path, size: int) -> bytes | None:
    """The first bytes of the superblock, which stands at 0, 512, 1024, 2048 ..."""
    start = 0
    with path.open("rb") as file:
        while start < min(size, FARTHEST):
            file.seek(start)
            block = file.read(64)
            if block.startswith(SIGNATURE) and len(block) == 64:
                return block
            start = 2 * start or 512
    return None
