"""Stacks of TIFF projections, a file a view or many pages a file, of which only some rows are read.

Samples are integers of 8 to 32 bits, signed or not, or floats, in either byte order.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inverse_inr.io.files import FileFormatError, PathLike, existing_file, reading
from inverse_inr.io.scans.record import row_slice
from inverse_inr.memory import require

SUFFIXES = (".tif", ".tiff")
"""The suffixes of TIFF files, in lower case."""
EXPECTED = "grey TIFF projections"
"""The kind of file that is read, for messages."""
DAMAGE = re.compile("page offset|reshape|required tags|data offset|Offsets|ByteCounts|truncated")
"""Words in what tifffile writes to its log, instead of raising, where pages are lost."""
MOST_COMPRESSED = 1100
"""Bytes of image that one byte of a file may stand for: more is no file but a wrong header."""


@dataclass(frozen=True, eq=False)
class TiffStack:
    """Pages of TIFF files in the order of their names.

    Args:
        frames: (pages, rows, columns) in the file's type, in native byte order.
        rows: The number of rows that a whole page has.
        notes: What the names of the files tell, by topic.
    """

    frames: np.ndarray
    rows: int
    notes: dict[str, str]

    @property
    def ceiling(self) -> float:
        """The largest number that the samples can hold; infinity for floating point."""
        if self.frames.dtype.kind in "iu":
            return float(np.iinfo(self.frames.dtype).max)
        return math.inf


def is_tiff(path: PathLike) -> bool:
    """Whether a path means TIFF files: a folder, a pattern with "*", or a file of that suffix."""
    path = Path(path)
    return path.is_dir() or "*" in path.name or path.suffix.lower() in SUFFIXES


def read_tiff_stack(path: PathLike, rows: int | slice | None) -> TiffStack:
    """Read some rows of all pages.

    Args:
        path: A file, a folder, or a pattern such as "scan/proj_*.tif". Files are sorted as people
            count: 2 before 10.
        rows: The detector rows; a single one keeps its axis. None for all.

    Returns:
        The stack.

    Raises:
        FileNotFoundError: There is no such file or folder, or none in it is TIFF.
        FileFormatError: A file is damaged, holds colour, or is unlike the first.
        ValueError: There are no such rows.
    """
    files, notes = _files(Path(path))
    parts: list[np.ndarray] = []
    first: tuple[tuple[int, ...], np.dtype[Any]] | None = None
    for file in files:
        with reading(file, EXPECTED, ("TIFF",)) as name:
            pages, shape, dtype = _pages(name, None)
        if first is None:
            first = (shape, dtype)
        if (shape, dtype) != first:
            raise FileFormatError(
                f"{file}: a frame of shape {shape} and type {dtype}; {files[0].name} has "
                f"{first[0]} and {first[1]}. Another scan, or a flat field among the projections?"
            )
        selection = row_slice(rows, shape[0], path)
        with reading(file, EXPECTED, ("TIFF",)) as name:
            pages, _, _ = _pages(name, selection)
        parts.append(pages)
    assert first is not None
    return TiffStack(np.concatenate(parts), first[0][0], notes)


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Make the key by which people sort names: runs of digits count as numbers."""
    parts = re.split(r"(\d+)", name)
    return [(1, int(p), "") if p.isdigit() else (0, 0, p.lower()) for p in parts if p]


def _files(path: Path) -> tuple[list[Path], dict[str, str]]:
    notes: dict[str, str] = {}
    if not path.is_dir() and "*" not in path.name:
        return [existing_file(path, EXPECTED)], notes
    folder, pattern = (path, "*") if path.is_dir() else (path.parent, path.name)
    if not folder.is_dir():
        raise FileNotFoundError(f"{path}: the folder {folder} does not exist.")
    found = [p for p in folder.glob(pattern) if p.is_file() and p.suffix.lower() in SUFFIXES]
    if not found:
        raise FileNotFoundError(f"{path}: expected {EXPECTED}; there is no TIFF file.")
    files = sorted(found, key=lambda p: natural_key(p.name))
    kinds = {re.sub(r"\d+", "#", p.stem) for p in files}
    if len(kinds) > 1:
        named = ", ".join(sorted(kinds)[:6])
        raise FileFormatError(
            f"{path}: the files have {len(kinds)} kinds of names ({named}): flat and dark fields "
            f"among the projections? Name one kind: path='{folder}/NAME_*.tif', white=, dark=."
        )
    numbers = [int(runs[-1]) for p in files if (runs := re.findall(r"\d+", p.stem))]
    steps = np.diff(numbers)
    if len(steps) and len(set(steps.tolist())) > 1:
        step = int(np.bincount(steps).argmax())
        missing = sorted(set(range(numbers[0], numbers[-1], max(step, 1))) - set(numbers))
        if missing:
            notes["missing frames"] = (
                f"{len(missing)} of the numbered files are not there, the first {missing[0]}"
            )
    return files, notes


def _pages(path: Path, rows: slice | None) -> tuple[np.ndarray, tuple[int, ...], np.dtype[Any]]:
    """Rows of all pages of a file, the shape of a page and its type; None reads no samples."""
    import tifffile

    with _complaints() as complaints, tifffile.TiffFile(path) as tiff:
        series = tiff.series[0]
        page: Any = tiff.pages[0]
        shape = tuple(int(n) for n in page.shape)
        dtype = np.dtype(page.dtype or "V1")
        _check(path, page, series, shape, dtype)
        damage = [text for text in complaints if DAMAGE.search(text)]
        if damage:
            reason = re.sub("<.*?> ", "", damage[0])
            raise FileFormatError(
                f"{path}: pages are missing or damaged ({reason}). A truncated copy?"
            )
        if rows is None:
            return np.empty(0), shape, dtype
        picked = len(range(*rows.indices(shape[0])))
        require(
            f"{path}: {picked} of {shape[0]} rows of its pages",
            series.size * dtype.itemsize * picked / shape[0],
            "rows= reads some of them.",
        )
        if series.dataoffset is not None:  # one block of samples, as ImageJ writes large stacks
            stored = _stored(dtype, tiff.byteorder)
            count = math.prod(series.shape) // math.prod(shape)
            block = np.memmap(path, stored, "r", series.dataoffset, (count, *shape))
            return np.array(block[:, rows], dtype=dtype), shape, dtype
        frames = [_page_rows(path, one, rows, tiff.byteorder, shape, dtype) for one in series.pages]
    return np.stack(frames), shape, dtype


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """Collect what tifffile writes to its log meanwhile, in place of writing it."""
    said: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    log = logging.getLogger("tifffile")
    keep = Keep()
    spread = log.propagate
    log.addHandler(keep)
    log.propagate = False
    try:
        yield said
    finally:
        log.removeHandler(keep)
        log.propagate = spread


def _stored(dtype: np.dtype[Any], order: str) -> np.dtype[Any]:
    """The type in the file's byte order."""
    return dtype.newbyteorder(">" if order == ">" else "<")


def _page_rows(
    path: Path,
    page: Any,
    rows: slice,
    order: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
) -> np.ndarray:
    if page is None or tuple(page.shape) != shape or np.dtype(page.dtype) != dtype:
        raise FileFormatError(f"{path}: its pages have different shapes or types.")
    if page.is_memmappable:
        whole = np.memmap(path, _stored(dtype, order), "r", page.dataoffsets[0], shape)
        return np.array(whole[rows], dtype=dtype)
    return np.asarray(page.asarray())[rows]


def _check(
    path: Path, page: Any, series: Any, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> None:
    if len(shape) != 2 or page.photometric.name not in ("MINISBLACK", "MINISWHITE"):
        raise FileFormatError(
            f"{path}: expected {EXPECTED}, found {page.photometric.name} of shape {shape}."
        )
    if dtype.kind not in "iuf":
        raise FileFormatError(f"{path}: expected {EXPECTED}, found samples of type {dtype}.")
    if page.photometric.name == "MINISWHITE":
        raise FileFormatError(
            f"{path}: larger samples mean darker (MINISWHITE): not counts. Invert them first."
        )
    size = path.stat().st_size
    if series.size * dtype.itemsize > MOST_COMPRESSED * size:
        raise FileFormatError(
            f"{path}: its header claims {series.size * dtype.itemsize / 2**30:.3g} GiB in a file "
            f"of {size} bytes. A damaged copy?"
        )
