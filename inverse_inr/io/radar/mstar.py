"""MSTAR-style target chips: a Phoenix text header, then moduli, then phases, big-endian float32."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from inverse_inr.io.files import FileFormatError, PathLike, describe, existing_file
from inverse_inr.ranges import checked

EXPECTED = "an MSTAR chip (Phoenix header, moduli, phases)"
"""The kind of file that is read, for messages."""


class Chip(NamedTuple):
    """A small radar image of one target, with its header."""

    image: Tensor
    """(rows, columns) complex64: modulus · exp(j phase)."""
    header: dict[str, str]
    """Every field of the header by name: TargetAz, MeasuredDepression, RangePixelSpacing ..."""

    @checked
    def number(self, name: str) -> float:
        """Read a field of the header as a number.

        Args:
            name: The field.

        Returns:
            The number in the file's unit, degrees or metres.

        Raises:
            KeyError: There is no such field; the message lists those that there are.
        """
        if name not in self.header:
            raise KeyError(
                f"The chip's header has no {name!r}; it has {', '.join(sorted(self.header))}."
            )
        return float(self.header[name].split()[0])


@checked
def read_mstar(path: PathLike) -> Chip:
    """Read a chip and its header.

    Args:
        path: The file.

    Returns:
        The chip.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is of another kind, truncated, or a full scene.
    """
    file = existing_file(path, EXPECTED)
    content = file.read_bytes()
    header = _header(content)
    sizes = [header.get(k, "") for k in ("PhoenixHeaderLength", "NumberOfRows", "NumberOfColumns")]
    native = header.get("native_header_length", "") or "0"
    if not all(_is_number(s) for s in (*sizes, native)):
        raise FileFormatError(
            f"{file}: expected {EXPECTED}, found {describe(file)}: no Phoenix header with sizes."
        )
    start, rows, columns = map(int, sizes)
    if not rows * columns:
        raise FileFormatError(f"{file}: its header says {rows} x {columns} pixels.")
    if int(native):
        raise FileFormatError(
            f"{file}: a native header follows: a full scene of integers, not a chip. "
            "Cut chips first."
        )
    needed = start + 8 * rows * columns
    if len(content) < needed:
        raise FileFormatError(
            f"{file}: {len(content)} bytes; "
            f"a header of {start} and {rows} x {columns} moduli and phases need {needed}. "
            "A truncated copy, or moduli alone?"
        )
    numbers = np.frombuffer(content, ">f4", 2 * rows * columns, start)
    modulus, phase = numbers.reshape(2, rows, columns)
    with np.errstate(invalid="ignore", over="ignore"):  # a NaN in the file is one in the image
        image = (modulus * np.exp(1j * phase.astype(np.float64))).astype(np.complex64)
    return Chip(torch.from_numpy(image), header)


def _is_number(text: str) -> bool:
    """Whether a text is a whole number of moderate size."""
    return text.isascii() and text.isdigit() and len(text) < 16


def _header(content: bytes) -> dict[str, str]:
    end = content.find(b"[EndofPhoenixHeader]")
    if end < 0 or b"[PhoenixHeaderVer" not in content[:end]:
        return {}
    lines = content[:end].decode("latin-1").splitlines()
    found = (re.match(r"\s*(\w+)\s*=\s*(.*?)\s*$", line) for line in lines)
    return {m[1]: m[2] for m in found if m}
