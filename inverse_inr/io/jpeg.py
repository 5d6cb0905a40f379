"""JPEG through Pillow: 8-bit grey or RGB on a grid of pixels, read only.

Images are turned as their EXIF orientation says.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from inverse_inr.domain import Grid, pixel_grid
from inverse_inr.io.files import FileFormatError, PathLike, describe, reading, signature

EXPECTED = "a grey or RGB JPEG image"
"""The kind of file that is read, for messages."""


def read_jpeg(path: PathLike) -> tuple[Tensor, Grid]:
    """Read a JPEG image, in whose values compression has left its blocks.

    Args:
        path: The file.

    Returns:
        Values (H, W, 1 or 3) float32 in [0, 1], the samples / 255, and a grid in pixels.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is damaged or of another kind, CMYK included.
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
