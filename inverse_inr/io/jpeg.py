"""JPEG through Pillow: 8-bit grey or RGB, turned as its EXIF orientation says, on a grid of pixels. Read only."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from inverse_inr.domain import Grid, pixel_grid
from inverse_inr.io.files import FileFormatError, PathLike, describe, reading, signature

EXPECTED = "a grey or RGB JPEG image"


def read_jpeg(path: PathLike) -> tuple[Tensor, Grid]:
    """Values (H, W, 1 or 3) float32 in [0, 1], samples / 255; grid in pixels. Compression has left its blocks in them.

    Raises FileNotFoundError, FileFormatError (also for CMYK).
    """
    from PIL import Image, ImageOps

    with reading(path, EXPECTED, ("JPEG",)) as file:
        if signature(file) != "JPEG":
            raise FileFormatError(
                f"{file}: expected {EXPECTED}, found {describe(file)}. Wrong suffix?"
            )
        with Image.open(file) as image:
            if image.mode not in ("L", "RGB"):
                raise FileFormatError(
                    f"{file}: expected {EXPECTED}, found mode {image.mode}. Convert it to RGB."
                )
            array = np.array(ImageOps.exif_transpose(image), dtype=np.float32) / 255
    values = torch.from_numpy(array.reshape(*array.shape[:2], -1))
    return values, pixel_grid(tuple(values.shape[:2]))
