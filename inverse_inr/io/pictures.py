"""Facts that PNG, JPEG and TIFF share: the orientation tag, palettes and transparency."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from inverse_inr.io.files import FileFormatError
from inverse_inr.io.inferred import infer
from inverse_inr.io.sizes import ANY_RATIO, DEFLATE, check_claim

ORIENTATION = 274
"""The tag of EXIF and TIFF that says how the stored rows and columns lie in the picture."""


def oriented(array: np.ndarray, orientation: int, path: Path) -> np.ndarray:
    """Turn and mirror a picture as its orientation tag says.

    Args:
        array: (h, w, ...) as stored.
        orientation: 1 to 8 as in EXIF and TIFF; 0, which cameras write for "unknown", leaves the
            array as it is.
        path: The file, for the message.

    Returns:
        (h, w, ...) or (w, h, ...), its first row at the top, its first column at the left.

    Raises:
        FileFormatError: There is no such orientation.

    Source:
        TIFF 6.0, tag 274; EXIF 2.3 has the same.
    """
    if not 0 <= orientation <= 8:
        raise FileFormatError(
            f"{path}: its orientation tag says {orientation}; 1 to 8 are defined. Damaged?"
        )
    if orientation > 1:
        infer(path, f"turned as its orientation tag {orientation} says.")
    if orientation > 4:  # 5 to 8: the stored rows are columns of the picture
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return np.ascontiguousarray(array)


def without_opaque_alpha(array: np.ndarray, keep: bool, path: Path, kind: str = "") -> np.ndarray:
    """Take off a transparency channel that says nothing; one that says something is refused.

    Args:
        array: (h, w, colours + 1) float, the last channel the opacity from 0 to 1.
        keep: Keep the channel, whatever it says.
        path: The file, for the message.
        kind: What is known of the channel, for the message: "straight ", "premultiplied ".

    Returns:
        (h, w, colours), or the whole array where `keep`.

    Raises:
        FileFormatError: Pixels are transparent, and `keep` is off.
    """
    if keep:
        return array
    clear = int((array[..., -1] < 1).sum())
    if clear:
        raise FileFormatError(
            f"{path}: {clear} of {array[..., -1].size} pixels are transparent ({kind}alpha), "
            "and what lies behind them is not in the file. Flatten it onto a background; "
            "or, if alpha says which pixels are known, give the file as the mask too."
        )
    infer(path, "its alpha channel is opaque everywhere and was dropped.")
    return array[..., :-1]


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a picture with Pillow, after a check that its size is one that can be.

    Args:
        path: The file.

    Yields:
        The `PIL.Image.Image`, whose pixels are not decoded yet.

    Raises:
        FileFormatError: The picture has several frames, or the file is too small for it.
        MemoryError: The picture is larger than the memory at hand.
    """
    from PIL import Image

    with Image.open(path) as image:
        ratio = DEFLATE if image.format == "PNG" else ANY_RATIO
        # a bit at least for each pixel of any picture; decoded, there are up to 8 bytes a sample
        check_claim(path, (image.height, image.width), 1 / 8, ratio=ratio)
        decoded = (image.height, image.width, len(image.getbands()))
        check_claim(path, decoded, 8, ratio=ANY_RATIO)
        frames = getattr(image, "n_frames", 1)
        if image.format == "PNG" and frames > 1:
            raise FileFormatError(
                f"{path}: expected one picture, found an animation of {frames} frames. "
                "Save the frame that is meant."
            )
        yield image


def orientation_of(image: Any) -> int:
    """The orientation that a picture opened by Pillow says, in its EXIF or XMP data.

    Args:
        image: A `PIL.Image.Image`.

    Returns:
        1 to 8, or another number where the tag is damaged; 1 where there is none.
    """
    found = image.getexif().get(ORIENTATION, 1)
    return found if isinstance(found, int) else -1
