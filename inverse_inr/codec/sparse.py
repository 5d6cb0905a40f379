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
COUNTS = (0, 1, 2, 3, 4, 6, 8, 11, 14, 18, 22, 27, 32, 40, 48, 56, 64)
"""Numbers of columns of a block that are tried."""
PLACE = 3.0
"""Bits that the place of a column takes, about."""


@cache
def matrix() -> Whole:
    """Make the random matrix of signs, (BLOCK, ATOMS).

    It is made of the raw bits of PCG64, which are the same on every machine and in every version.
    """
    raw = np.random.PCG64(0).random_raw(BLOCK * ATOMS)
    return 2 * (raw >> np.uint64(63)).astype(np.int64).reshape(BLOCK, ATOMS) - 1


def pursued(weights: Floats, feelings: Floats) -> Floats:
    """Find sparse coefficients of weights by orthogonal matching pursuit.

    Args:
        weights: (n,) weights.
        feelings: (n,) how much an error in each of them counts.

    Returns:
        (COUNTS, blocks, ATOMS) coefficients of so many columns in each block, so that rows times
        the matrix are about the weights, in blocks.

    Source:
        Pati et al. 1993; the sparse code of weights in a random matrix is that of SINR,
        arXiv:2503.19576.
    """
    blocks, roots = in_blocks(weights), in_blocks(np.sqrt(feelings))
    found = np.zeros((len(COUNTS), len(blocks), ATOMS))
    atoms = matrix().astype(np.float64)
    for number, (block, root) in enumerate(zip(blocks, roots, strict=True)):
        columns = atoms * root[:, None]
        lengths = np.linalg.norm(columns, axis=0) + 1e-12
        chosen: list[int] = []
        rest = target = block * root
        for count in range(1, min(max(COUNTS), int((root > 0).sum())) + 1):
            seen = np.abs(rest @ columns) / lengths
            seen[chosen] = -1
            chosen.append(int(seen.argmax()))
            own = columns[:, chosen]
            values = np.linalg.lstsq(own, target, rcond=None)[0]
            rest = target - own @ values
            for place in range(len(COUNTS)):
                if COUNTS[place] >= count:
                    found[place, number] = 0
                    found[place, number, chosen] = values
    return found


def allotted(weights: Floats, feelings: Floats, pursuits: Floats, step: float) -> Whole:
    """Choose how many columns each block gets, by error and bits, and round.

    A bit is worth as much error as it saves at high rates where coefficients have this step size.

    Args:
        weights: (n,) weights.
        feelings: (n,) how much an error in each of them counts.
        pursuits: (COUNTS, blocks, ATOMS) coefficients, as `pursued` gives them.
        step: Step size of the coefficients.

    Returns:
        (blocks, ATOMS) whole numbers.
    """
    numbers = np.round(pursuits / step)
    errors = (step * numbers @ matrix().T - in_blocks(weights)) ** 2 * in_blocks(feelings)
    bits = (2 * np.log2(1 + np.abs(numbers)) + PLACE * (numbers != 0)).sum(-1)
    price = 2 * np.log(2) / 12 * BLOCK * feelings.mean() * step**2
    best = (errors.sum(-1) + price * bits).argmin(0)
    return numbers[best, np.arange(len(best))].astype(np.int64)


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
