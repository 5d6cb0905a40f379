"""Method "sparse": weights as few columns of a random matrix that both sides can make."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from inverse_inr.codec.integers import Contexts, decode_integers, encode_integers
from inverse_inr.codec.range_coder import Context, Decoder, Encoder

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

BLOCK = 64
"""Weights that are written together."""
ATOMS = 128
"""Columns of the random matrix, from which a block takes a few."""
COUNTS = (4, 8, 16, 24, 32, 48)
"""Numbers of columns in a block that are tried."""


@cache
def matrix() -> Whole:
    """Make the random matrix of signs, (BLOCK, ATOMS).

    It is made of the raw bits of PCG64, which are the same on every machine and in every version.
    """
    raw = np.random.PCG64(0).random_raw(BLOCK * ATOMS)
    return 2 * (raw >> np.uint64(63)).astype(np.int64).reshape(BLOCK, ATOMS) - 1


def pursued(weights: Floats) -> dict[int, Floats]:
    """Find sparse coefficients of weights by orthogonal matching pursuit.

    Args:
        weights: (n,) weights.

    Returns:
        (blocks, ATOMS) coefficients for each of COUNTS, so that rows times the matrix are about the
        weights, in blocks.

    Source:
        Pati et al. 1993; the sparse code of weights in a random matrix is that of SINR,
        arXiv:2503.19576.
    """
    blocks = in_blocks(weights)
    found = {count: np.zeros((len(blocks), ATOMS)) for count in COUNTS}
    atoms = matrix().astype(np.float64)
    for number, block in enumerate(blocks):
        chosen: list[int] = []
        rest = block
        for count in range(1, max(COUNTS) + 1):
            seen = np.abs(rest @ atoms)
            seen[chosen] = -1
            chosen.append(int(seen.argmax()))
            own = atoms[:, chosen]
            values = np.linalg.lstsq(own, block, rcond=None)[0]
            rest = block - own @ values
            if count in found:
                found[count][number, chosen] = values
    return found


def in_blocks(weights: NDArray) -> NDArray:
    """Cut weights to (blocks, BLOCK), filled up by zeros."""
    count = -(-len(weights) // BLOCK)
    return np.pad(weights, (0, count * BLOCK - len(weights))).reshape(count, BLOCK)


def joined(coefficients: Whole, count: int) -> Whole:
    """Make the whole numbers of weights, exactly.

    Args:
        coefficients: (blocks, ATOMS) whole numbers.
        count: How many weights there are.
    """
    return (coefficients @ matrix().T).reshape(-1)[:count]


def encode_sparse(encoder: Encoder, coefficients: Whole) -> None:
    """Append coefficients: which of them are not zero, and those.

    Args:
        encoder: The range coder.
        coefficients: (blocks, ATOMS) whole numbers.
    """
    used, contexts = Context(), Contexts()
    for value in coefficients.reshape(-1).tolist():
        encoder.encode(int(value != 0), used)
        if value:
            encode_integers(encoder, [_shifted(value)], contexts)


def decode_sparse(decoder: Decoder, count: int) -> Whole:
    """Read coefficients back.

    Args:
        decoder: The range coder.
        count: How many weights there are.

    Returns:
        (blocks, ATOMS) whole numbers.
    """
    used, contexts = Context(), Contexts()
    blocks = -(-count // BLOCK)
    found = []
    for _ in range(blocks * ATOMS):
        value = 0
        if decoder.decode(used):
            (shifted,) = decode_integers(decoder, 1, contexts)
            value = shifted
            if shifted >= 0:
                value = shifted + 1
        found.append(value)
    return np.array(found, np.int64).reshape(blocks, ATOMS)


def _shifted(value: int) -> int:
    """Numbers but zero, without the gap that it leaves."""
    if value > 0:
        return value - 1
    return value
