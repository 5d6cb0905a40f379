"""PNG through Pillow: 8- or 16-bit grey and 8-bit RGB, on a grid of pixels."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from inverse_inr.domain import Grid, pixel_grid
from inverse_inr.io.files import (
    FileFormatError,
    PathLike,
    as_real_image,
    atomic_write,
    describe,
    reading,
    signature,
)

EXPECTED = "a grey or RGB PNG image"
"""The kind of file that is read, for messages."""
COLOURS = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGB with alpha"}
"""Colour types by their codes in a PNG header."""


def read_png(path: PathLike) -> tuple[Tensor, Grid]:
    """Read a PNG image.

    Args:
        path: The file.

    Returns:
        Values (H, W, 1 or 3) float32 in [0, 1], 8-bit samples / 255 or 16-bit samples / 65535, and
        a grid in pixels.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is damaged or of another kind; palettes, alpha channels and 16-bit
            RGB are not read.
    """
    from PIL import Image

    with reading(path, EXPECTED, ("PNG",)) as file:
        with file.open("rb") as stream:
            header = stream.read(26)
        if len(header) < 26 or signature(file) != "PNG":
            raise FileFormatError(
                f"{file}: expected {EXPECTED}, found {describe(file)}. Wrong suffix?"
            )
        depth = header[24]
        colour = COLOURS.get(header[25], "unknown")
        # Pillow would halve the bits of 16-bit RGB without a word
        if colour not in ("grey", "RGB") or (colour == "RGB" and depth != 8):
            raise FileFormatError(
                f"{file}: expected {EXPECTED}, found {depth}-bit {colour}. Convert it to 8-bit RGB."
            )
        with Image.open(file) as image:
            array = np.array(image.convert("L") if image.mode == "1" else image, dtype=np.float64)
    full_scale = 65535 if depth == 16 else 255
    array = (array / full_scale).astype(np.float32)
    height, width = array.shape[:2]
    return torch.from_numpy(array.reshape(height, width, -1)), pixel_grid((height, width))


def write_png(
    path: PathLike, values: Tensor, grid: Grid, *, value_range: tuple[float, float] = (0.0, 1.0)
) -> None:
    """Write an image as 16-bit grey or 8-bit RGB; the box is not stored.

    Args:
        path: The file to write.
        values: (H, W, 1) or (H, W, 3).
        grid: The 2-D grid of the values.
        value_range: The values that become black and white; values outside are clipped.

    Raises:
        ValueError: The shape is another, the range is empty or reversed, or values are NaN, which
            no PNG can hold.
    """
    from PIL import Image

    array = as_real_image(values, grid, path)
    low, high = value_range
    if grid.ndim != 2 or array.shape[-1] not in (1, 3):
        raise ValueError(
            f"{path}: PNG holds (H, W, 1) or (H, W, 3), not {array.shape}. One slice, or .npz?"
        )
    if not (np.isfinite([low, high]).all() and low < high):
        raise ValueError(f"{path}: value_range={value_range} must be finite with low < high.")
    count = int(np.isnan(array).sum())
    if count:
        raise ValueError(
            f"{path}: {count} of {array.size} values are NaN; PNG has none. "
            "Pass values.nan_to_num()."
        )
    unit = np.clip((array.astype(np.float64) - low) / (high - low), 0, 1)
    if array.shape[-1] == 1:
        image = Image.fromarray(np.rint(unit[..., 0] * 65535).astype(np.uint16))
    else:
        image = Image.fromarray(np.rint(unit * 255).astype(np.uint8))
    with atomic_write(path) as temporary:
        image.save(temporary, format="PNG")
