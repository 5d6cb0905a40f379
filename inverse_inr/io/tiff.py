"""TIFF through tifffile: 8- and 16-bit integers or floats, grey or RGB, one page or a stack, on a grid of pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from inverse_inr.domain import Grid, pixel_grid
from inverse_inr.io.files import FileFormatError, PathLike, as_real_image, atomic_write, reading

EXPECTED = "a grey or RGB TIFF image"
LAYOUTS = {"YX": 1, "YXS": 1, "QYX": 3, "ZYX": 3, "IYX": 3, "TYX": 3}
"""Axes as tifffile names them -> whether leading pages make a stack."""


def read_tiff(path: PathLike) -> tuple[Tensor, Grid]:
    """Values (H, W, 1 or 3), or a stack of grey pages (pages, H, W, 1), float32; grid in pixels.

    8-bit samples are divided by 255, 16-bit ones by 65535; floats stay as they are.
    Raises FileNotFoundError, FileFormatError (also for alpha channels, palettes, other integers, complex numbers).
    """
    import tifffile

    with reading(path, EXPECTED, ("TIFF",)) as file:
        with tifffile.TiffFile(file) as tiff:
            page: Any = tiff.pages[0]
            if page.extrasamples:
                raise FileFormatError(
                    f"{file}: expected {EXPECTED}, found {page.samplesperpixel} samples a pixel, one of them alpha or "
                    "unnamed. Drop it first: values[..., :3]."
                )
            if page.photometric.name not in ("MINISBLACK", "RGB"):
                raise FileFormatError(
                    f"{file}: expected {EXPECTED}, found {page.photometric.name}. Convert it."
                )
            series = tiff.series[0]
            axes, array = series.axes, series.asarray()
        values = _values(array, file)
        if axes not in LAYOUTS:
            raise FileFormatError(
                f"{file}: expected {EXPECTED}, found axes {axes} of shape {array.shape}."
            )
    channels = array.shape[-1] if axes.endswith("S") else 1
    tensor = torch.from_numpy(values.reshape(*array.shape[: len(axes.rstrip("S"))], channels))
    return tensor, pixel_grid(tuple(tensor.shape[:-1]))


def _values(array: np.ndarray, file: object) -> np.ndarray:
    if array.dtype == np.uint8 or array.dtype == np.uint16:
        return (array / np.iinfo(array.dtype).max).astype(np.float32)
    if array.dtype.kind == "f":
        return array.astype(np.float32)
    raise FileFormatError(
        f"{file}: expected 8- or 16-bit or floating samples, found {array.dtype}. Convert it."
    )


def write_tiff(path: PathLike, values: Tensor, grid: Grid) -> None:
    """Write (H, W, 1 or 3) or (pages, H, W, 1) as 32-bit floats, unscaled; the box is not stored.

    Raises ValueError for other shapes.
    """
    import tifffile

    array = as_real_image(values, grid, path)
    if not (grid.ndim == 2 and array.shape[-1] in (1, 3)) and not (
        grid.ndim == 3 and array.shape[-1] == 1
    ):
        raise ValueError(
            f"{path}: TIFF holds (H, W, 1 or 3) or a stack (pages, H, W, 1), not {array.shape}. Use .npz."
        )
    kind = "rgb" if array.shape[-1] == 3 else "minisblack"
    with atomic_write(path) as temporary:
        tifffile.imwrite(temporary, array if kind == "rgb" else array[..., 0], photometric=kind)
