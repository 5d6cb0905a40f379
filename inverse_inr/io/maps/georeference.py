"""Where an image lies on a map, as a part of its grid's metadata.

The six numbers (a, b, c, d, e, f) of a transform take a place of the box, in px from the corner of
the image, to the map: x = a·column + b·row + c and y = d·column + e·row + f. They belong to the box
and not to its pixels, so that a lattice which is cut out of an image or refines it stays in place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from inverse_inr.domain import Grid
from inverse_inr.io.files import PathLike

Transform = tuple[float, float, float, float, float, float]
TRANSFORM = "transform"
"""The entry of metadata that holds the numbers."""
CRS = "crs"
"""The entry that holds the coordinate reference system: WKT, or a code such as EPSG:32613."""


def is_on_a_map(grid: Grid) -> bool:
    """Tell whether a grid's metadata place it on a map."""
    return any((grid.metadata or {}).get(name) for name in (TRANSFORM, CRS))


def pixel_transform(grid: Grid, path: PathLike) -> Transform | None:
    """Find the transform from pixel corners (column, row) to the map.

    Args:
        grid: The grid, whose first two axes are rows and columns in px.
        path: The file to be written, for the message.

    Returns:
        The six numbers; None where the grid lies on no map.

    Raises:
        ValueError: The grid's box is in another unit than px.
    """
    found = (grid.metadata or {}).get(TRANSFORM)
    if found is None:
        return None
    if grid.box.units[:2] != ("px", "px"):
        raise ValueError(
            f"{path}: the grid's metadata place pixels on a map; its box is in "
            f"{grid.box.units[:2]}. Made on another box? Drop them: grid.with_metadata(None)."
        )
    return composed(found, grid.box.lower[:2], grid.spacing[:2])


def composed(
    transform: Sequence[float], start: Sequence[float], step: Sequence[float]
) -> Transform:
    """Compose a transform with a shift and a scale of rows and columns.

    Args:
        transform: The six numbers.
        start: (2,) row and column at which the new lattice begins.
        step: (2,) old rows and columns per new one.

    Returns:
        The transform of the new rows and columns; the same numbers, bit by bit, from 0 by 1.
    """
    a, b, c, d, e, f = (float(v) for v in transform)
    row, column = start
    down, across = step
    return (
        a * across,
        b * down,
        c + (a * column + b * row),
        d * across,
        e * down,
        f + (d * column + e * row),
    )


def moved(
    metadata: Mapping[str, Any] | None, start: Sequence[float], step: Sequence[float]
) -> dict[str, Any] | None:
    """Change metadata for an image whose box begins elsewhere, or counts larger pixels.

    Args:
        metadata: Of the grid of the whole image.
        start: (2,) row and column of the whole at which the new box has its 0.
        step: (2,) rows and columns of the whole in a new one.

    Returns:
        Metadata with the new transform; as they are where there is none.
    """
    if metadata is None:
        return None
    if TRANSFORM not in metadata:
        return dict(metadata)
    return {**metadata, TRANSFORM: list(composed(metadata[TRANSFORM], start, step))}
