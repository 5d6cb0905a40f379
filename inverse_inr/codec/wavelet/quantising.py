"""Coefficients as whole numbers that cost little: each is rounded by its error and by its bits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from inverse_inr.codec.laplace import COSTED, costs
from inverse_inr.codec.wavelet.bands import Band, Bands, around, order, turned
from inverse_inr.codec.wavelet.contexts import Whole, neighbour_roots
from inverse_inr.codec.wavelet.model import Floats, Model

DEAD = 0.3
"""Fractions below it are rounded down in the first pass, which knows no bits yet."""
WEIGHT = 0.13
"""Squared steps that a bit is worth: at high rates 2 ln 2 / 12 = 0.116 is the slope of D(R)."""


def quantised(
    model: Model,
    scaled: Mapping[Band, Floats],
    levels: int,
    planes: int,
    passes: int = 2,
    weight: float = WEIGHT,
) -> tuple[Bands, float]:
    """Round the detail bands.

    Args:
        model: The entropy model.
        scaled: (rows, columns) of each band, in steps of the quantiser.
        levels: How many levels.
        planes: How many planes.
        passes: How often bits are taken from the numbers of the pass before.
        weight: Squared steps that a bit is worth.

    Returns:
        The whole numbers, and the bits that the model of the last pass gives them.
    """
    found = {
        band: (np.sign(x) * np.floor(np.abs(x) + DEAD)).astype(np.int64)
        for band, x in scaled.items()
    }
    table = costs()
    total = 0.0
    for _ in range(passes):
        total = 0.0
        for band in order(planes, levels):
            numbers = found[band]
            if not numbers.any():
                continue
            index = turned(spreads(model, found, band), band.kind)
            x = np.abs(scaled[band])
            best = np.full(x.shape, np.inf)
            chosen = np.zeros(x.shape, np.int64)
            bits = np.zeros(x.shape)
            high = np.floor(x + 0.5).astype(np.int64)
            for candidate in (high, np.maximum(high - 1, 0), np.zeros_like(high)):
                here = _bits(table, index, candidate)
                loss = (x - candidate) ** 2 + weight * here
                better = loss < best
                best[better] = loss[better]
                chosen[better] = candidate[better]
                bits[better] = here[better]
            found[band] = np.where(scaled[band] < 0, -chosen, chosen)
            if chosen.any():
                total += bits.sum()
    return found, float(total)


def spreads(model: Model, bands: Bands, band: Band) -> Whole:
    """Predict a band whose numbers are all known.

    Args:
        model: The entropy model.
        bands: The bands before it in the order, and the band.
        band: The band.

    Returns:
        (rows, columns) indices of spreads, turned as it is coded.
    """
    numbers = bands[band]
    own = neighbour_roots(turned(np.abs(numbers), band.kind))
    others = around(bands, band, numbers.shape)
    return model.spread(model.before(own, 0) + model.before(others, len(own)))


def _bits(table: Floats, index: Whole, magnitude: Whole) -> Floats:
    near = np.minimum(magnitude, COSTED - 1)
    slope = table[index, COSTED - 1] - table[index, COSTED - 2]
    return table[index, near] + slope * (magnitude - near)
