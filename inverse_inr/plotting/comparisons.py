"""Pictures of several images on one colour scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from inverse_inr.plotting.panels import (
    PANEL,
    Range,
    color_limits,
    draw,
    make_figure,
    tallest_aspect,
    title_height,
    to_picture,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def compare(
    images: Mapping[str, Tensor],
    *,
    value_range: Range | None = None,
    errors_against: str | None = None,
    error_range: Range | None = None,
    title: str = "",
) -> np.ndarray:
    """Draw named 2-D images side by side on one colour scale, with their errors below if wanted.

    Each line of images has one colour bar in a space of its own. Below the image that errors refer
    to stand cuts through all images, along the row in which it varies most.

    Args:
        images: (n, m) or (n, m, 1) images by name.
        value_range: Least and largest value of the first line; those of the images if None.
        errors_against: Name of the image that a second line, |image - that one|, refers to.
        error_range: Least and largest value of the second line; from 0 to the largest if None.
        title: Text above the figure.

    Returns:
        (1 or 2, images) array of axes.

    Raises:
        ValueError: There are no images, one is not 2-D, `errors_against` is unknown or an image
            differs from it in shape.
    """
    if not images:
        raise ValueError("compare: there are no images.")
    pictures = {name: to_picture(f"compare: {name!r}", v, 2) for name, v in images.items()}
    errors: dict[str, np.ndarray | None] = {}
    lines = 1
    if errors_against is not None:
        errors = _errors(images, errors_against)
        lines = 2
    height = lines * PANEL * tallest_aspect(pictures.values()) + 0.35 * lines + title_height(title)
    figure = make_figure(PANEL * len(pictures) + 0.9, height)
    axes = figure.subplots(lines, len(pictures), squeeze=False)
    _draw_line(figure, axes[0], pictures, value_range, "gray")
    if errors_against is not None:
        error_range = error_range or (0.0, color_limits(errors.values(), None)[1])
        _draw_line(figure, axes[1], errors, error_range, "magma")
        place = list(pictures).index(errors_against)
        _draw_cut(axes[0, place], axes[1, place], pictures, errors_against)
    if title:
        figure.suptitle(title)
    return axes


def _errors(images: Mapping[str, Tensor], against: str) -> dict[str, np.ndarray | None]:
    """|image - reference| by title; None in the reference's own place."""
    if against not in images:
        raise ValueError(
            f"compare: errors_against={against!r} is none of the images {list(images)}."
        )
    reference = images[against].detach().cpu()
    errors: dict[str, np.ndarray | None] = {}
    for name, values in images.items():
        if values.shape != reference.shape:
            raise ValueError(
                f"compare: {name!r} has shape {tuple(values.shape)} "
                f"but {against!r} has {tuple(reference.shape)}."
            )
        # the difference of complex images, not of their moduli: a phase error is an error
        difference = to_picture(name, values.detach().cpu() - reference, 2)
        heading = f"|{name} \N{MINUS SIGN} {against}|"
        errors[heading] = None
        if name != against:
            errors[heading] = np.abs(difference)
    return errors


def _draw_line(
    figure: Figure,
    axes: Sequence[Axes],
    pictures: Mapping[str, np.ndarray | None],
    value_range: Range | None,
    cmap: str,
) -> None:
    """Draw pictures on one scale with one colour bar after the last; None leaves a place empty."""
    limits = color_limits(pictures.values(), value_range)
    shown = None
    for ax, (name, picture) in zip(axes, pictures.items(), strict=True):
        if picture is None:
            ax.set_axis_off()
        else:
            shown = draw(ax, picture, limits, name, cmap)
    if shown is not None:
        figure.colorbar(shown, ax=list(axes), fraction=0.05, pad=0.02)


def _draw_cut(
    picture_axes: Axes, axes: Axes, pictures: Mapping[str, np.ndarray], against: str
) -> None:
    """Draw all pictures along one row of the reference, and mark the row in its picture."""
    reference = pictures[against]
    steps = np.abs(np.diff(reference, axis=1, append=reference[:, -1:]))
    row = int(np.nansum(steps, 1).argmax())
    picture_axes.axhline(row, color="tab:cyan", linewidth=0.8, linestyle="--")
    axes.set_axis_on()
    for name, picture in pictures.items():
        if name != against:
            axes.plot(picture[row], linewidth=0.8, label=name)
    axes.plot(reference[row], color="black", linewidth=0.8, linestyle="--", label=against)
    axes.set_title(f"row {row}", fontsize="medium")
    axes.tick_params(labelsize=6)
    axes.legend(fontsize=5, framealpha=0.7, edgecolor="none")
    axes.margins(x=0)


def gallery(
    rows: Sequence[Mapping[str, Tensor]], *, value_range: Range | None = None, title: str = ""
) -> np.ndarray:
    """Draw several lines of named 2-D images, all on one colour scale with one colour bar.

    Args:
        rows: Lines of images, each by name; a shorter line leaves places empty.
        value_range: Least and largest value shown; those of all images if None.
        title: Text above the figure.

    Returns:
        (lines, longest line) array of axes.

    Raises:
        ValueError: There are no images, or one is not 2-D.
    """
    pictures = [
        {name: to_picture(f"gallery: {name!r}", v, 2) for name, v in row.items()} for row in rows
    ]
    flat = [p for row in pictures for p in row.values()]
    if not flat:
        raise ValueError("gallery: there are no images.")
    columns = max(map(len, pictures))
    limits = color_limits(flat, value_range)
    height = len(rows) * (PANEL * tallest_aspect(flat) + 0.35) + title_height(title)
    figure = make_figure(PANEL * columns + 0.9, height)
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for line, row in zip(axes, pictures, strict=True):
        for ax in line[len(row) :]:
            ax.set_axis_off()
        for ax, (name, picture) in zip(line, row.items(), strict=False):
            draw(ax, picture, limits, name)
    drawn = next(ax.images[0] for ax in axes.flat if ax.images)
    figure.colorbar(drawn, ax=axes, fraction=0.05, pad=0.02, aspect=20 * len(rows))
    if title:
        figure.suptitle(title)
    return axes
