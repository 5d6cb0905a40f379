"""Colours as planes that tell little of each other: the principal axes of a picture's colours."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

AXES = 64
"""What stands for one in the axes."""


class Colours(NamedTuple):
    """How planes become channels.

    Attributes:
        means: (channels,) means.
        axes: (planes, channels) whole multiples of 1 / AXES: channels = planes @ axes + means.
    """

    means: Floats
    axes: Floats


def colours_of(image: Floats) -> Colours:
    """Find the axes of an image, in numbers that a file holds.

    Args:
        image: (*sizes, channels).

    Returns:
        The means, in the upper 16 bits of single precision, and the axes, in 8 bits each.
    """
    channels = image.shape[-1]
    flat = image.reshape(-1, channels)
    means = short(flat.mean(0))
    axes = np.eye(channels)
    if channels > 1:
        # eigenvalues come in ascending order; the first plane is that of the largest variance
        axes = np.linalg.eigh(np.cov(flat.T))[1][:, ::-1].T
    axes = axes * np.where(axes.sum(1, keepdims=True) < 0, -1, 1)
    return Colours(means, np.round(axes * AXES))


def planes_of(image: Floats, colours: Colours) -> Floats:
    """Turn channels to planes.

    Args:
        image: (*sizes, channels).
        colours: The axes.

    Returns:
        (planes, *sizes).
    """
    planes = (image - colours.means) @ np.linalg.inv(colours.axes / AXES)
    return np.moveaxis(planes, -1, 0)


def channels_of(planes: Floats, colours: Colours, unit: float) -> Floats:
    """Turn whole planes to channels, the same to the last bit on every machine.

    Args:
        planes: (planes, *sizes) whole numbers.
        colours: The axes.
        unit: What a whole number stands for.

    Returns:
        (*sizes, channels).
    """
    whole = np.tensordot(planes, colours.axes, (0, 0))
    return whole * (unit / AXES) + colours.means


def short(values: Floats) -> Floats:
    """Keep the upper 16 bits of single precision."""
    return from_codes(to_codes(values))


def to_codes(values: Floats) -> np.ndarray:
    """The upper 16 bits of single precision, as whole numbers that grow with positive values."""
    return (np.asarray(values, np.float32).view(np.uint32) >> 16).astype(np.uint16)


def from_codes(codes: np.ndarray) -> Floats:
    """Numbers from the upper 16 bits of single precision."""
    single = (np.asarray(codes).astype(np.uint32) << 16).view(np.float32)
    return single.astype(np.float64)
