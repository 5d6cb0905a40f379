"""Fill lost pixels, which are NaN, from the known ones around them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def nearest_filled(image: Tensor) -> Tensor:
    """The image with its NaN replaced by the nearest value of their channel.

    Args:
        image: (h, w, c), NaN where a pixel is lost.

    Returns:
        The image without NaN.
    """
    from scipy.ndimage import distance_transform_edt

    out = torch.empty_like(image)
    for c in range(image.shape[-1]):
        missing = image[..., c].isnan().numpy()
        place = distance_transform_edt(missing, return_distances=False, return_indices=True)
        assert isinstance(place, np.ndarray)
        out[..., c] = image[..., c][tuple(torch.from_numpy(i).long() for i in place)]
    return out


def completed(image: Tensor) -> Tensor:
    """The image with its NaN replaced by the mean of the nearest known pixels, ring by ring.

    Args:
        image: (h, w, c), NaN where a pixel is lost.

    Returns:
        The image without NaN.
    """
    missing = image.isnan()
    while bool(missing.any()):
        known = (~missing).to(image.dtype).movedim(-1, 0)[:, None]
        values = image.nan_to_num(0.0).movedim(-1, 0)[:, None]
        kernel = image.new_ones(1, 1, 3, 3)
        count = torch.conv2d(known, kernel, padding=1)[:, 0].movedim(0, -1)
        total = torch.conv2d(values, kernel, padding=1)[:, 0].movedim(0, -1)
        image = torch.where(missing & (count > 0), total / count.clamp(min=1), image)
        missing = image.isnan()
    return image
