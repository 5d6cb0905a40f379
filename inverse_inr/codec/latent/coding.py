"""Lattices as a code: coarse ones first, each number by what the entropy model says of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from inverse_inr.codec.causal import NEIGHBOURS, REACH, Whole, waves
from inverse_inr.codec.integers import Contexts, decode_integers, encode_integers
from inverse_inr.codec.latent.lattices import LEVELS, Lattice, lattices, shapes
from inverse_inr.codec.latent.tables import PLACES, table
from inverse_inr.codec.latent.whole import (
    KNOWN,
    OWN,
    UNIT,
    Predictor,
    elsewhere,
    neighbourhood,
    saturated,
)
from inverse_inr.codec.range_coder import Context, Decoder, Encoder
from inverse_inr.io.files import FileFormatError

Latents = Mapping[Lattice, Whole]
"""(rows, columns) whole numbers of each lattice."""


def order(planes: int) -> Iterator[Lattice]:
    """The lattices as they are coded: coarse levels first, in each of them plane by plane.

    Args:
        planes: Planes of the picture.
    """
    known = lattices(planes)
    for level in reversed(range(LEVELS)):
        yield from (lattice for lattice in known if lattice.level == level)


def encode_lattices(encoder: Encoder, predictor: Predictor, latents: Latents, planes: int) -> None:
    """Append all lattices.

    Args:
        encoder: The range coder.
        predictor: The entropy model.
        latents: The latents.
        planes: Planes of the picture.
    """
    filled, large = Context(), Contexts()
    for lattice in order(planes):
        numbers = latents[lattice]
        some = bool(numbers.any())
        encoder.encode(int(some), filled)
        if not some:
            continue
        sums = predictor.before(neighbourhood(numbers), 0)
        sums = sums + predictor.before(elsewhere(numbers.shape, lattice, latents), KNOWN)
        index, centre = predictor.predicted(sums)
        for rows, columns in waves(*numbers.shape):
            here = zip(
                numbers[rows, columns].tolist(),
                index[rows, columns].tolist(),
                centre[rows, columns].tolist(),
                strict=True,
            )
            for number, spread, middle in here:
                _encode(encoder, number, spread, middle, large)


def decode_lattices(
    decoder: Decoder, predictor: Predictor, shape: tuple[int, int], planes: int
) -> Latents:
    """Read all lattices.

    Args:
        decoder: The range coder.
        predictor: The entropy model.
        shape: (rows, columns) of the picture.
        planes: Planes of the picture.

    Returns:
        The latents, in the order of `lattices`.
    """
    filled, large = Context(), Contexts()
    known: dict[Lattice, Whole] = {}
    levels = shapes(shape)
    for lattice in order(planes):
        rows, columns = levels[lattice.level]
        known[lattice] = np.zeros((rows, columns), np.int64)
        if decoder.decode(filled):
            others = elsewhere((rows, columns), lattice, known)
            known[lattice] = _decoded(decoder, predictor, others, large)
    return {lattice: known[lattice] for lattice in lattices(planes)}


def _decoded(decoder: Decoder, predictor: Predictor, others: Whole, large: Contexts) -> Whole:
    """A lattice, wave by wave, each predicted from those before it."""
    height, width = others.shape[1:]
    before = predictor.before(others, KNOWN)
    wide = width + 2 * REACH
    seen = np.zeros((height + 2 * REACH) * wide, np.int64)
    offsets = np.array([[(REACH + r) * wide + REACH + c] for r, c in NEIGHBOURS])
    own = REACH * wide + REACH
    for rows, columns in waves(height, width):
        at = rows * wide + columns
        near = seen[at + offsets]
        context = np.concatenate([saturated(np.abs(near)), UNIT // 4 * near[list(OWN)]])
        sums = before[:, rows, columns] + predictor.before(context, 0)
        index, centre = predictor.predicted(sums)
        seen[at + own] = [
            _decode(decoder, spread, middle, large)
            for spread, middle in zip(index.tolist(), centre.tolist(), strict=True)
        ]
    return seen.reshape(-1, wide)[REACH : REACH + height, REACH : REACH + width].copy()


def _encode(encoder: Encoder, number: int, index: int, centre: int, large: Contexts) -> None:
    middle = (centre + PLACES // 2) // PLACES
    starts, reach = table(index, centre - PLACES * middle)
    distance = number - middle
    symbol = min(max(distance, -reach), reach) + reach
    encoder.encode_share(starts[symbol], starts[symbol + 1] - starts[symbol])
    if abs(distance) >= reach:
        encode_integers(encoder, [abs(distance) - reach], large)


def _decode(decoder: Decoder, index: int, centre: int, large: Contexts) -> int:
    middle = (centre + PLACES // 2) // PLACES
    starts, reach = table(index, centre - PLACES * middle)
    distance = decoder.decode_share(starts) - reach
    if abs(distance) == reach:
        (more,) = decode_integers(decoder, 1, large)
        if more < 0:
            raise FileFormatError("codec: the code holds a negative remainder. Altered?")
        if distance > 0:
            distance += more
        else:
            distance -= more
    return middle + distance
