"""Pictures of one image, of measurements, and of the three centre planes of a volume."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from inverse_inr.plotting.panels import (
    PANEL,
    Range,
    color_limits,
    draw,
    make_axes,
    make_figure,
    tallest_aspect,
    to_picture,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def image(
    values: Tensor, *, axes: Axes | None = None, value_range: Range | None = None, title: str = ""
) -> Axes:
    """Draw one 2-D image.

    Args:
        values: (n, m) or (n, m, 1) image; a complex one shows its modulus.
        axes: Matplotlib axes to draw in; None makes a figure, which also gets a colour bar.
        value_range: Least and largest value shown; those of the image if None.
        title: Text above the image.

    Returns:
        The axes.

    Raises:
        ValueError: The image has another shape.
    """
    picture = to_picture("image", values, 2)
    own = axes is None
    axes = make_axes(axes, 1.3 * PANEL, PANEL * tallest_aspect([picture]))
    shown = draw(axes, picture, color_limits([picture], value_range), title)
    if own:
        axes.figure.colorbar(shown, ax=axes)
    return axes


def measurements(
    y: Tensor,
    shape: tuple[int, int],
    *,
    labels: tuple[str, str] = ("", ""),
    axes: Axes | None = None,
    value_range: Range | None = None,
    title: str = "",
) -> Axes:
    """Draw measurements kept flat along rows as an image of the operator's natural shape.

    Args:
        y: The measurements, as many as `shape` has entries.
        shape: Two numbers, e.g. (views, detectors) of a scan; the first axis points down.
        labels: Names of the two axes, e.g. ("view", "detector").
        axes: Matplotlib axes to draw in; None makes a figure, which also gets a colour bar.
        value_range: Least and largest value shown; those of `y` if None.
        title: Text above the image.

    Returns:
        The axes.

    Raises:
        ValueError: `shape` is not two numbers whose product is the number of measurements.
    """
    if len(shape) != 2 or math.prod(shape) != y.numel():
        raise ValueError(
            f"measurements: y of shape {tuple(y.shape)} does not fill an image of {tuple(shape)}."
        )
    picture = to_picture("measurements", y.reshape(tuple(shape)), 2)
    own = axes is None
    axes = make_axes(axes, 1.7 * PANEL, 1.3 * PANEL)
    shown = draw(axes, picture, color_limits([picture], value_range), title)
    axes.set(aspect="auto", xlabel=labels[1], ylabel=labels[0])
    axes.tick_params(left=True, bottom=True, labelleft=True, labelbottom=True)
    if own:
        axes.figure.colorbar(shown, ax=axes)
    return axes


def slices(
    volume: Tensor,
    *,
    spacing: Sequence[float] = (1.0, 1.0, 1.0),
    value_range: Range | None = None,
    title: str = "",
) -> np.ndarray:
    """Draw the three centre planes of a volume on one colour scale.

    Args:
        volume: (n, m, k) or (n, m, k, 1) values; complex ones show their moduli.
        spacing: Voxel size along each axis (`grid.spacing`), so that thick slices look thick.
        value_range: Least and largest value shown; those of the volume if None.
        title: Text above the figure.

    Returns:
        (3,) array of axes.

    Raises:
        ValueError: The volume has another shape, or `spacing` is not three positive numbers.
    """
    block = to_picture("slices", volume, 3)
    if len(spacing) != 3 or min(spacing) <= 0:
        raise ValueError(f"slices: spacing={tuple(spacing)} must be three positive voxel sizes.")
    lengths = [n * h for n, h in zip(block.shape, spacing, strict=True)]
    planes = [(1, 2), (0, 2), (0, 1)]
    ratios = [lengths[across] for _, across in planes]
    tallest = max(lengths[down] for down, _ in planes)
    margin = 0.4
    if title:
        margin = 0.7
    figure = make_figure(3 * PANEL + 0.9, 3 * PANEL * tallest / sum(ratios) + margin)
    axes = figure.subplots(1, 3, width_ratios=ratios)
    limits = color_limits([block], value_range)
    shown = None
    for k, (ax, (down, across)) in enumerate(zip(axes, planes, strict=True)):
        middle = block.shape[k] // 2
        shown = draw(ax, np.take(block, middle, k), limits, f"axis {k}, slice {middle}")
        ax.set_aspect(spacing[down] / spacing[across])
    assert shown is not None
    figure.colorbar(shown, ax=list(axes), fraction=0.05, pad=0.02)
    if title:
        figure.suptitle(title)
    return axes
