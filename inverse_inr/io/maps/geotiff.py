"""GeoTIFF through rasterio: coordinates, tags and names of bands, read and written."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from inverse_inr.io.files import FileFormatError, PathLike, atomic_write
from inverse_inr.io.inferred import infer
from inverse_inr.io.maps.georeference import CRS, TRANSFORM, Transform
from inverse_inr.io.provenance import DESCRIBED, current_record

FORMAT = "GeoTIFF"
GEO_TAGS = (33550, 33922, 34264, 34735)
"""TIFF's tags ModelPixelScale, ModelTiepoint, ModelTransformation and GeoKeyDirectory."""
OF_THE_OLD_PIXELS = ("STATISTICS_", "TIFFTAG_MINSAMPLE", "TIFFTAG_MAXSAMPLE")
"""Beginnings of tags that are of the old values alone."""
RECORD_TAG = "TIFFTAG_IMAGEDESCRIPTION"
"""The tag in which the record is kept, as in any TIFF."""


def rasterio_library() -> Any:
    """Import rasterio.

    Raises:
        ImportError: The package is missing; the message names the extra.
    """
    try:
        import rasterio
    except ImportError as error:
        raise ImportError(
            'Coordinates of a map need rasterio: pip install "inverse-inr[geo]"; or drop them: '
            "grid.with_metadata(None)."
        ) from error
    return rasterio


def map_metadata(path: Path, page: Any) -> dict[str, Any] | None:
    """Read what a TIFF file says of a map; None where it says nothing.

    Args:
        path: The file.
        page: Its first page, as tifffile has it.

    Raises:
        FileFormatError: The coordinates are damaged.
    """
    if not any(tag in page.tags for tag in GEO_TAGS):
        return None
    try:
        rasterio = rasterio_library()
    except ImportError:
        infer(path, "its coordinates of a map are left out: they need the extra geo (rasterio).")
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # rasterio warns of files without coordinates
        try:
            with rasterio.open(path) as file:
                return _metadata(file, path)
        except rasterio.errors.RasterioError as error:
            raise FileFormatError(f"{path}: its coordinates of a map: {error}.") from None


def _metadata(file: Any, path: Path) -> dict[str, Any]:
    points, _ = file.gcps
    if points or file.rpcs is not None:
        infer(path, "its ground control points or RPCs are left out.")
    bands = [
        {"description": name or "", **_kept(file.tags(k + 1))}
        for k, name in enumerate(file.descriptions)
    ]
    found: dict[str, Any] = {"format": FORMAT, "tags": _kept(file.tags()), "bands": bands}
    if file.crs is not None:
        found[CRS] = file.crs.to_wkt()
    if not file.transform.is_identity:
        found[TRANSFORM] = list(file.transform)[:6]
    return found


def _kept(tags: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in tags.items()
        if not name.startswith(OF_THE_OLD_PIXELS) and name != RECORD_TAG
    }


def write_geotiff(
    path: PathLike,
    array: np.ndarray,
    metadata: Mapping[str, Any],
    transform: Transform | None,
    bands: Sequence[Mapping[str, str]] | None = None,
) -> None:
    """Write bands as 32-bit floats with their place on a map.

    Args:
        path: The file to write.
        array: (H, W, bands) float32; NaN is written as the file's value of no data.
        metadata: Of the grid: "crs", "tags".
        transform: From pixel corners to the map; None for none.
        bands: Description and tags of each band; None for none.

    Raises:
        ValueError: The coordinate reference system is none that PROJ knows.
        ImportError: The package rasterio is missing.
    """
    rasterio = rasterio_library()
    height, width, count = array.shape
    profile: dict[str, Any] = {"height": height, "width": width, "count": count}
    if metadata.get(CRS):
        try:
            profile["crs"] = rasterio.CRS.from_user_input(metadata[CRS])
        except rasterio.errors.CRSError as error:
            raise ValueError(f"{path}: no coordinate reference system: {error}.") from None
    if transform is not None:
        profile["transform"] = rasterio.Affine(*transform)
    if count == 3:
        profile["photometric"] = "RGB"
    if np.isnan(array).any():
        profile["nodata"] = np.nan
    tags = dict(metadata.get("tags", {}))
    record = current_record()
    if record is not None:
        tags[RECORD_TAG] = DESCRIBED + record
    with atomic_write(path) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an image may lie on no map and have tags all the same
        with rasterio.open(temporary, "w", driver="GTiff", dtype="float32", **profile) as file:
            file.write(np.ascontiguousarray(array.transpose(2, 0, 1)))
            file.update_tags(**tags)
            for k, band in enumerate(bands or ()):
                own = dict(band)
                file.set_band_description(k + 1, own.pop("description", ""))
                file.update_tags(k + 1, **own)
