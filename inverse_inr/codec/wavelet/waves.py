"""Bands as a code: coded at once, decoded wave by wave, each wave from those before it."""

from __future__ import annotations

import numpy as np

from inverse_inr.codec.causal import NEIGHBOURS, REACH, Whole, waves
from inverse_inr.codec.integers import Contexts, decode_integers, encode_integers
from inverse_inr.codec.laplace import intervals
from inverse_inr.codec.range_coder import Context, Decoder, Encoder
from inverse_inr.codec.wavelet.bands import ACROSS, Band, Bands, around, turned
from inverse_inr.codec.wavelet.contexts import roots
from inverse_inr.codec.wavelet.model import Model
from inverse_inr.codec.wavelet.quantising import spreads
from inverse_inr.io.files import FileFormatError


class Remainders:
    """Contexts of a code of bands: which bands are empty, and what large magnitudes leave over."""

    def __init__(self) -> None:
        self.filled = Context()
        self.large = Contexts()


def encode_band(
    encoder: Encoder, model: Model, bands: Bands, band: Band, remainders: Remainders
) -> None:
    """Append a band.

    Args:
        encoder: The range coder.
        model: The entropy model.
        bands: The bands before it in the order, and the band.
        band: The band.
        remainders: Contexts of the code.
    """
    numbers = turned(bands[band], band.kind)
    filled = bool(numbers.any())
    encoder.encode(int(filled), remainders.filled)
    if not filled:
        return
    index = spreads(model, bands, band)
    for rows, columns in waves(*numbers.shape):
        here = zip(numbers[rows, columns].tolist(), index[rows, columns].tolist(), strict=True)
        for number, spread in here:
            starts = intervals(spread)
            escape = len(starts) - 2
            magnitude = abs(number)
            symbol = min(magnitude, escape)
            start = starts[symbol]
            encoder.encode_share(start, starts[symbol + 1] - start)
            if symbol == escape:
                encode_integers(encoder, [magnitude - escape], remainders.large)
            if number:
                encoder.encode(int(number < 0))


def decode_band(
    decoder: Decoder,
    model: Model,
    bands: Bands,
    band: Band,
    shape: tuple[int, int],
    remainders: Remainders,
) -> Whole:
    """Read a band.

    Args:
        decoder: The range coder.
        model: The entropy model.
        bands: The bands before it in the order.
        band: The band.
        shape: Its rows and columns.
        remainders: Contexts of the code.

    Returns:
        (rows, columns) whole numbers.
    """
    if not shape[0] * shape[1] or not decoder.decode(remainders.filled):
        return np.zeros(shape, np.int64)
    known = model.before(around(bands, band, shape), len(NEIGHBOURS))
    if band.kind == ACROSS:
        shape = (shape[1], shape[0])
    numbers = np.zeros(shape, np.int64)
    wide = shape[1] + 2 * REACH
    seen = np.zeros((shape[0] + 2 * REACH) * wide, np.int64)
    offsets = np.array([[(REACH + r) * wide + REACH + c] for r, c in NEIGHBOURS])
    own = REACH * wide + REACH
    for rows, columns in waves(*shape):
        at = rows * wide + columns
        sums = known[:, rows, columns] + model.before(seen[at + offsets], 0)
        found = [
            _number(decoder, intervals(spread), remainders)
            for spread in model.spread(sums).tolist()
        ]
        numbers[rows, columns] = found
        seen[at + own] = roots(np.abs(numbers[rows, columns]))
    return turned(numbers, band.kind)


def _number(decoder: Decoder, starts: tuple[int, ...], remainders: Remainders) -> int:
    magnitude = decoder.decode_share(starts)
    if magnitude == len(starts) - 2:
        (more,) = decode_integers(decoder, 1, remainders.large)
        if more < 0:
            raise FileFormatError("codec: the code holds a negative remainder. Altered?")
        magnitude += more
    if magnitude and decoder.decode():
        return -magnitude
    return magnitude


def encode_low(encoder: Encoder, numbers: Whole) -> None:
    """Append a low-pass band, each number as its difference from what its neighbours suggest.

    Args:
        encoder: The range coder.
        numbers: (rows, columns).
    """
    values = numbers.tolist()
    contexts = Contexts()
    for i, row in enumerate(values):
        for j, value in enumerate(row):
            encode_integers(encoder, [value - _suggested(values, i, j)], contexts)


def decode_low(decoder: Decoder, rows: int, columns: int) -> Whole:
    """Read a low-pass band.

    Args:
        decoder: The range coder.
        rows: Its rows.
        columns: Its columns.

    Returns:
        (rows, columns) whole numbers.
    """
    values = [[0] * columns for _ in range(rows)]
    contexts = Contexts()
    for i in range(rows):
        for j in range(columns):
            (difference,) = decode_integers(decoder, 1, contexts)
            values[i][j] = _suggested(values, i, j) + difference
    return np.array(values, np.int64).reshape(rows, columns)


def _suggested(values: list[list[int]], i: int, j: int) -> int:
    """The median of left, above and their plane (Weinberger et al. 2000, LOCO-I)."""
    if i == 0:
        return values[0][j - 1] if j else 0
    above = values[i - 1][j]
    if j == 0:
        return above
    left = values[i][j - 1]
    return sorted((left, above, left + above - values[i - 1][j - 1]))[1]
