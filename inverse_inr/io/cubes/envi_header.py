"""ENVI headers: text fields by name, as numbers, and the layout of the raw values beside them.

A header is lines "name = value"; a value in braces may run over several lines. Names are not
case-sensitive. Lines that begin with a semicolon are comments.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from inverse_inr.io.files import FileFormatError

TYPES = {
    1: "u1",
    2: "i2",
    3: "i4",
    4: "f4",
    5: "f8",
    6: "c8",
    9: "c16",
    12: "u2",
    13: "u4",
    14: "i8",
    15: "u8",
}
"""Types of the raw values, by ENVI's codes."""

LAYOUTS = {"bsq": (2, 0, 1), "bil": (0, 2, 1), "bip": (0, 1, 2)}
"""The order in which lines (0), samples (1) and bands (2) are stored, by interleave."""

OTHER_KINDS = ("spectral library", "classification", "meta")
"""Words of a file type that is no image of spectra in one raw file."""


def read_header(path: Path) -> dict[str, str]:
    """Read the fields of a header.

    Args:
        path: The header.

    Returns:
        Values by name in lower case, without the braces.

    Raises:
        FileFormatError: The file is no ENVI header, or a brace is not closed.
    """
    text = path.read_bytes()[: 2**26].decode("utf-8-sig", errors="replace")
    if not text.lstrip().upper().startswith("ENVI"):
        raise FileFormatError(
            f"{path}: expected an ENVI header, whose first line is ENVI; found {text[:40]!r}."
        )
    lines = iter(text.splitlines()[1:])
    fields: dict[str, str] = {}
    for line in lines:
        if line.lstrip().startswith(";") or "=" not in line:
            continue
        name, _, value = line.partition("=")
        value = value.strip()
        if value.startswith("{"):
            parts = [value]
            while "}" not in parts[-1]:
                more = next(lines, None)
                if more is None:
                    raise FileFormatError(f"{path}: the brace of {name.strip()!r} is not closed.")
                parts.append(more)
            value = " ".join(parts).strip()[1:].rpartition("}")[0].strip()
        fields[" ".join(name.lower().split())] = value
    return fields


def number(fields: Mapping[str, str], name: str, path: Path, default: int | None = None) -> int:
    """Return a whole number that is not negative.

    Args:
        fields: Of the header.
        name: The field's name.
        path: The header, for messages.
        default: What a missing field means; None where it must be there.

    Raises:
        FileFormatError: The field is missing, or holds another thing.
    """
    if name not in fields:
        if default is not None:
            return default
        raise FileFormatError(f"{path}: the ENVI header has no {name!r}.")
    text = fields[name]
    if not text.isascii() or not text.isdigit():
        raise FileFormatError(f"{path}: {name} = {text!r} must be a whole number, 0 or more.")
    return int(text)


def numbers(fields: Mapping[str, str], name: str, path: Path, count: int) -> np.ndarray | None:
    """Return one number for each band, or None where the field is missing or empty.

    Args:
        fields: Of the header.
        name: The field's name.
        path: The header, for messages.
        count: The number of bands.

    Raises:
        FileFormatError: There are more or fewer, or one is no number.
    """
    words = fields.get(name, "").replace(",", " ").split()
    if not words:
        return None
    try:
        values = np.array([float(word) for word in words])
    except ValueError:
        raise FileFormatError(f"{path}: {name} holds {words[:3]}..., not numbers.") from None
    if len(values) != count:
        raise FileFormatError(f"{path}: {name} has {len(values)} numbers for {count} bands.")
    return values


def raw_type(fields: Mapping[str, str], path: Path) -> tuple[np.dtype, str]:
    """Return the type of the raw values with its byte order, and a note on what was assumed.

    Args:
        fields: Of the header.
        path: The header, for messages.

    Raises:
        FileFormatError: The type or the byte order is unknown.
    """
    code = number(fields, "data type", path)
    if code not in TYPES:
        known = ", ".join(f"{k} ({np.dtype(v).name})" for k, v in TYPES.items())
        raise FileFormatError(f"{path}: data type = {code}; ENVI has {known}.")
    order = number(fields, "byte order", path, 0)
    if order > 1:
        raise FileFormatError(f"{path}: byte order = {order}; 0 is little endian, 1 is big endian.")
    dtype = np.dtype(TYPES[code])
    note = ""
    if "byte order" not in fields and dtype.itemsize > 1:
        note = "not in the header: little endian assumed"
    if order == 1:
        return dtype.newbyteorder(">"), note
    return dtype.newbyteorder("<"), note


def check_kind(fields: Mapping[str, str], path: Path) -> None:
    """Refuse what an ENVI header may also describe: libraries, classes, packed or padded frames.

    Args:
        fields: Of the header.
        path: The header, for messages.

    Raises:
        FileFormatError: It is not the plain image of a cube.
    """
    kind = fields.get("file type", "").lower()
    if any(word in kind for word in OTHER_KINDS):
        raise FileFormatError(
            f"{path}: file type = {fields['file type']}; expected an image of spectra."
        )
    if fields.get("file compression", "0") not in ("", "0"):
        raise FileFormatError(
            f"{path}: the raw values are compressed (file compression = "
            f"{fields['file compression']}). Unpack them with gunzip, and set it to 0."
        )
    for name in ("major frame offsets", "minor frame offsets"):
        padding = fields.get(name, "").replace(",", " ").split()
        if any(word.strip("0.") for word in padding):
            raise FileFormatError(
                f"{path}: {name} = {fields[name]}: frames with padding are not read."
            )
