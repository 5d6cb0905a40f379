"""The place of an ENVI image on a map: its `map info` as a transform, and a transform as it.

map info = {projection, column, row, x, y, width, height, ...}: the corner (1, 1) is the upper left
one of the image, and the place (column, row) lies at (x, y) of the map. A keyword `rotation` turns
the image, in degrees counterclockwise (ENVI's header format; signs as in GDAL's envidataset.cpp).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inverse_inr.io.files import FileFormatError, PathLike
from inverse_inr.io.maps.georeference import CRS, TRANSFORM, Transform

MAP_INFO = "map info"
WKT = "coordinate system string"


def map_of(fields: Mapping[str, str], path: Path) -> dict[str, Any]:
    """Read the place on a map from the fields of a header.

    Args:
        fields: The header's fields.
        path: The header, for messages.

    Returns:
        "transform" and "crs", as far as the header says them.

    Raises:
        FileFormatError: `map info` is damaged.
    """
    found: dict[str, Any] = {}
    text = fields.get(MAP_INFO, "")
    words = [word.strip() for word in text.split(",")]
    if text:
        try:
            column, row, x, y, width, height = (float(word) for word in words[1:7])
        except ValueError:
            raise FileFormatError(
                f"{path}: map info = {{{text}}} must hold a projection and six numbers."
            ) from None
        angle = -math.radians(_rotation(words))
        cos, sin = (1.0, 0.0) if angle == 0 else (math.cos(angle), math.sin(angle))
        a, b, d, e = cos * width, -sin * width, -sin * height, -cos * height
        c = x - ((column - 1) * a + (row - 1) * b)
        f = y - ((column - 1) * d + (row - 1) * e)
        found[TRANSFORM] = [a, b + 0.0, c, d + 0.0, e, f]
    system = fields.get(WKT) or _utm(words)
    if system:
        found[CRS] = system
    return found


def _rotation(words: list[str]) -> float:
    for word in words[7:]:
        name, _, value = word.partition("=")
        if name.strip().lower() == "rotation":
            return float(value)
    return 0.0


def _utm(words: list[str]) -> str:
    """The code of a zone of UTM on WGS-84; "" for anything else, which names alone do not tell."""
    if len(words) < 10 or words[0].upper() != "UTM" or words[9].upper() not in ("WGS-84", "WGS84"):
        return ""
    south = words[8].lower().startswith("s")
    return f"EPSG:{(32700 if south else 32600) + int(words[7])}"


def fields_of(
    metadata: Mapping[str, Any], transform: Transform | None, path: PathLike
) -> dict[str, str]:
    """Make the fields of a header that place an image on a map.

    Args:
        metadata: Of the grid.
        transform: From pixel corners to the map; None for none.
        path: The header to write, for messages.

    Returns:
        Values by name, in braces; a `map info` that was read is kept word by word while it holds.

    Raises:
        ValueError: The transform is sheared or turned, which `map info` cannot say of a new
            lattice.
    """
    fields = {}
    old = metadata.get("header", {}).get(MAP_INFO)
    if transform is not None:
        if old and map_of({MAP_INFO: old}, Path(path))[TRANSFORM] == list(transform):
            fields[MAP_INFO] = f"{{{old}}}"
        else:
            fields[MAP_INFO] = _new(transform, old, metadata.get(CRS, ""), path)
    system = metadata.get(CRS, "")
    if system and not re.fullmatch(r"EPSG:\d+", system):
        fields[WKT] = f"{{{_one_line(system)}}}"
    return fields


def _new(transform: Transform, old: str | None, system: str, path: PathLike) -> str:
    a, b, c, d, e, f = transform
    if b or d or not (a > 0 > e):
        raise ValueError(
            f"{path}: ENVI's map info holds columns to the east and rows to the south, not the "
            f"transform {transform}. Write .tif, which holds any."
        )
    before, after = _frame(old, system)
    numbers = ["1", "1", *(repr(float(v)) for v in (c, f, a, -e))]
    return "{" + ", ".join([before, *numbers, *after]) + "}"


def _frame(old: str | None, system: str) -> tuple[str, list[str]]:
    """The words of map info before and after its numbers."""
    if old:
        words = [word.strip() for word in old.split(",")]
        return words[0], words[7:]
    zone = re.search(r"EPSG:(326|327)(\d\d)$", system) or re.search(
        r'AUTHORITY\["EPSG","(326|327)(\d\d)"\]\]$|ID\["EPSG",(326|327)(\d\d)\]\]$', system
    )
    if zone:
        hemisphere, number = [group for group in zone.groups() if group]
        side = "South" if hemisphere == "327" else "North"
        return "UTM", [str(int(number)), side, "WGS-84", "units=Meters"]
    if re.match(r"\s*GEOG", system):
        return "Geographic Lat/Lon", ["WGS-84", "units=Degrees"] if "WGS" in system else []
    return "Arbitrary", []


def _one_line(text: str) -> str:
    return " ".join(text.replace("{", "").replace("}", "").split())
