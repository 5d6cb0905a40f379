"""The helpers that all pictures share: figures, arrays to draw, colour scales and one panel."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from inverse_inr.metrics import modulus

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL = 2.6
"""Width of one image in inches."""

TITLE_HEIGHT = 0.3
"""Height in inches that a title above all panels needs."""

TITLE_WIDTH = 28
"""Characters of a panel's title per line: a longer name would run into its neighbour's."""

Range = tuple[float, float]
"""The least and the largest value of a colour scale."""


def make_figure(width: float, height: float) -> Figure:
    """Make a figure that belongs to no backend.

    Its layout is "compressed", which keeps colour bars as tall as their images.

    Args:
        width: Width in inches.
        height: Height in inches.

    Returns:
        The empty figure.
    """
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="compressed")


def make_axes(axes: Axes | None, width: float, height: float) -> Axes:
    """Take the axes to draw in, or make them in a figure of their own.

    Args:
        axes: Axes that the caller gave, or None.
        width: Width of a new figure in inches.
        height: Height of a new figure in inches.

    Returns:
        The axes.
    """
    if axes is not None:
        return axes
    return make_figure(width, height).subplots()


def title_height(title: str) -> float:
    """Height in inches to reserve for a figure's title: 0 for an empty one."""
    if not title:
        return 0
    return TITLE_HEIGHT


def to_picture(name: str, values: Tensor, ndim: int) -> np.ndarray:
    """Convert an image to the array that is drawn.

    Args:
        name: Name of the image in error messages.
        values: Image of `ndim` axes, real or complex; a last axis of size 1 may follow.
        ndim: Number of axes of the array.

    Returns:
        A float64 array of `ndim` axes; complex values give their moduli.

    Raises:
        ValueError: The image has another number of axes or is empty.
    """
    values = values.detach().cpu()
    if values.ndim == ndim + 1 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.ndim != ndim or 0 in values.shape:
        hint = ""
        if values.ndim == ndim + 1:
            hint = "; pick one channel, values[..., k]"
        if values.ndim == 3 and ndim == 2:
            hint += ", or for a volume use slices"
        raise ValueError(f"{name}: shape {tuple(values.shape)} is no {ndim}-D image{hint}.")
    return modulus(values).double().numpy()


def color_limits(pictures: Iterable[np.ndarray | None], value_range: Range | None) -> Range:
    """Choose the colour scale of some pictures.

    Args:
        pictures: The arrays; None stands for an empty place.
        value_range: A range that the caller gave, or None for that of all finite values.

    Returns:
        The range, never empty.

    Raises:
        ValueError: The given range is not (low, high) with low < high.
    """
    if value_range is not None:
        low, high = map(float, value_range)
        if not low < high:
            raise ValueError(f"value_range={value_range} must be (low, high) with low < high.")
        return low, high
    finite = [p[np.isfinite(p)] for p in pictures if p is not None]
    values = np.concatenate([np.zeros(0), *finite])
    if not values.size:
        return 0.0, 1.0
    low = float(values.min())
    high = float(values.max())
    if low == high:
        return low, low + 1
    return low, high


def tallest_aspect(pictures: Iterable[np.ndarray]) -> float:
    """Height over width of the picture that is tallest for its width."""
    return max(p.shape[0] / p.shape[1] for p in pictures)


def draw(axes: Axes, picture: np.ndarray, limits: Range, title: str, cmap: str = "gray") -> Any:
    """Draw one picture without ticks.

    Args:
        axes: The axes to draw in.
        picture: (n, m) array.
        limits: The colour scale.
        title: Text above the picture, wrapped to its width.
        cmap: Name of matplotlib's colour map.

    Returns:
        Matplotlib's image, which a colour bar needs.
    """
    axes.set_title(textwrap.fill(title, TITLE_WIDTH), fontsize="medium")
    axes.tick_params(left=False, bottom=False, labelleft=False, labelbottom=False)
    return axes.imshow(picture, cmap=cmap, vmin=limits[0], vmax=limits[1], interpolation="nearest")
