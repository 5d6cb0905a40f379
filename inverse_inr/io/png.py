"""PNG through Pillow: grey of 1 to 16 bits, 8-bit RGB and palettes, on a grid of pixels.

Pictures are turned as an orientation tag (eXIf) says.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
from inverse_inr.io.pictures import opened, orientation_of, oriented, without_opaque_alpha
from inverse_inr.io.provenance import KEY, current_record
from inverse_inr.ranges import checked

EXPECTED = "a grey or RGB PNG image"
"""The kind of file that is read, for messages."""
COLOURS = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGB with alpha"}
"""Colour types by their codes in a PNG header."""


@checked
def read_png(path: PathLike, *, alpha: bool = False) -> tuple[Tensor, Grid]:
    """Read a PNG image; a palette is read as its colours.

    An alpha channel that is opaque everywhere is dropped; a transparent pixel is refused.

    Args:
        path: The file.
        alpha: Keep a transparency channel as the last one, whatever it says (as for masks).

    Returns:
        Values (H, W, 1 or 3) float32 in [0, 1], 8-bit samples / 255 or 16-bit samples / 65535, and
        a grid in pixels. Fewer bits are scaled so that the largest number is 1.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is damaged or of another kind, some of its pixels are transparent,
            it is animated, or it is 16-bit RGB, which Pillow would halve.
        MemoryError: The picture is larger than the memory at hand.
    """
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
        if colour == "unknown" or (depth == 16 and colour != "grey"):
            raise FileFormatError(
                f"{file}: expected {EXPECTED}, found {depth}-bit {colour}. "
                "Convert it to 8-bit RGB, or to a TIFF, which keeps the bits."
            )
        with opened(file) as image:
            array = _samples(image, file, depth)
            if image.mode == "P" and "transparency" not in image.info:
                array = array[..., :3]
            elif array.shape[-1] in (2, 4):
                array = without_opaque_alpha(array, alpha, file)
            array = oriented(array, orientation_of(image), file)
    values = array.astype(np.float32)
    return torch.from_numpy(values), pixel_grid((values.shape[0], values.shape[1]))


def _samples(image: Any, path: Path, depth: int) -> np.ndarray:
    """The samples (h, w, channels) from 0 to 1, with an alpha channel wherever there is one."""
    transparent = image.info.get("transparency")
    if image.mode == "P":
        _check_palette(image, path)
        image = image.convert("RGBA")
    elif image.mode == "1":
        image = image.convert("L")
    stored = np.array(image)
    full_scale = 255
    if depth == 16:
        full_scale = 65535
    array = stored.astype(np.float64).reshape(*stored.shape[:2], -1) / full_scale
    if image.mode in ("LA", "RGBA") or transparent is None:
        return array
    # one colour that stands for "nothing here", in place of an alpha channel
    key = np.reshape(transparent, -1)
    if depth < 8:  # Pillow spreads the samples over 0 to 255, but not this one
        key = key * (255 // (2**depth - 1))
    if key.size != array.shape[-1] and stored.ndim == 3:
        raise FileFormatError(f"{path}: its transparent colour {transparent!r} is no colour.")
    there = (stored.reshape(*stored.shape[:2], -1) != key).any(-1, keepdims=True)
    return np.concatenate([array, there], -1)


def _check_palette(image: Any, path: Path) -> None:
    """Refuse a picture whose pixels name colours that its palette has not."""
    colours = len(image.getpalette() or ()) // 3
    largest = int(np.array(image).max())
    if largest >= colours:
        raise FileFormatError(
            f"{path}: a pixel names colour {largest}; the palette has {colours}. Damaged?"
        )


@checked
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
    from PIL import Image, PngImagePlugin

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
    texts = PngImagePlugin.PngInfo()
    record = current_record()
    if record is not None:
        texts.add_text(KEY, record)
    with atomic_write(path) as temporary:
        image.save(temporary, format="PNG", pnginfo=texts)
