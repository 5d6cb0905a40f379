"""JPEG through Pillow: 8-bit grey or RGB on a grid of pixels, read only.

Images are turned as their EXIF orientation says.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from inverse_inr.domain import Grid, pixel_grid
from inverse_inr.io.files import FileFormatError, PathLike, describe, reading, signature
from inverse_inr.io.pictures import opened, orientation_of, oriented
from inverse_inr.ranges import checked

EXPECTED = "a grey or RGB JPEG image"
"""The kind of file that is read, for messages."""


@checked
def read_jpeg(path: PathLike) -> tuple[Tensor, Grid]:
    """Read a JPEG image, in whose values compression has left its blocks.

    Args:
        path: The file. Of several pictures in one file, as phones write them beside a photograph,
            the first is read.

    Returns:
        Values (H, W, 1 or 3) float32 in [0, 1], the samples / 255, and a grid in pixels.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is damaged or of another kind; CMYK and YCCK are refused, because
            their colours depend on a printer's profile.
        MemoryError: The picture is larger than the memory at hand.
    """
    with reading(path, EXPECTED, ("JPEG",)) as file:
        if signature(file) != "JPEG":
            raise FileFormatError(
                f"{file}: expected {EXPECTED}, found {describe(file)}. Wrong suffix?"
            )
        with opened(file) as image:
            if image.mode not in ("L", "RGB"):
                raise FileFormatError(
                    f"{file}: expected {EXPECTED}, found mode {image.mode}, whose colours depend "
                    "on a profile. Convert it to RGB where they are managed."
                )
            array = oriented(np.array(image), orientation_of(image), file)
    values = torch.from_numpy((array.astype(np.float32) / 255).reshape(*array.shape[:2], -1))
    return values, pixel_grid((values.shape[0], values.shape[1]))
