"""Where the parts of a scan stand in an HDF5 file: one entry a layout.

A new layout is one more `Layout` in `LAYOUTS`. In a path, "*" stands for one group of any name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

PROJECTION, FLAT, DARK = 0, 1, 2
"""NXtomo's image keys; 3 marks a frame that is invalid, and -1 one that serves the alignment."""


@dataclass(frozen=True)
class Layout:
    """The datasets of one layout; of several paths the first that exists is taken.

    Args:
        name: What notes call it.
        data: Projections (views, rows, columns).
        theta: Angles (views,).
        white: Frames without object; before the scan, if `white_after` is there too.
        white_after: Frames without object that were taken after the scan.
        dark: Frames without beam.
        image_key: One key a frame of `data`, where these hold flat and dark fields too.
    """

    name: str
    data: tuple[str, ...]
    theta: tuple[str, ...]
    white: tuple[str, ...] = ()
    white_after: tuple[str, ...] = ()
    dark: tuple[str, ...] = ()
    image_key: tuple[str, ...] = ()


DXCHANGE = Layout(
    "DXchange",
    data=("exchange/data",),
    theta=("exchange/theta",),
    white=("exchange/data_white", "exchange/data_flat", "exchange/data_white_pre"),
    white_after=("exchange/data_white_post",),
    dark=("exchange/data_dark",),
)
"""De Carlo et al., "Scientific data exchange", J. Synchrotron Rad. 21 (2014) 1224."""

NXTOMO = Layout(
    "NXtomo",
    data=(
        "*/tomo_entry/data/data",
        "*/tomo_entry/instrument/detector/data",
        "*/data/data",
        "*/instrument/detector/data",
    ),
    theta=(
        "*/tomo_entry/data/rotation_angle",
        "*/tomo_entry/sample/rotation_angle",
        "*/data/rotation_angle",
        "*/sample/rotation_angle",
    ),
    image_key=(
        "*/tomo_entry/instrument/detector/image_key",
        "*/tomo_entry/data/image_key",
        "*/instrument/detector/image_key",
        "*/data/image_key",
    ),
)
"""The NeXus application definition NXtomo; nxtomo of the ESRF and Diamond's files are such."""

PLAIN = Layout(
    "plain names",
    data=("data", "projections", "proj", "tomo", "*/projections", "*/tomo"),
    theta=("theta", "angles", "rotation_angle", "*/theta", "*/angles"),
    white=("data_white", "data_flat", "white", "whites", "flat", "flats", "*/flats", "*/flat"),
    dark=("data_dark", "dark", "darks", "*/darks", "*/dark"),
)
"""No standard: projections under the names that people give them."""

LAYOUTS = (DXCHANGE, NXTOMO, PLAIN)
"""The layouts that are known, in the order in which they are tried."""

PARTS = ("data", "theta", "white", "white_after", "dark", "image_key")
"""The parts of a scan that a caller may name."""


def find_layout(file: Any, names: Mapping[str, str | None]) -> tuple[str, dict[str, str | None]]:
    """Find the datasets of a scan.

    Args:
        file: The open `h5py.File`.
        names: Datasets that the caller names, by part; None or "" for a part that is absent.

    Returns:
        The layout's name ("" if no layout fits), and the dataset of each part of `PARTS`, None
        where there is none.
    """
    layout = next((one for one in LAYOUTS if _first(file, one.data)), None)
    found: dict[str, str | None] = dict.fromkeys(PARTS)
    if layout is not None:
        found = {part: _first(file, getattr(layout, part)) for part in PARTS}
    found.update({part: name or None for part, name in names.items()})
    return layout.name if layout else "", found


def _first(file: Any, patterns: tuple[str, ...]) -> str | None:
    for pattern in patterns:
        for path in _expanded(file, pattern.split("/"), ""):
            return path
    return None


def _expanded(group: Any, parts: list[str], before: str) -> Iterator[str]:
    """Paths of datasets that a pattern fits; links are followed."""
    import h5py

    head, *rest = parts
    for name in sorted(group) if head == "*" else [head]:
        node = group.get(name)
        path = f"{before}{name}"
        if rest and isinstance(node, h5py.Group):
            yield from _expanded(node, rest, f"{path}/")
        elif not rest and isinstance(node, h5py.Dataset):
            yield path
