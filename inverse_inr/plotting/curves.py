"""Curves: what a solver recorded during a run, and fields on a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

from inverse_inr.plotting.panels import PANEL, make_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEW_POINTS = 20
"""Curves of fewer points have markers: without, a single point would not be seen."""


def history(
    history: Sequence[Mapping[str, Any]],
    *,
    keys: Sequence[str] = ("loss", "held_out"),
    axes: Axes | None = None,
) -> Axes:
    """Draw what a run recorded as curves against its steps.

    The scale is logarithmic unless a value is not positive (a log-likelihood may be anything).

    Args:
        history: Records of a run, each with "step"; a record without a key is left out of its
            curve.
        keys: Names of the curves to draw, where any record has them.
        axes: Matplotlib axes to draw in; a figure of its own if None.

    Returns:
        The axes.

    Raises:
        ValueError: No record has any of the keys.
    """
    curves: dict[str, list[tuple[float, float]]] = {}
    for key in keys:
        points = [(r["step"], float(r[key])) for r in history if r.get(key) is not None]
        if points:
            curves[key] = points
    if not curves:
        present = sorted({key for record in history for key in record})
        raise ValueError(
            f"history: none of {list(keys)} is in the {len(history)} records, which have {present}."
        )
    axes = make_axes(axes, 1.9 * PANEL, 1.2 * PANEL)
    for key, points in curves.items():
        steps, values = zip(*points, strict=True)
        marker = ""
        if len(points) < FEW_POINTS:
            marker = "o"
        axes.plot(steps, values, label=key.replace("_", " "), marker=marker, ms=3)
    if all(value > 0 for points in curves.values() for _, value in points):
        axes.set_yscale("log")
    axes.set_xlabel("step")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return axes


def profiles(
    fields: Mapping[str, Tensor], positions: Tensor, *, unit: str = "", axes: Axes | None = None
) -> Axes:
    """Draw fields on a line as curves over their positions.

    Args:
        fields: (n,) values by name; of complex ones the modulus is drawn. One that is called
            "truth" is black and broken.
        positions: (n,) coordinates.
        unit: Unit of the coordinates.
        axes: Matplotlib axes to draw in; a figure of its own if None.

    Returns:
        The axes.

    Raises:
        ValueError: There are no fields, or one has another shape than the positions.
    """
    if not fields:
        raise ValueError("profiles: there are no fields.")
    axes = make_axes(axes, 1.9 * PANEL, 1.2 * PANEL)
    for name, values in fields.items():
        if values.shape != positions.shape or positions.ndim != 1:
            raise ValueError(
                f"profiles: {name!r} has shape {tuple(values.shape)}, the positions "
                f"{tuple(positions.shape)}; both must be (n,)."
            )
        seen = values.detach().cpu()
        if seen.is_complex():
            seen = seen.abs()
        style: dict[str, Any] = {}
        if name == "truth":
            style = {"color": "black", "linestyle": "--", "zorder": 3}
        axes.plot(positions.cpu().numpy(), seen.numpy(), label=name, **style)
    axes.set_xlabel(unit or "position")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return axes
