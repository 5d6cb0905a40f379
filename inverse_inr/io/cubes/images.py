"""Cubes of images: the pages or samples of one TIFF file, and folders of one image per band.

Files of a folder are put in the order in which people count: band_2 before band_10. Their names
tell wavelengths where each has a number with a unit, as in "band_550nm.png".
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np

from inverse_inr.io.cubes.source import BandsAxis, Source
from inverse_inr.io.cubes.wavelengths import in_names
from inverse_inr.io.files import FileFormatError, reading
from inverse_inr.io.maps.geotiff import map_metadata

SUFFIXES = (".png", ".tif", ".tiff", ".bmp")
"""Suffixes of a band's image in a folder."""

CAVE = np.arange(400.0, 701.0, 10.0)
"""The 31 bands (nm) of CAVE's folders (Yasuma et al. 2010), whose names count from 1 to 31."""

DAMAGE = re.compile(r"offset|circular|bytecounts|reshape|corrupt|required tags", re.IGNORECASE)
"""Words of tifffile's log that mean a broken file, not just a strange tag."""

NODATA_TAG = 42113
"""TIFF's tag GDAL_NODATA: the value of pixels without data, as text."""


def read_tiff_cube(path: Path, key: str | None) -> Source:
    """Read the pages of a TIFF file as bands, or the samples of its pixels.

    Args:
        path: The file.
        key: Has no meaning here, and must be None.

    Raises:
        FileFormatError: The file is damaged, or holds no cube.
    """
    import tifffile

    if key is not None:
        raise FileFormatError(f"{path}: the pages of a TIFF file have no names, so no {key!r}.")
    with (
        _complaints() as complaints,
        reading(path, "a multi-page TIFF", ("TIFF",)) as file,
        tifffile.TiffFile(file) as tiff,
    ):
        series = tiff.series[0]
        axes = series.axes
        array = np.asarray(series.asarray())
        tag = tiff.pages[0].tags.get(NODATA_TAG)  # pyright: ignore[reportAttributeAccessIssue]
        metadata = map_metadata(file, tiff.pages[0])
        firsts = [cast("Any", s.pages[0]) for s in tiff.series[1:]]
        others = sum(not page.is_reduced for page in firsts)  # overviews do not count
    if complaints:
        raise FileFormatError(
            f"{path}: a truncated or damaged copy? Reading it as TIFF: {complaints[0][:200]}."
        )
    kept = axes.replace("Y", "", 1).replace("X", "", 1)
    if array.ndim != 3 or len(kept) != 1 or others:
        raise FileFormatError(
            f"{path}: expected a cube of three axes, found {array.dtype} of shape {array.shape} "
            f"(axes {axes}), and {others} other images in the file."
        )
    places: dict[int, BandsAxis] = {0: "first", 1: "middle", 2: "last"}
    found = Source(array, places[axes.index(kept)], metadata=metadata)
    found.wavelengths, found.wavelength_unit, found.fwhm = _of_tags(metadata)
    if tag is not None:
        text = str(tag.value).strip("\0 ")
        try:
            found.no_data = [float(text)]
        except ValueError:
            raise FileFormatError(f"{path}: GDAL_NODATA = {text!r} must be a number.") from None
    return found


def _of_tags(
    metadata: dict[str, Any] | None,
) -> tuple[np.ndarray | None, str, np.ndarray | None]:
    """Wavelengths, their unit and widths that the tags of the bands tell, as GDAL names them."""
    bands = (metadata or {}).get("bands", [])
    if not bands or not all("wavelength" in band for band in bands):
        return None, "", None
    try:
        nm = np.array([float(band["wavelength"]) for band in bands])
        widths = [float(band["fwhm"]) for band in bands if "fwhm" in band]
    except ValueError:
        return None, "", None
    unit = bands[0].get("wavelength_units", "")
    return nm, unit, np.array(widths) if len(widths) == len(bands) else None


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """What tifffile logs while it reads: of a broken chain of pages it says no more than that."""
    heard: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            text = " ".join(record.getMessage().split())
            if DAMAGE.search(text):
                heard.append(text)

    logger = logging.getLogger("tifffile")
    listener = Listener(logging.WARNING)
    passed_on = logger.propagate
    logger.addHandler(listener)
    logger.propagate = False
    try:
        yield heard
    finally:
        logger.removeHandler(listener)
        logger.propagate = passed_on


def read_folder(path: Path, key: str | None) -> Source:
    """Read a folder of one grey image per band, in natural order or in that of its wavelengths.

    8-bit values are divided by 255, 16-bit values by 65535.

    Args:
        path: The folder; one that holds nothing but another folder stands for that.
        key: Has no meaning here, and must be None.

    Raises:
        FileFormatError: There are no images, or they differ in size, type or in how they are named.
    """
    if key is not None:
        raise FileFormatError(f"{path}: the images of a folder have no names, so no {key!r}.")
    images = [p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and p.name[0] != "."]
    inner = [p for p in path.iterdir() if p.is_dir() and p.name[0] != "."]
    if len(inner) == 1 and not images:
        return read_folder(inner[0], None)  # CAVE nests a scene in a folder of its own name
    if any(p.suffix.lower() != ".bmp" for p in images):
        images = [p for p in images if p.suffix.lower() != ".bmp"]  # CAVE's picture of the scene
    files = sorted(images, key=natural_order)
    if len(files) < 2:
        others = sorted({p.suffix.lower() for p in path.iterdir() if p.suffix} - set(SUFFIXES))
        beside = f" Beside them: {', '.join(others[:6])}." if others else ""
        lossy = " JPEG changes the values; export without loss." if ".jpg" in others else ""
        raise FileFormatError(
            f"{path}: expected a folder of one PNG or TIFF a band, found {len(files)} of "
            f"them.{beside}{lossy}"
        )
    nm, unit, notes = _named_wavelengths(path, files)
    pages = [_page(file) for file in files]
    if len({(p.shape, p.dtype) for p in pages}) != 1:
        kinds = sorted({f"{p.shape} {p.dtype}" for p in pages})
        raise FileFormatError(f"{path}: bands of different sizes or types: {', '.join(kinds)}.")
    array = np.stack(pages)
    found = Source(array, "first", nm, unit, remarks=notes)
    if array.dtype.kind == "u":
        found.units = "reflectance"
        top = float(np.iinfo(array.dtype).max)
        found.gain = 1 / top
        found.remarks["scale"] = f"divided by {top:g}, the largest {array.dtype}"
    return found


def natural_order(path: Path) -> tuple[list[tuple[int, int, str]], str]:
    """Return a key that sorts names as people count: runs of digits by their numbers.

    Args:
        path: The file.
    """
    parts = re.split(r"(\d+)", path.name.lower())
    return [(int(p.isdigit()), int(p) if p.isdigit() else 0, p) for p in parts], path.name


def _named_wavelengths(
    path: Path, files: list[Path]
) -> tuple[np.ndarray | None, str, dict[str, Any]]:
    """The wavelengths that the names of the files tell, their unit, and notes."""
    notes: dict[str, Any] = {"bands": f"{files[0].name} to {files[-1].name}, as people count"}
    told = in_names([file.name for file in files], str(path))
    if told is not None:
        return *told, notes | {"wavelengths": "from the names of the files"}
    numbers = [re.findall(r"\d+", file.stem) for file in files]
    counted = [int(n[-1]) for n in numbers if n]
    if counted == list(range(1, len(CAVE) + 1)):
        notes["wavelengths"] = "31 images counted from 1: taken as CAVE's, 400 to 700 nm"
        return CAVE, "nm", notes
    gaps = sorted(set(range(min(counted, default=0), max(counted, default=0))) - set(counted))
    if gaps and 3 * len(gaps) <= len(files):  # more gaps are a way of counting
        notes["bands"] += f"; missing: {', '.join(map(str, gaps))}"
    if len(counted) == len(files):
        notes["wavelengths"] = (
            f"the names count {counted[0]} to {counted[-1]} without a unit: pass wavelengths=..."
        )
    return None, "", notes


def _page(file: Path) -> np.ndarray:
    """The one channel of a band's image."""
    import tifffile
    from PIL import Image

    with _complaints() as complaints, reading(file, "a grey image", ("PNG", "TIFF")) as name:
        if name.suffix.lower() in (".tif", ".tiff"):
            with tifffile.TiffFile(name) as tiff:
                page = np.asarray(tiff.asarray())
        else:
            with name.open("rb") as stream, Image.open(stream) as image:
                if image.mode == "P":
                    page = np.asarray(image.convert("RGB"))
                else:
                    page = np.asarray(image)
                if image.mode == "I":  # older versions of Pillow widen 16 bits
                    page = page.astype(np.uint16)
    if complaints:
        raise FileFormatError(f"{file}: a truncated or damaged copy? {complaints[0][:200]}.")
    if page.ndim == 3 and page.shape[-1] in (2, 4):
        opaque = page[..., -1]
        full = np.iinfo(page.dtype).max if page.dtype.kind == "u" else 1
        if (opaque != full).any():
            raise FileFormatError(
                f"{file}: a band with {int((opaque != full).sum())} transparent pixels (alpha). "
                "Which are no data?"
            )
        page = page[..., :-1]
    if page.ndim == 3:  # one CAVE scene has its bands as grey RGB
        if (page != page[..., :1]).any():
            raise FileFormatError(f"{file}: expected the grey image of one band, found colours.")
        page = page[..., 0]
    if page.ndim != 2 or page.dtype.kind not in "iuf":
        raise FileFormatError(
            f"{file}: expected the grey image of one band, found {page.dtype} of shape "
            f"{page.shape}."
        )
    return page
