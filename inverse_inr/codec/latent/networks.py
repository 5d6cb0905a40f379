"""The two networks of a picture: numbers of each, in a fixed order, as differences from a start."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from inverse_inr.codec.causal import Whole
from inverse_inr.codec.integers import Contexts, decode_integers, encode_integers
from inverse_inr.codec.latent.contexts import SIGNED, SIZE
from inverse_inr.codec.planes import Floats
from inverse_inr.codec.range_coder import Context, Decoder, Encoder

HIDDEN = 32
"""Hidden units of each layer of the entropy model."""
DECISIONS = 3
"""Decisions about a magnitude: whether it is zero; whether it is one; whether it grows on."""
PLANES = 3
"""Planes that the synthesis sees; those that a picture does not have are zero."""
BLOCK = 2
"""The synthesis works on blocks of so many rows and columns, as the finest wavelets do."""
CHANNELS = PLANES * BLOCK**2
"""Numbers of a block."""
WIDTH = 24
"""Hidden numbers of a block."""
ONE = 512
"""What stands for one in the numbers of the networks."""
SHAPES = {
    "context": (HIDDEN, SIZE),
    "hidden": (HIDDEN, HIDDEN + 1),
    "decisions": (DECISIONS, HIDDEN + 1),
    "sign": (3, SIGNED),
    "before": (WIDTH, CHANNELS, 3, 3),
    "before_bias": (WIDTH,),
    "within": (WIDTH, WIDTH, 3, 3),
    "within_bias": (WIDTH,),
    "after": (CHANNELS, WIDTH, 3, 3),
    "after_bias": (CHANNELS,),
}
"""Names and sizes of all numbers, in their order in a file. The last column is one of biases."""
ENTROPY = ("context", "hidden", "decisions", "sign")
"""Names of the entropy model's numbers; the others are those of the synthesis."""


def unpacked(numbers: Whole) -> dict[str, Whole]:
    """Give names and shapes to numbers in a row.

    Args:
        numbers: All numbers, in the order of `SHAPES`.

    Returns:
        The tensors by name.
    """
    found = {}
    at = 0
    for name, shape in SHAPES.items():
        count = math.prod(shape)
        found[name] = numbers[at : at + count].reshape(shape)
        at += count
    return found


def changed(
    start: Mapping[str, Whole], differences: Mapping[str, Whole], halvings: int
) -> dict[str, Floats]:
    """Add coded differences to the start.

    Args:
        start: Tensors by name, in units of 1 / ONE.
        differences: Whole numbers of steps.
        halvings: How often one is halved for a step.

    Returns:
        Tensors by name, whole numbers in units of 1 / ONE.
    """
    step = ONE >> halvings
    found = {name: values.astype(np.float64) for name, values in start.items()}
    for name, steps in differences.items():
        found[name] = found[name] + step * steps
    return found


def encode_differences(encoder: Encoder, differences: Mapping[str, Whole]) -> None:
    """Append differences, after a decision for each tensor whether it has any.

    Args:
        encoder: The range coder.
        differences: Whole numbers, by name.
    """
    moved = Context()
    for name in SHAPES:
        numbers = differences[name]
        encoder.encode(int(numbers.any()), moved)
        if numbers.any():
            encode_integers(encoder, numbers.reshape(-1).tolist(), Contexts())


def decode_differences(decoder: Decoder) -> dict[str, Whole]:
    """Read differences.

    Args:
        decoder: The range coder.

    Returns:
        Whole numbers, by name.
    """
    moved = Context()
    found = {}
    for name, shape in SHAPES.items():
        found[name] = np.zeros(shape, np.int64)
        if decoder.decode(moved):
            numbers = decode_integers(decoder, math.prod(shape), Contexts())
            found[name] = np.array(numbers, np.int64).reshape(shape)
    return found
