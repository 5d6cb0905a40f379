"""Shared by the tests of cubes: an ENVI file of any layout, written field by field."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

CODES = {
    "u1": 1,
    "i2": 2,
    "i4": 3,
    "f4": 4,
    "f8": 5,
    "c8": 6,
    "c16": 9,
    "u2": 12,
    "u4": 13,
    "i8": 14,
    "u8": 15,
}
ORDERS = {"bsq": (2, 0, 1), "bil": (0, 2, 1), "bip": (0, 1, 2)}


def envi_file(
    path: Path,
    cube: np.ndarray,
    fields: Mapping[str, str | None] | None = None,
    *,
    kind: str = "f4",
    interleave: str = "bsq",
    big: bool = False,
    offset: int = 0,
    data: str = ".img",
) -> Path:
    """Write a cube (lines, samples, bands) and its header; a field of None is left out."""
    lines, samples, bands = cube.shape
    header: dict[str, str | None] = {
        "samples": str(samples),
        "lines": str(lines),
        "bands": str(bands),
        "header offset": str(offset),
        "file type": "ENVI Standard",
        "data type": str(CODES[kind]),
        "interleave": interleave,
        "byte order": str(int(big)),
    }
    header |= fields or {}
    path.write_text("ENVI\n" + "".join(f"{k} = {v}\n" for k, v in header.items() if v is not None))
    stored = np.ascontiguousarray(cube.transpose(ORDERS[interleave]))
    raw = stored.astype(np.dtype(kind).newbyteorder("><"[not big])).tobytes()
    path.with_suffix(data).write_bytes(b"\7" * offset + raw)
    return path


def listed(values: object) -> str:
    """Numbers in braces."""
    return "{" + ", ".join(f"{float(v):.10g}" for v in np.asarray(values).reshape(-1)) + "}"
