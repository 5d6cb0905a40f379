"""Pictures of images, volumes, measurements and histories. Functions return matplotlib axes and never show anything.

Without `axes` a figure of its own is made by `matplotlib.figure.Figure`, so no backend or pyplot state is touched;
`axes.figure.savefig(...)` writes it, and a notebook displays `axes.figure`. Array axis 0 points down and complex
images show their modulus.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from inverse_inr.metrics import modulus

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL = 2.6
"""Width of one image in inches."""

Range = tuple[float, float]


def image(
    values: Tensor, *, axes: Axes | None = None, value_range: Range | None = None, title: str = ""
) -> Axes:
    """One 2-D image, (n, m) or (n, m, 1); a figure made here has a colour bar, given `axes` get none.

    Raises ValueError for other shapes.
    """
    picture = _plain("image", values, 2)
    own = axes is None
    axes = _figure(1.3 * PANEL, PANEL * _aspect([picture])).subplots() if axes is None else axes
    shown = _draw(axes, picture, _limits([picture], value_range), title)
    if own:
        axes.figure.colorbar(shown, ax=axes)
    return axes


def compare(
    images: Mapping[str, Tensor],
    *,
    value_range: Range | None = None,
    errors_against: str | None = None,
    error_range: Range | None = None,
    title: str = "",
) -> np.ndarray:
    """A row of named 2-D images on one colour scale; with `errors_against`, a second row of |image - that one|.

    Each row has one colour bar in its own space. Returns a (1 or 2, len(images)) array of axes.
    Raises ValueError for no images, shapes that are not 2-D, an unknown `errors_against` or shapes that differ from it.
    """
    if not images:
        raise ValueError("compare: there are no images.")
    pictures = {name: _plain(f"compare: {name!r}", v, 2) for name, v in images.items()}
    errors = {} if errors_against is None else _errors(images, errors_against)
    rows = 2 if errors_against is not None else 1
    height = rows * PANEL * _aspect(pictures.values()) + 0.35 * rows + (0.3 if title else 0)
    figure = _figure(PANEL * len(pictures) + 0.9, height)
    axes = figure.subplots(rows, len(pictures), squeeze=False)
    _row(figure, axes[0], pictures, value_range, "gray")
    if errors_against is not None:
        _row(
            figure,
            axes[1],
            errors,
            error_range or (0.0, _limits(errors.values(), None)[1]),
            "magma",
        )
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
                f"compare: {name!r} has shape {tuple(values.shape)} but {against!r} has {tuple(reference.shape)}."
            )
        # the difference of complex images, not of their moduli: a phase error is an error
        difference = _plain(name, values.detach().cpu() - reference, 2)
        errors[f"|{name} \N{MINUS SIGN} {against}|"] = (
            None if name == against else np.abs(difference)
        )
    return errors


def _row(
    figure: Figure,
    axes: Sequence[Axes],
    pictures: Mapping[str, np.ndarray | None],
    value_range: Range | None,
    cmap: str,
) -> None:
    """Pictures on one scale with one colour bar beside the last; None leaves its place empty."""
    limits, shown = _limits(pictures.values(), value_range), None
    for ax, (name, picture) in zip(axes, pictures.items(), strict=True):
        if picture is None:
            ax.set_axis_off()
        else:
            shown = _draw(ax, picture, limits, name, cmap)
    if shown is not None:
        figure.colorbar(shown, ax=list(axes), fraction=0.05, pad=0.02)


def gallery(
    rows: Sequence[Mapping[str, Tensor]], *, value_range: Range | None = None, title: str = ""
) -> np.ndarray:
    """Rows of named 2-D images, all on one colour scale with one colour bar; a shorter row leaves places empty.

    Returns a (len(rows), longest row) array of axes.
    Raises ValueError for no images or shapes that are not 2-D.
    """
    pictures = [
        {name: _plain(f"gallery: {name!r}", v, 2) for name, v in row.items()} for row in rows
    ]
    flat = [p for row in pictures for p in row.values()]
    if not flat:
        raise ValueError("gallery: there are no images.")
    columns, limits = max(map(len, pictures)), _limits(flat, value_range)
    height = len(rows) * (PANEL * _aspect(flat) + 0.35) + (0.3 if title else 0)
    figure = _figure(PANEL * columns + 0.9, height)
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for line, row in zip(axes, pictures, strict=True):
        for ax in line[len(row) :]:
            ax.set_axis_off()
        for ax, (name, picture) in zip(line, row.items(), strict=False):
            _draw(ax, picture, limits, name)
    drawn = next(ax.images[0] for ax in axes.flat if ax.images)
    figure.colorbar(drawn, ax=axes, fraction=0.05, pad=0.02, aspect=20 * len(rows))
    if title:
        figure.suptitle(title)
    return axes


def slices(
    volume: Tensor,
    *,
    spacing: Sequence[float] = (1.0, 1.0, 1.0),
    value_range: Range | None = None,
    title: str = "",
) -> np.ndarray:
    """The three centre planes of a volume, (n, m, k) or (n, m, k, 1), on one colour scale: an array of 3 axes.

    `spacing` is the voxel size along each axis (`grid.spacing`), so that thick slices look thick.
    Raises ValueError for other shapes or a spacing that is not three positive numbers.
    """
    block = _plain("slices", volume, 3)
    if len(spacing) != 3 or min(spacing) <= 0:
        raise ValueError(f"slices: spacing={tuple(spacing)} must be three positive voxel sizes.")
    lengths = [n * h for n, h in zip(block.shape, spacing, strict=True)]
    planes = [(1, 2), (0, 2), (0, 1)]
    ratios = [lengths[across] for _, across in planes]
    tallest = max(lengths[down] for down, _ in planes)
    figure = _figure(3 * PANEL + 0.9, 3 * PANEL * tallest / sum(ratios) + (0.7 if title else 0.4))
    axes = figure.subplots(1, 3, width_ratios=ratios)
    limits, shown = _limits([block], value_range), None
    for k, (ax, (down, across)) in enumerate(zip(axes, planes, strict=True)):
        middle = block.shape[k] // 2
        shown = _draw(ax, np.take(block, middle, k), limits, f"axis {k}, slice {middle}")
        ax.set_aspect(spacing[down] / spacing[across])
    assert shown is not None
    figure.colorbar(shown, ax=list(axes), fraction=0.05, pad=0.02)
    if title:
        figure.suptitle(title)
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
    """Measurements kept flat along rows, shown as an image of the operator's natural `shape`.

    Args:
        y: The measurements, as many as `shape` has entries.
        shape: Two numbers, e.g. (views, detectors) of a scan; the first axis points down.
        labels: What the two axes are, e.g. ("view", "detector").
        axes: Matplotlib axes to draw in; a figure of its own where None.
        value_range: Least and largest value shown; those of `y` where None.
        title: Above the image.

    Raises:
        ValueError: `shape` is not two numbers whose product is the number of measurements.
    """
    if len(shape) != 2 or math.prod(shape) != y.numel():
        raise ValueError(
            f"measurements: y of shape {tuple(y.shape)} does not fill an image of {tuple(shape)}."
        )
    picture = _plain("measurements", y.reshape(tuple(shape)), 2)
    own = axes is None
    axes = _figure(1.7 * PANEL, 1.3 * PANEL).subplots() if axes is None else axes
    shown = _draw(axes, picture, _limits([picture], value_range), title)
    axes.set(aspect="auto", xlabel=labels[1], ylabel=labels[0])
    axes.tick_params(left=True, bottom=True, labelleft=True, labelbottom=True)
    if own:
        axes.figure.colorbar(shown, ax=axes)
    return axes


def history(
    history: Sequence[Mapping[str, Any]],
    *,
    keys: Sequence[str] = ("loss", "held_out"),
    axes: Axes | None = None,
) -> Axes:
    """Curves against "step" of those `keys` that any record has; a record without a key is skipped for its curve.

    The scale is logarithmic unless a value is not positive (a log-likelihood may be anything).
    Raises ValueError where no record has any of the keys.
    """
    curves = {
        key: [(r["step"], float(r[key])) for r in history if r.get(key) is not None] for key in keys
    }
    curves = {key: points for key, points in curves.items() if points}
    if not curves:
        present = sorted({key for record in history for key in record})
        raise ValueError(
            f"history: none of {list(keys)} is in the {len(history)} records, which have {present}."
        )
    axes = _figure(1.9 * PANEL, 1.2 * PANEL).subplots() if axes is None else axes
    for key, points in curves.items():
        # a rare measurement is marked: without, a single point would not be seen
        axes.plot(
            *zip(*points, strict=True),
            label=key.replace("_", " "),
            marker="o" if len(points) < 20 else "",
            ms=3,
        )
    if all(value > 0 for points in curves.values() for _, value in points):
        axes.set_yscale("log")
    axes.set_xlabel("step")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return axes


def _figure(width: float, height: float) -> Figure:
    """A figure of that many inches that belongs to no backend; compressed keeps bars as tall as their images."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="compressed")


def _plain(name: str, values: Tensor, ndim: int) -> np.ndarray:
    """A real array of `ndim` axes: moduli of complex values, without a channel axis of size 1."""
    values = values.detach().cpu()
    if values.ndim == ndim + 1 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.ndim != ndim or 0 in values.shape:
        hint = "; pick one channel, values[..., k]" if values.ndim == ndim + 1 else ""
        hint += ", or for a volume use slices" if values.ndim == 3 and ndim == 2 else ""
        raise ValueError(f"{name}: shape {tuple(values.shape)} is no {ndim}-D image{hint}.")
    return modulus(values).double().numpy()


def _limits(pictures: Iterable[np.ndarray | None], value_range: Range | None) -> Range:
    """The given range, or the one of all finite values; never empty."""
    if value_range is not None:
        low, high = map(float, value_range)
        if not low < high:
            raise ValueError(f"value_range={value_range} must be (low, high) with low < high.")
        return low, high
    finite = [p[np.isfinite(p)] for p in pictures if p is not None]
    values = np.concatenate(finite) if finite else np.zeros(1)
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    return (low, high) if low < high else (low, low + 1)


def _aspect(pictures: Iterable[np.ndarray]) -> float:
    """Height over width of the tallest picture."""
    return max(p.shape[0] / p.shape[1] for p in pictures)


def _draw(axes: Axes, picture: np.ndarray, limits: Range, title: str, cmap: str = "gray") -> Any:
    """The picture without ticks; returns what a colour bar needs."""
    axes.set_title(
        textwrap.fill(title, 28), fontsize="medium"
    )  # a long name would run into its neighbour's
    axes.tick_params(left=False, bottom=False, labelleft=False, labelbottom=False)
    return axes.imshow(picture, cmap=cmap, vmin=limits[0], vmax=limits[1], interpolation="nearest")
