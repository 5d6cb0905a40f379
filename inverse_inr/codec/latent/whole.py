"""The two networks in whole numbers: the same result on every machine, in any order of sums."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from inverse_inr.codec.causal import Whole
from inverse_inr.codec.latent.contexts import UNIT
from inverse_inr.codec.latent.floating import AROUND, INPUT
from inverse_inr.codec.latent.networks import BLOCK, HIDDEN, ONE, PLANES
from inverse_inr.codec.latent.tables import LARGEST, PER_ONE
from inverse_inr.codec.planes import Floats
from inverse_inr.codec.wavelet.picture import FRACTION

FINE = INPUT * FRACTION
"""What stands for one in the synthesis."""
LIMIT = 2.0**20
"""Hidden units are cut there, so that all sums stay below 2^53."""


def nearest(values: Floats) -> Floats:
    """Round to whole numbers, halves up."""
    return np.floor(values + 0.5)


class Predictor:
    """The entropy model: what latents probably are.

    All sums are of whole numbers below 2^53, so that double precision has them exactly.

    Args:
        networks: Tensors by name, in units of 1 / ONE.
    """

    def __init__(self, networks: Mapping[str, Floats]) -> None:
        self.networks = networks

    def before(self, contexts: Whole, first: int) -> Floats:
        """Sum the part of the first layer that some numbers of contexts make.

        Args:
            contexts: (numbers, latents) consecutive numbers of contexts.
            first: Which one of the context's numbers the first of them is.

        Returns:
            (HIDDEN, latents) sums.
        """
        weights = self.networks["context"][:, first : first + len(contexts)]
        return weights @ contexts.astype(np.float64)

    def decided(self, sums: Floats) -> Whole:
        """Predict the decisions about magnitudes.

        Args:
            sums: (HIDDEN, latents) sums of the first layer over whole contexts.

        Returns:
            (DECISIONS, latents) indices of `shares`.
        """
        h = np.clip(nearest(sums / UNIT), 0, LIMIT)
        hidden = self.networks["hidden"]
        h = np.clip(nearest(hidden[:, :HIDDEN] @ h / ONE + hidden[:, HIDDEN:]), 0, LIMIT)
        last = self.networks["decisions"]
        return _index(last[:, :HIDDEN] @ h / ONE + last[:, HIDDEN:])

    def signed(self, kind: int, signs: Whole, first: int = 0) -> Floats:
        """Sum the part of the logit of a positive sign that some signed roots make.

        Args:
            kind: Kind of the band.
            signs: (numbers, latents) consecutive signed roots.
            first: Which one of all the first of them is.

        Returns:
            (latents,) sums.
        """
        weights = self.networks["sign"][kind, first : first + len(signs)]
        return weights @ signs.astype(np.float64)

    def sign(self, sums: Floats) -> Whole:
        """Predict signs.

        Args:
            sums: (latents,) sums over all signed roots.

        Returns:
            (latents,) indices of `shares`, where yes is a positive sign.
        """
        return _index(sums / UNIT)


def _index(logits: Floats) -> Whole:
    index = nearest(logits * (PER_ONE / ONE)).clip(-LARGEST, LARGEST)
    return index.astype(np.int64) + LARGEST


def mended(networks: Mapping[str, Floats], planes: Floats) -> Floats:
    """Add to planes what the synthesis finds missing.

    Args:
        networks: Tensors by name, in units of 1 / ONE.
        planes: (planes, rows, columns), at most PLANES, whole multiples of 1 / FRACTION steps.

    Returns:
        The same shape and units.
    """
    count, rows, columns = planes.shape
    grown = (0, -rows % BLOCK), (0, -columns % BLOCK)
    x = np.pad(_without_mean(planes), ((0, 0), *grown), mode="edge")
    x = np.pad(x, ((0, PLANES - count), (0, 0), (0, 0)))
    up, left = x.shape[1] // BLOCK, x.shape[2] // BLOCK
    x = x.reshape(PLANES, up, BLOCK, left, BLOCK).transpose(0, 2, 4, 1, 3).reshape(-1, up, left)
    x = _filtered(networks, "before", x).clip(0, LIMIT)
    x = _filtered(networks, "within", x).clip(0, LIMIT)
    x = _filtered(networks, "after", x).reshape(PLANES, BLOCK, BLOCK, up, left)
    x = x.transpose(0, 3, 1, 4, 2).reshape(PLANES, up * BLOCK, left * BLOCK)
    return planes + nearest(x[:count, :rows, :columns] / INPUT)


def _without_mean(planes: Floats) -> Floats:
    """Take the mean of the places around off each."""
    side = 2 * AROUND + 1
    rows, columns = planes.shape[1:]
    padded = np.pad(planes, ((0, 0), (AROUND, AROUND), (AROUND, AROUND)), mode="edge")
    lines = np.sum([padded[:, i : i + rows] for i in range(side)], 0)
    total = np.sum([lines[:, :, j : j + columns] for j in range(side)], 0)
    return nearest((planes * side**2 - total) / side**2).clip(-LIMIT, LIMIT)


def _filtered(networks: Mapping[str, Floats], name: str, x: Floats) -> Floats:
    """A convolution by 3 x 3 places; edges are repeated."""
    kernel, bias = networks[name], networks[name + "_bias"]
    rows, columns = x.shape[1:]
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)), mode="edge")
    total = np.zeros((len(kernel), rows * columns))
    for i in range(3):
        for j in range(3):
            part = padded[:, i : i + rows, j : j + columns].reshape(len(x), -1)
            total += kernel[:, :, i, j] @ part
    return nearest(total / ONE + bias[:, None] * (FINE / ONE)).reshape(-1, rows, columns)
