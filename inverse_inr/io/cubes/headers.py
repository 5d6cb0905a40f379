"""What a cube's file says besides its values and wavelengths: kept as metadata, and given back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from inverse_inr.domain import Grid
from inverse_inr.io.maps.envi_map import MAP_INFO, WKT, map_of

FORMAT = "ENVI"
OF_THE_OLD_VALUES = frozenset(
    [
        "samples",
        "lines",
        "bands",
        "header offset",
        "file type",
        "data type",
        "interleave",
        "byte order",
        "file compression",
        "major frame offsets",
        "minor frame offsets",
        "wavelength",
        "wavelength units",
        "fwhm",
        "data ignore value",
        "data gain values",
        "data offset values",
        "reflectance scale factor",
        "data units",
        "data reflectance gain values",
        "data reflectance offset values",
    ]
)
"""Fields of a header that say how the old values are stored; writers say them anew."""
NO_LISTS = (MAP_INFO, WKT, "description", "default bands", "projection info", "pixel size")
"""Fields whose number of entries is not that of the bands, even where the two are equal."""
SAME = 1e-9
"""Wavelengths that differ by less, as a fraction, are the same bands."""


def metadata_of_header(fields: Mapping[str, str], count: int, path: Path) -> dict[str, Any]:
    """Keep what an ENVI header says besides the values.

    Args:
        fields: The header's fields.
        count: The number of bands.
        path: The header, for messages.

    Returns:
        The other fields as "header", those with an entry for each band as "bands" in the file's
        order, and the place on a map.

    Raises:
        FileFormatError: The place on a map is damaged.
    """
    header = {}
    bands: list[dict[str, str]] = [{} for _ in range(count)]
    for name, text in fields.items():
        if name in OF_THE_OLD_VALUES:
            continue
        entries = [entry.strip() for entry in text.split(",")]
        if count > 1 and len(entries) == count and name not in NO_LISTS:
            for band, entry in zip(bands, entries, strict=True):
                band[name] = entry
        else:
            header[name] = text
    return {"format": FORMAT, "header": header, "bands": bands, **map_of(fields, path)}


def metadata_of_bands(
    metadata: Mapping[str, Any],
    kept: np.ndarray,
    nm: np.ndarray | None,
    fwhm: np.ndarray | None,
) -> dict[str, Any]:
    """Choose and sort what metadata say of the bands, as the values of the bands were.

    Args:
        metadata: Of the file, in its order of the bands.
        kept: (L,) numbers of the bands in the order of the values.
        nm: (L,) their wavelengths in nm, if known.
        fwhm: (L,) their widths in nm, if known.
    """
    found = dict(metadata)
    if len(found.get("bands", ())):
        found["bands"] = [found["bands"][k] for k in kept]
    shown = found.get("header", {}).get("default bands", "")
    words = [word.strip() for word in shown.split(",")]
    if shown:
        places = {str(int(k) + 1): str(place + 1) for place, k in enumerate(kept)}
        header = {k: v for k, v in found["header"].items() if k != "default bands"}
        if all(word in places for word in words):
            header["default bands"] = ", ".join(places[word] for word in words)
        found["header"] = header
    if nm is not None:
        found["nm"] = nm.tolist()
    if fwhm is not None:
        found["fwhm"] = fwhm.tolist()
    return found


def same_bands(metadata: Mapping[str, Any], nm: Sequence[float] | None, count: int) -> bool:
    """Tell whether what metadata say of bands holds for some.

    Args:
        metadata: Of the grid.
        nm: (L,) wavelengths of the bands in nm; None if they are not known.
        count: The number of bands.
    """
    own = metadata.get("nm")
    if own is None or nm is None:
        return own is nm and len(metadata.get("bands", ())) == count
    return len(own) == len(nm) and bool(np.allclose(own, nm, rtol=SAME, atol=0))


def has_bands(grid: Grid) -> bool:
    """Tell whether the last axis of a grid of three is one of bands, and no third length."""
    units = grid.box.units
    return grid.ndim == 3 and units[-1] == "nm" and "nm" not in units[:2]
