"""A picture in wavelets: from a step size to whole numbers, and from those to the picture."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from inverse_inr.codec.planes import Colours, channels_of, colours_of, planes_of
from inverse_inr.codec.wavelet.bands import Band, Bands
from inverse_inr.codec.wavelet.contexts import Whole
from inverse_inr.codec.wavelet.filter_bank import (
    Level,
    analysed,
    analysed_axis,
    levels_of,
    synthesised,
    synthesised_axis,
)
from inverse_inr.codec.wavelet.model import Floats, Model
from inverse_inr.codec.wavelet.quantising import quantised

FRACTION = 64
"""Whole numbers of the synthesis in a step of the quantiser."""


def picture_shape(sizes: tuple[int, ...]) -> tuple[int, int]:
    """Give the (rows, columns) of what an image of any number of axes is coded as.

    Args:
        sizes: Samples along each axis. The last two make pictures, of which there are as many as
            the others have samples; one axis makes a single row.
    """
    if len(sizes) == 1:
        return 1, sizes[0]
    return sizes[-2], sizes[-1]


class Analysed(NamedTuple):
    """A picture before its quantisation.

    Attributes:
        sizes: Samples along each axis.
        colours: How planes become channels.
        lows: The low-pass band of each plane.
        bands: (rows, columns) of each detail band.
    """

    sizes: tuple[int, ...]
    colours: Colours
    lows: list[Floats]
    bands: dict[Band, Floats]


class Picture(NamedTuple):
    """A picture in whole numbers.

    Attributes:
        sizes: Samples along each axis.
        colours: How planes become channels.
        step: Step size of all coefficients.
        lows: The low-pass band of each plane.
        bands: (rows, columns) of each detail band.
        clipped: Whether all values lie between 0 and 1.
    """

    sizes: tuple[int, ...]
    colours: Colours
    step: float
    lows: list[Whole]
    bands: Bands
    clipped: bool


def analyse(image: Floats) -> Analysed:
    """Split an image into bands.

    Axes before the last two are split into bands of their own first, so that a volume or a video
    becomes several pictures, which count as planes.

    Args:
        image: (*sizes, channels).

    Returns:
        The bands of its planes.
    """
    sizes = image.shape[:-1]
    colours = colours_of(image)
    planes = planes_of(image, colours)
    for axis in range(1, len(sizes) - 1):
        planes = analysed_axis(planes, axis)
    shape = picture_shape(sizes)
    lows = []
    bands = {}
    for number, plane in enumerate(planes.reshape(-1, *shape)):
        low, levels = analysed(plane, levels_of(shape))
        lows.append(low)
        for depth, level in enumerate(levels):
            for kind, values in enumerate(level):
                bands[Band(depth, number, kind)] = values
    return Analysed(sizes, colours, lows, bands)


def quantise(seen: Analysed, model: Model, step: float, clipped: bool) -> tuple[Picture, float]:
    """Round the bands of an image.

    Args:
        seen: The bands.
        model: The entropy model.
        step: Step size.
        clipped: Whether all values of the image lie between 0 and 1.

    Returns:
        The picture in whole numbers, and about how many bits it takes.
    """
    scaled = {band: values / step for band, values in seen.bands.items()}
    bands, bits = quantised(model, scaled, levels_of(picture_shape(seen.sizes)), len(seen.lows))
    lows = [np.round(low / step).astype(np.int64) for low in seen.lows]
    for low in lows:
        if low.any():
            steps = np.abs(np.diff(low.reshape(-1)))
            bits += float(np.log2(1 + steps).sum()) + 2 * low.size
    return Picture(seen.sizes, seen.colours, step, lows, bands, clipped), bits


def synthesise(picture: Picture) -> Floats:
    """Make the picture of its whole numbers, the same to the last bit on every machine.

    Args:
        picture: The picture in whole numbers.

    Returns:
        (*sizes, channels).
    """
    found = []
    depth = levels_of(picture_shape(picture.sizes))
    for number, low in enumerate(picture.lows):
        levels = []
        for level in range(depth):
            own = [picture.bands[Band(level, number, kind)] * FRACTION for kind in range(3)]
            levels.append(Level(*(values.astype(np.float64) for values in own)))
        found.append(synthesised(low.astype(np.float64) * FRACTION, levels, True))
    planes = np.stack(found).reshape(len(picture.colours.means), *picture.sizes)
    for axis in range(1, len(picture.sizes) - 1):
        planes = synthesised_axis(planes, axis)
    image = channels_of(planes, picture.colours, picture.step / FRACTION)
    if picture.clipped:
        image = image.clip(0, 1)
    return image
