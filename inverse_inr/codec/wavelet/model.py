"""The entropy model: a small network in whole numbers that predicts the spread of coefficients."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from inverse_inr.codec.laplace import PER_OCTAVE, SPREADS, UNITY
from inverse_inr.codec.wavelet.contexts import SIZE, UNIT, Whole

Floats = NDArray[np.float64]

WIDTH = 16
"""Hidden units of each layer."""
SHAPES = ((WIDTH, SIZE), (WIDTH, WIDTH + 1), (1, WIDTH + 1))
"""Sizes of the weights, biases in the last column."""
ONE = 256
"""What stands for one in weights and hidden units."""
LIMIT = 2.0**20
"""Hidden units are cut there, so that all sums stay below 2^53."""


class Model(NamedTuple):
    """A network of two hidden layers, in whole multiples of 1/256.

    Attributes:
        first: (width, context) weights.
        second: (width, width + 1) weights and biases.
        third: (1, width + 1) weights and bias.
    """

    first: Floats
    second: Floats
    third: Floats

    def before(self, context: Whole, first: int) -> Floats:
        """Sum the part of the first layer that some numbers of a context make.

        Args:
            context: (numbers, ...) consecutive numbers of contexts.
            first: Which one of the context's numbers the first of them is.

        Returns:
            (width, ...) sums.
        """
        weights = self.first[:, first : first + len(context)]
        flat = context.reshape(len(context), -1).astype(np.float64)
        return (weights @ flat).reshape(WIDTH, *context.shape[1:])

    def spread(self, sums: Floats) -> Whole:
        """Predict the index of the spread of coefficients.

        All sums are of whole numbers below 2^53, so that double precision has them exactly, in
        whatever order a machine adds.

        Args:
            sums: (width, ...) sums of the first layer over whole contexts.

        Returns:
            (...) indices of `intervals`.
        """
        h = _cut(sums.reshape(WIDTH, -1) / UNIT)
        h = _cut(self.second[:, :-1] @ h / ONE + self.second[:, -1:])
        out = (self.third[:, :-1] @ h)[0] / ONE + self.third[0, -1]
        index = np.floor(out * (PER_OCTAVE / ONE) + 0.5).astype(np.int64) + UNITY
        return index.clip(0, SPREADS - 1).reshape(sums.shape[1:])


def model_of(numbers: NDArray[np.int64]) -> Model:
    """Make a model of its weights in a row.

    Args:
        numbers: (weights,) whole numbers.

    Returns:
        The model.
    """
    found = []
    at = 0
    for rows, columns in SHAPES:
        part = numbers[at : at + rows * columns]
        found.append(part.reshape(rows, columns).astype(np.float64))
        at += rows * columns
    return Model(*found)


def _cut(h: Floats) -> Floats:
    """Whole hidden units, none below zero."""
    return np.clip(np.floor(h + 0.5), 0, LIMIT)
