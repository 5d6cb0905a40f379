"""TIFF through tifffile: grey or RGB, one page or several, on a grid of pixels.

Samples are 8- and 16-bit integers or floats.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from inverse_inr.domain import Grid, pixel_grid
from inverse_inr.io.files import FileFormatError, PathLike, as_real_image, atomic_write, reading

EXPECTED = "a grey or RGB TIFF image"
"""The kind of file that is read, for messages."""
LAYOUTS = {"YX": 1, "YXS": 1, "QYX": 3, "ZYX": 3, "IYX": 3, "TYX": 3}
"""The axes that are read, as tifffile names them: 1 for a single page, 3 for leading pages."""


def read_tiff(path: PathLike) -> tuple[Tensor, Grid]:
    """Read a TIFF image.

    8-bit samples are divided by 255, 16-bit samples by 65535; floats stay as they are.

    Args:
        path: The file.

    Returns:
        Values (H, W, 1 or 3), or grey pages (pages, H, W, 1), float32, and a grid in pixels.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is damaged or of another kind; alpha channels, palettes, other
            integers and complex numbers are not read.
    """
    import tifffile

    with reading(path, EXPECTED, ("TIFF",)) as file:
        with tifffile.TiffFile(file) as tiff:
            _check_page(tiff.pages[0], file)
            series = tiff.series[0]
            axes = series.axes
            array = series.asarray()
        values = _values(array, file)
        if axes not in LAYOUTS:
            raise FileFormatError(
                f"{file}: expected {EXPECTED}, found axes {axes} of shape {array.shape}."
            )
    channels = array.shape[-1] if axes.endswith("S") else 1
    tensor = torch.from_numpy(values.reshape(*array.shape[: len(axes.rstrip("S"))], channels))
    return tensor, pixel_grid(tuple(tensor.shape[:-1]))


def _check_page(page: Any, file: object) -> None:
    """Refuse further samples per pixel than grey or RGB have, and palettes."""
    if page.extrasamples:
        raise FileFormatError(
            f"{file}: expected {EXPECTED}, found {page.samplesperpixel} samples a pixel, "
            "one of them alpha or unnamed. Drop it first: values[..., :3]."
        )
    if page.photometric.name not in ("MINISBLACK", "RGB"):
        raise FileFormatError(
            f"{file}: expected {EXPECTED}, found {page.photometric.name}. Convert it."
        )


def _values(array: np.ndarray, file: object) -> np.ndarray:
    if array.dtype == np.uint8 or array.dtype == np.uint16:
        return (array / np.iinfo(array.dtype).max).astype(np.float32)
    if array.dtype.kind == "f":
        return array.astype(np.float32)
    raise FileFormatError(
        f"{file}: expected 8- or 16-bit or floating samples, found {array.dtype}. Convert it."
    )


def write_tiff(path: PathLike, values: Tensor, grid: Grid) -> None:
    """Write an image or grey pages as 32-bit floats, unscaled; the box is not stored.

    Args:
        path: The file to write.
        values: (H, W, 1 or 3), or (pages, H, W, 1).
        grid: The 2-D or 3-D grid of the values.

    Raises:
        ValueError: The shape is another.
    """
    import tifffile

    array = as_real_image(values, grid, path)
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
    with atomic_write(path) as temporary:
        tifffile.imwrite(temporary, array, photometric=kind)
