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
COLOURS = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGB with alpha"}


def read_png(path: PathLike) -> tuple[Tensor, Grid]:
    """Values (H, W, 1 or 3) float32 in [0, 1]: 8-bit samples / 255, 16-bit ones / 65535; grid in pixels.

    Raises FileNotFoundError, FileFormatError (also for palettes, alpha channels and 16-bit RGB).
    """
    from PIL import Image

    with reading(path, EXPECTED, ("PNG",)) as file:
        with file.open("rb") as stream:
            header = stream.read(26)
        if len(header) < 26 or signature(file) != "PNG":
            raise FileFormatError(
                f"{file}: expected {EXPECTED}, found {describe(file)}. Wrong suffix?"
            )
        depth, colour = header[24], COLOURS.get(header[25], "unknown")
        # Pillow would halve the bits of 16-bit RGB without a word
        if colour not in ("grey", "RGB") or (colour == "RGB" and depth != 8):
            raise FileFormatError(
                f"{file}: expected {EXPECTED}, found {depth}-bit {colour}. Convert it to 8-bit RGB."
            )
        with Image.open(file) as image:
            array = np.array(image.convert("L") if image.mode == "1" else image, dtype=np.float64)
    array = (array / (65535 if depth == 16 else 255)).astype(np.float32)
    height, width = array.shape[:2]
    return torch.from_numpy(array.reshape(height, width, -1)), pixel_grid((height, width))


def write_png(
    path: PathLike, values: Tensor, grid: Grid, *, value_range: tuple[float, float] = (0.0, 1.0)
) -> None:
    """Write (H, W, 1) values as 16-bit grey or (H, W, 3) as 8-bit RGB; `value_range` maps to black and white.

    Values outside are clipped; the box is not stored. Raises ValueError for other shapes, an empty or reversed range,
    and NaN, which no PNG can hold.
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
    if count := int(np.isnan(array).sum()):
        raise ValueError(
            f"{path}: {count} of {array.size} values are NaN; PNG has none. Pass values.nan_to_num()."
        )
    unit = np.clip((array.astype(np.float64) - low) / (high - low), 0, 1)
    if array.shape[-1] == 1:
        image = Image.fromarray(np.rint(unit[..., 0] * 65535).astype(np.uint16))
    else:
        image = Image.fromarray(np.rint(unit * 255).astype(np.uint8))
    with atomic_write(path) as temporary:
        image.save(temporary, format="PNG")
