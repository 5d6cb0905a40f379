"""Axes and labels of this folder's figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def panels(count: int) -> Sequence[Axes]:
    """Make axes side by side in a figure of their own, without pyplot's state.

    Args:
        count: The number of axes.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2 * count, 3.2), layout="constrained")
    return figure.subplots(1, count, squeeze=False)[0]


def label(value: object) -> str:
    """Name a candidate in a few characters: numbers with three digits, tuples word by word."""
    if isinstance(value, tuple):
        return " ".join(label(v) for v in value)
    if isinstance(value, float):
        return f"{value:.3g}"
    return str(value)
