"""Colour pictures of packages, those that are tuned on and those that are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import skimage
import sklearn.datasets
from skimage.io import imread

TUNED = ("astronaut", "chelsea", "coffee", "rocket", "camera", "moon", "grass", "coins")
"""Pictures on which the entropy model is trained and rates are tried."""
FRESH = ("china", "flower", "motorcycle_left", "retina")
"""Pictures on which nothing was chosen."""


def picture(
    name: str, size: int = 256, *, shrink: int = 1, at: tuple[int, int] | None = None
) -> np.ndarray:
    """Read a crop of a picture.

    Args:
        name: A file of scikit-image's without its ending, or "china" or "flower" of scikit-learn.
        size: The side of the crop in pixels.
        shrink: Pixels averaged along each axis.
        at: The crop's first row and column; None for the middle.

    Returns:
        (size, size, 1 or 3), from 0 to 1.
    """
    if name in ("china", "flower"):
        values = sklearn.datasets.load_sample_image(f"{name}.jpg") / 255.0
    else:
        file = next((Path(skimage.__file__).parent / "data").glob(f"{name}.*"))
        values = np.atleast_3d(imread(file))[..., :3] / 255.0
    height, width = (n // shrink for n in values.shape[:2])
    values = values[: height * shrink, : width * shrink]
    values = values.reshape(height, shrink, width, shrink, -1).mean((1, 3))
    top, left = ((height - size) // 2, (width - size) // 2) if at is None else at
    return values[top : top + size, left : left + size]
