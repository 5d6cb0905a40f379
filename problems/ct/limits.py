"""Kinds and ranges of the arguments of CT problems; sizes that detector and memory bound."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from inverse_inr import Box, Grid
from inverse_inr.memory import require
from inverse_inr.ranges import Range

Values = Literal["counts", "transmissions", "line integrals"]
"""What the numbers of a scan may be."""

HeldOutNth = Annotated[int, Range(least=2)]
"""Each how-manieth view is held out: not every one."""
DriftDegree = Annotated[int, Range(least=0, most=20)]
"""The degree of a polynomial in time; one of more than a few follows the noise."""

Pitch = Annotated[float, Range(least=1e-12, most=1e12)]
"""The width of a bin, in any unit that people use."""
Width = Annotated[float, Range(least=1, most=1e6)]
"""Detector pixels that a box spans."""
Deviation = Annotated[float, Range(least=1e-30, most=1e15)]
"""A standard deviation."""

Fidelity = Literal["gaussian", "poisson"]
"""The noise models of measured scans."""

Coverage = Annotated[float, Range(above=0, most=360)]
"""Degrees that views span, up to a turn."""
NoiseLevel = Annotated[float, Range(least=1e-15, most=10)]
"""A standard deviation as a fraction of the largest line integral."""
Photons = Annotated[float, Range(above=0, most=1e15)]
"""Photons per detector bin: more are told apart by no counter."""
Subrays = Annotated[int, Range(least=1, most=256)]
"""Rays that are averaged over a detector bin; more than a few make no difference."""


def require_image(what: str, size: float) -> None:
    """Refuse a square image that does not fit the memory at hand, before anything is allocated.

    Args:
        what: The size as its user calls it, for the message: "ct: size".
        size: Pixels along each axis.

    Raises:
        OutOfMemoryError: The image and its points need more memory than there is.
    """
    bytes_a_pixel = 16
    require(
        f"{what}={size}: an image of {size} x {size} pixels",
        bytes_a_pixel * float(size) ** 2,
        lambda there: f"{math.isqrt(there // bytes_a_pixel)} pixels a side would fit.",
    )


def square_box(half: float, unit: str) -> Box:
    """Make a square about the axis of rotation.

    Args:
        half: Half its side, in `unit`.
        unit: The unit of lengths.
    """
    return Box((-half, -half), (half, half), units=(unit, unit))


def square_grid(box: Box, size: int) -> Grid:
    """Make the grid of a square image, if it fits the memory at hand.

    Args:
        box: A square.
        size: Pixels along each axis.

    Raises:
        OutOfMemoryError: It does not fit.
    """
    require_image("size", size)
    return Grid(box, (size, size))


def check_bin(bin: int, pixels: int) -> None:
    """Refuse bins that are wider than the detector.

    Args:
        bin: Detector pixels that are taken together.
        pixels: Pixels of the detector.

    Raises:
        ValueError: They are.
    """
    if bin > pixels:
        raise ValueError(f"bin={bin}: the detector has {pixels} pixels.")


def check_center(center: float | None, pixels: int) -> None:
    """Refuse an axis of rotation far off the detector.

    Args:
        center: Distance of the axis from the detector's middle in pixels; None passes.
        pixels: Pixels of the detector.

    Raises:
        ValueError: The axis is further from the middle than the detector is wide.
    """
    if center is not None and abs(center) > pixels:
        raise ValueError(
            f"center={center} is counted from the middle of the detector, which has {pixels} "
            f"pixels. A position from its edge? Its middle is {0.5 * pixels:g}."
        )
