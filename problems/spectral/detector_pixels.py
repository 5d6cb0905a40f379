"""Pixels of a measured snapshot that are no measurement, and masks that are no mask."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from inverse_inr.io import FileFormatError

SHARED = 10
"""Pixels that may share the largest value of a snapshot by chance or by rounding."""

CLIPPED = 3
"""How many times as many pixels share the largest value of a clipped snapshot as the next value."""

ALONE = 4.0
"""How many times as bright as all its neighbours a pixel is that no light explains."""

NEGATIVE = 0.05
"""Negative transmission, as a fraction of the largest, that a dark frame's noise explains."""


def hot_pixels(y: Tensor) -> Tensor:
    """Find single pixels that outshine all others nearby: defects, or cosmic rays.

    A scene's light is dispersed and blurred, so it never falls on one pixel alone.

    Args:
        y: (H, W) counts; NaN and Inf are not looked at.

    Returns:
        (H, W) bool.
    """
    from scipy.ndimage import maximum_filter

    seen = y.nan_to_num(0.0, 0.0, 0.0).numpy()
    around = np.ones((5, 5), dtype=bool)
    around[2, 2] = False
    near = maximum_filter(seen, footprint=around, mode="reflect")
    usual = np.quantile(seen, 0.99)
    return torch.from_numpy((seen > ALONE * near) & (seen > ALONE * usual) & (usual > 0))


def clipped_pixels(y: Tensor) -> Tensor:
    """Find pixels at the detector's ceiling: many share the largest value, few the next one.

    Args:
        y: (H, W) counts.

    Returns:
        (H, W) bool, all False where nothing is clipped.
    """
    levels, counts = y[torch.isfinite(y)].unique(return_counts=True)
    if len(levels) < 2 or int(counts[-1]) <= max(SHARED, CLIPPED * int(counts[-2])):
        return torch.zeros(y.shape, dtype=torch.bool)
    return y == levels[-1]


def check_transmission(path: object, name: str, mask: Tensor, must_vary: bool) -> None:
    """Check that a mask is the fraction of light that each of its pixels passes.

    Args:
        path: Its file.
        name: Its variable.
        mask: (H, W).
        must_vary: Refuse a mask that is the same everywhere.

    Raises:
        FileFormatError: It holds NaN or Inf, passes nothing, is negative, or does not vary.
    """
    if not bool(torch.isfinite(mask).all()) or not bool((mask > 0).any()):
        raise FileFormatError(
            f"{path}: {name} holds NaN or Inf, or lets no light through. "
            "A mask is the fraction of light that each pixel passes."
        )
    low = float(mask.min())
    high = float(mask.max())
    if low < -NEGATIVE * high:
        raise FileFormatError(
            f"{path}: {name} goes from {low:g} to {high:g}; a mask is the fraction of light that "
            "each pixel passes, and is not negative. A code of -1 and 1 (it passes 0 and 1), or "
            "too much dark subtracted?"
        )
    if must_vary and high - low <= 1e-6 * high:
        raise FileFormatError(
            f"{path}: {name} is {high:g} everywhere: it codes nothing. Another variable, or "
            "fractions stored as whole numbers? check_mask=False takes it as it is."
        )


def check_axes(path: object, name: str, array: np.ndarray, what: str) -> None:
    """Check that a variable is one real image.

    Args:
        path: Its file.
        name: Its name.
        array: Its values.
        what: "snapshot" or "mask".

    Raises:
        FileFormatError: It is not.
    """
    if array.dtype.kind in "iufb" and array.ndim == 2 and 0 not in array.shape:
        return
    slip = ""
    if array.ndim == 3 and what == "mask":
        slip = (
            " One mask for each band is not read: give the (H, W) mask of the bench calibration, "
            "before it is shifted from band to band."
        )
    elif array.ndim == 3:
        slip = " Several snapshots, or colours? Give one of them."
    elif array.dtype.kind == "c":
        slip = " A field's amplitude is no count of light."
    raise FileFormatError(
        f"{path}: {name} is {array.dtype} of shape {array.shape}; expected a {what}, a real image "
        f"of two axes.{slip}"
    )
