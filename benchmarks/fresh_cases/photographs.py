"""Pictures of packages on which nothing of this library's restoration was chosen.

Tuned on were astronaut, chelsea ("cat") and coffee of scikit-image; shown in the docs are camera,
kodim04 and kodim23. None of them is here.
"""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import numpy as np
import skimage
import sklearn.datasets
import torch

from inverse_inr import io
from inverse_inr.domain import pixel_grid

FOLDER = Path(tempfile.gettempdir()) / "inverse_inr_fresh_photographs"


def _read(name: str) -> np.ndarray:
    if name in ("china", "flower"):
        return sklearn.datasets.load_sample_image(f"{name}.jpg") / 255.0
    from skimage.io import imread

    file = next((Path(skimage.__file__).parent / "data").glob(f"{name}.*"))
    return imread(file) / 255.0


@functools.cache
def picture(name: str, size: int, *, bin: int = 1, colour: bool = False) -> str:
    """A TIFF of the middle of a picture.

    Args:
        name: A file of scikit-image's without its ending, or "china" or "flower" of scikit-learn.
        size: The side in pixels.
        bin: Pixels averaged along each axis.
        colour: Keep three channels; else their mean.

    Returns:
        The path.
    """
    values = torch.from_numpy(np.atleast_3d(_read(name))).float()[..., :3]
    if not colour:
        values = values.mean(-1, keepdim=True)
    height, width = (n // bin for n in values.shape[:2])
    values = values[: height * bin, : width * bin].reshape(height, bin, width, bin, -1).mean((1, 3))
    top, left = (height - size) // 2, (width - size) // 2
    values = values[top : top + size, left : left + size].contiguous()
    FOLDER.mkdir(exist_ok=True)
    file = FOLDER / f"{name}_{size}_{bin}_{int(colour)}.tif"
    io.write_image(file, values, pixel_grid(tuple(values.shape[:2])))
    return str(file)
