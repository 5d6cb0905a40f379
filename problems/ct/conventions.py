"""Where angle 0 points and on which axis the views lie, for each program that writes sinograms.

Ours: the detector coordinate of a point is s = x0 cos(angle) + x1 sin(angle) from the axis of
rotation; x0 points down (axis 0 of the image) and x1 to the right. All others here begin a quarter
turn later: their detector runs along the image's columns at angle 0, and turns against x0:

    s = x1 cos(angle) - x0 sin(angle)

They differ in the unit of angles, in the axis of the views, and in the pixel that they turn about.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Convention = Literal["ours", "scikit-image", "astra", "tomopy"]
"""The programs whose sinograms are known."""

ViewsAlong = Literal["rows", "columns"]
"""The axis of the views: "rows" for (views, detectors), "columns" for (detectors, views)."""


@dataclass(frozen=True)
class Program:
    """The conventions of a program that writes sinograms.

    Args:
        offset: Added to its angles to make them ours, in radians.
        unit: The unit of its angles; None if it has none of its own.
        views: The axis of the views; None if both are common.
        pivot_pixel: Whether it turns about the centre of pixel n // 2, and not about the image's
            middle: the same for odd n, half a pixel off for even n.
    """

    offset: float
    unit: Literal["degrees", "radians"] | None
    views: ViewsAlong | None
    pivot_pixel: bool = False


PROGRAMS: dict[str, Program] = {
    "ours": Program(0.0, None, None),
    "scikit-image": Program(math.pi / 2, "degrees", "columns", pivot_pixel=True),
    "astra": Program(math.pi / 2, "radians", "rows"),
    "tomopy": Program(math.pi / 2, "radians", "rows"),
}
"""The programs by name: skimage.transform.radon; ASTRA's 2-D geometries 'parallel' and 'fanflat';
TomoPy's project and recon, of one slice (views, columns)."""
