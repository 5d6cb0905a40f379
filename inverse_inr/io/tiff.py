"""TIFF through tifffile: grey, RGB or palette, one page or several, on a grid of pixels.

Samples are integers or floats of any byte order and planar configuration. Pages are turned as their
orientation tag says.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inverse_inr.domain import Grid, pixel_grid
from inverse_inr.io.cubes.headers import has_bands, same_bands
from inverse_inr.io.files import FileFormatError, PathLike, as_real_image, atomic_write, reading
from inverse_inr.io.inferred import infer
from inverse_inr.io.maps.georeference import is_on_a_map, pixel_transform
from inverse_inr.io.maps.geotiff import map_metadata, write_geotiff
from inverse_inr.io.pictures import (
    ORIENTATION,
    oriented,
    whole_pictures,
    without_opaque_alpha,
)
from inverse_inr.io.provenance import DESCRIBED, current_record
from inverse_inr.io.sizes import ANY_RATIO, DEFLATE, check_claim
from inverse_inr.ranges import checked

EXPECTED = "a grey or RGB TIFF image"
"""The kind of file that is read, for messages."""
COLOURS = ("MINISBLACK", "MINISWHITE", "PALETTE", "RGB")
"""The photometric interpretations that are read."""
ALPHA = {"ASSOCALPHA": "premultiplied ", "UNASSALPHA": "straight "}
"""Kinds of a further sample that is opacity, in words."""
PAGES = ("", "Q", "Z", "I", "T")
"""The letters by which tifffile names an axis of pages, and none."""
ZERO_IS_WHITE = "zero is white in it, so its values were turned round."
"""The inference about a file whose photometric interpretation is MINISWHITE."""
RATIOS = {"NONE": 1.0, "DEFLATE": DEFLATE, "ADOBE_DEFLATE": DEFLATE, "PACKBITS": 64.0}
"""The most bytes that a byte of each compression can stand for."""


@checked
def read_tiff(path: PathLike, *, alpha: bool = False) -> tuple[Tensor, Grid]:
    """Read a TIFF image.

    Unsigned samples of up to 16 bits are divided by their largest number (255, 4095, 65535), so
    that white is 1. Signed and 32-bit integers and floats have no white and stay as they are. A
    palette is read as its colours, and where zero is white the values are turned round. An alpha
    channel that is opaque everywhere is dropped.

    Args:
        path: The file.
        alpha: Keep a transparency channel as the last one, whatever it says (as for masks).

    Returns:
        Values (H, W, 1 or 3), or pages (pages, H, W, 1 or 3), float32, and a grid in pixels. That
        of a GeoTIFF carries its coordinates and tags as metadata (extra geo).

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is damaged or of another kind: transparent pixels, unnamed
            samples, CMYK, YCbCr, complex numbers, pages of several sizes, or fewer bytes than the
            header claims.
        MemoryError: The image is larger than the memory at hand.
    """
    import tifffile

    with reading(path, EXPECTED, ("TIFF",)) as file:
        with tifffile.TiffFile(file) as tiff:
            page: Any = tiff.pages[0]
            _check_page(page, file)
            series = _only_series(tiff, file)
            _check_size(series, page, file)
            pages = _pages(_decoded(series, page, file), series.axes, file)
            values = _values(pages, page, file)
            orientation = int(page.tags.valueof(ORIENTATION, 1))
            metadata = map_metadata(file, page)
        if page.extrasamples:
            kind = ALPHA[page.extrasamples[0].name]
            values = without_opaque_alpha(values, alpha, file, kind)
        values = np.stack([oriented(v, orientation, file) for v in values])
        if series.axes.replace("S", "") == "YX":
            values = values[0]
        else:
            metadata = None  # a map has one page
    if orientation != 1:
        metadata = None  # the rows and columns of a map are those of the file
    grid = pixel_grid(tuple(values.shape[:-1]))
    return torch.from_numpy(values), grid.with_metadata(metadata)


def _check_page(page: Any, file: Path) -> None:
    """Refuse colours that are not read, and further samples that are no alpha."""
    colour = page.photometric.name
    further = [kind.name for kind in page.extrasamples]
    if colour not in COLOURS:
        raise FileFormatError(f"{file}: expected {EXPECTED}, found {colour}. Convert it.")
    if len(further) > 1 or (further and (further[0] not in ALPHA or colour == "PALETTE")):
        raise FileFormatError(
            f"{file}: expected {EXPECTED}, found {page.samplesperpixel} samples a pixel, "
            f"{len(further)} of them unnamed ({', '.join(further)}). Save the ones that are meant."
        )


def _only_series(tiff: Any, file: Path) -> Any:
    """The one image of a file, beside smaller copies of it."""
    found = [s for s in tiff.series if not s.pages[0].is_reduced]
    if len(found) > 1:
        shapes = ", ".join(str(tuple(s.shape)) for s in found[:5])
        raise FileFormatError(
            f"{file}: expected one image, found {len(found)} of shapes {shapes}. "
            "Save the one that is meant in its own file."
        )
    return found[0] if found else tiff.series[0]


def _check_size(series: Any, page: Any, file: Path) -> None:
    """Refuse a header that claims more than the file holds, before anything is allocated."""
    bits = page.bitspersample
    if not isinstance(bits, int):
        raise FileFormatError(f"{file}: expected samples of as many bits each, found {bits}.")
    if page.rowsperstrip and not page.is_tiled and len(page.dataoffsets) == 0:
        raise FileFormatError(f"{file}: expected {EXPECTED}, found no pixels.")
    ratio = RATIOS.get(page.compression.name, ANY_RATIO)
    check_claim(file, series.shape, bits / 8, ratio=ratio)


def _decoded(series: Any, page: Any, file: Path) -> np.ndarray:
    """The stored samples; Pillow decodes a single page for which tifffile lacks the codec."""
    try:
        return series.asarray()
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
        if len(series.pages) == 1 and page.photometric.name in ("MINISBLACK", "RGB"):
            from PIL import Image

            with whole_pictures(), Image.open(file) as image:
                array = np.array(image)
            if array.shape == tuple(series.shape) and array.dtype == page.dtype:
                return array
        raise FileFormatError(
            f"{file}: its compression {page.compression.name} needs another package: "
            "pip install imagecodecs, or save it uncompressed."
        ) from None


def _pages(array: np.ndarray, axes: str, file: Path) -> np.ndarray:
    """The samples as (pages, h, w, samples), of one page too."""
    if "S" in axes:
        array = np.moveaxis(array, axes.index("S"), -1)
    else:
        array = array[..., None]
    kept = axes.replace("S", "")
    if kept[-2:] != "YX" or kept[:-2] not in PAGES or 0 in array.shape:
        raise FileFormatError(
            f"{file}: expected {EXPECTED}, found axes {axes} of shape {array.shape}."
        )
    return array.reshape(-1, *array.shape[-3:])


def _values(array: np.ndarray, page: Any, file: Path) -> np.ndarray:
    """The samples as float32, those with a white divided by it."""
    colour = page.photometric.name
    if colour == "PALETTE":
        table = _palette(page.colormap, file)
        if array.dtype.kind != "u" or array.shape[-1] != 1 or int(array.max()) >= table.shape[1]:
            raise FileFormatError(f"{file}: its pixels name colours that its palette has not.")
        return np.ascontiguousarray(np.moveaxis(table[:, array[..., 0]], 0, -1))
    if array.dtype == bool:
        values = array.astype(np.float32)
    elif array.dtype in (np.uint8, np.uint16):
        values = (array / (2.0**page.bitspersample - 1)).astype(np.float32)
    elif array.dtype.kind in "iuf" and colour != "MINISWHITE":
        return array.astype(np.float32)
    else:
        raise FileFormatError(
            f"{file}: expected integers or floating samples, found {array.dtype} in {colour}. "
            "Convert it."
        )
    if colour == "MINISWHITE":
        infer(file, ZERO_IS_WHITE)
        values = 1 - values
    return values


def _palette(table: np.ndarray, file: Path) -> np.ndarray:
    """The colours (3, n) from 0 to 1; many writers shift 8 bits up and leave 65280 for white."""
    if (table % 256 == 0).all() and table.any():
        infer(file, "its palette has 8 bits: every entry is a multiple of 256, and white is 65280.")
        return (table // 256).astype(np.float32) / 255
    return table.astype(np.float32) / 65535


@checked
def write_tiff(path: PathLike, values: Tensor, grid: Grid) -> None:
    """Write an image, grey pages or bands as 32-bit floats, unscaled; the box is not stored.

    A grid that carries coordinates of a map gives a GeoTIFF, whose pixels lie where the grid's do.

    Args:
        path: The file to write.
        values: (H, W, 1 or 3), or (pages, H, W, 1); (H, W, bands, 1) where the last axis is in nm.
        grid: The 2-D or 3-D grid of the values.

    Raises:
        ValueError: The shape is another, or the coordinates are not those of the grid's box.
        ImportError: The grid carries coordinates, and the package rasterio is missing.
    """
    import tifffile

    array = as_real_image(values, grid, path)
    bands = has_bands(grid) and array.shape[-1] == 1
    if bands:
        array = array[..., 0]
    if is_on_a_map(grid) and (bands or grid.ndim == 2):
        write_geotiff(path, array, grid.metadata or {}, pixel_transform(grid, path), _bands(grid))
        return
    if bands:
        array = np.moveaxis(array, -1, 0)[..., None]  # a page each
        grid = pixel_grid(array.shape[:-1])
    is_image = grid.ndim == 2 and array.shape[-1] in (1, 3)
    is_pages = grid.ndim == 3 and array.shape[-1] == 1
    if not is_image and not is_pages:
        raise ValueError(
            f"{path}: TIFF holds (H, W, 1 or 3) or a stack (pages, H, W, 1), not {array.shape}. "
            "Use .npz."
        )
    kind = "rgb"
    if array.shape[-1] == 1:
        kind = "minisblack"
        array = array[..., 0]
    # without a record the description is tifffile's own, of the shape
    about: dict[str, Any] = {}
    record = current_record()
    if record is not None:
        about = {"description": DESCRIBED + record, "metadata": None}
    with atomic_write(path) as temporary:
        tifffile.imwrite(temporary, array, photometric=kind, **about)


def _bands(grid: Grid) -> list[dict[str, str]] | None:
    """Descriptions and tags of the bands, as far as they hold for those of the grid."""
    metadata = grid.metadata or {}
    found = [dict(band) for band in metadata.get("bands", ())]
    if grid.ndim == 2:
        return found
    nm = grid.axes(torch.float64)[-1].tolist()
    if not found or not same_bands(metadata, nm, len(nm)):
        found = [{} for _ in nm]
    widths = metadata.get("fwhm", []) if same_bands(metadata, nm, len(nm)) else []
    for k, band in enumerate(found):
        band.update({"wavelength": repr(nm[k]), "wavelength_units": "Nanometers"})
        if widths:
            band["fwhm"] = repr(widths[k])
        band.setdefault("description", band.pop("band names", f"{nm[k]:.6g} nm"))
    return found
