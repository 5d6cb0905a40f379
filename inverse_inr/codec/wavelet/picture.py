"""A picture in wavelets: from a step size to whole numbers, and from those to the picture."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from inverse_inr.codec.planes import Colours, channels_of, colours_of, planes_of
from inverse_inr.codec.wavelet.bands import Band, Bands
from inverse_inr.codec.wavelet.contexts import Whole
from inverse_inr.codec.wavelet.filter_bank import Level, analysed, levels_of, synthesised
from inverse_inr.codec.wavelet.model import Floats, Model
from inverse_inr.codec.wavelet.quantising import quantised

FRACTION = 64
"""Whole numbers of the synthesis in a step of the quantiser."""


class Analysed(NamedTuple):
    """A picture before its quantisation.

    Attributes:
        shape: (rows, columns).
        colours: How planes become channels.
        lows: The low-pass band of each plane.
        bands: (rows, columns) of each detail band.
    """

    shape: tuple[int, int]
    colours: Colours
    lows: list[Floats]
    bands: dict[Band, Floats]


class Picture(NamedTuple):
    """A picture in whole numbers.

    Attributes:
        shape: (rows, columns).
        colours: How planes become channels.
        step: Step size of all coefficients.
        lows: The low-pass band of each plane.
        bands: (rows, columns) of each detail band.
        clipped: Whether all values lie between 0 and 1.
    """

    shape: tuple[int, int]
    colours: Colours
    step: float
    lows: list[Whole]
    bands: Bands
    clipped: bool


def analyse(image: Floats) -> Analysed:
    """Split an image into bands.

    Args:
        image: (rows, columns, channels).

    Returns:
        The bands of its planes.
    """
    rows, columns, _ = image.shape
    colours = colours_of(image)
    lows = []
    bands = {}
    for number, plane in enumerate(planes_of(image, colours)):
        low, levels = analysed(plane, levels_of((rows, columns)))
        lows.append(low)
        for depth, level in enumerate(levels):
            for kind, values in enumerate(level):
                bands[Band(depth, number, kind)] = values
    return Analysed((rows, columns), colours, lows, bands)


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
    bands, bits = quantised(model, scaled, levels_of(seen.shape), len(seen.lows))
    lows = [np.round(low / step).astype(np.int64) for low in seen.lows]
    for low in lows:
        steps = np.abs(np.diff(low.reshape(-1)))
        bits += float(np.log2(1 + steps).sum()) + 2 * low.size
    return Picture(seen.shape, seen.colours, step, lows, bands, clipped), bits


def synthesise(picture: Picture) -> Floats:
    """Make the picture of its whole numbers, the same to the last bit on every machine.

    Args:
        picture: The picture in whole numbers.

    Returns:
        (rows, columns, channels).
    """
    planes = []
    depth = levels_of(picture.shape)
    for number, low in enumerate(picture.lows):
        levels = []
        for level in range(depth):
            own = [picture.bands[Band(level, number, kind)] * FRACTION for kind in range(3)]
            levels.append(Level(*(values.astype(np.float64) for values in own)))
        planes.append(synthesised(low.astype(np.float64) * FRACTION, levels, True))
    image = channels_of(np.stack(planes), picture.colours, picture.step / FRACTION)
    if picture.clipped:
        image = image.clip(0, 1)
    return image
