"""The two networks in whole numbers: the same result on every machine, in any order of sums."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from inverse_inr.codec.causal import NEIGHBOURS, REACH, Whole
from inverse_inr.codec.laplace import PER_OCTAVE, SPREADS, UNITY
from inverse_inr.codec.latent.lattices import LEVELS, Lattice, placing
from inverse_inr.codec.latent.networks import HIDDEN, ONE
from inverse_inr.codec.latent.tables import PLACES
from inverse_inr.codec.planes import Floats

UNIT = 16
"""What stands for one in a context."""
PART = 256
"""What stands for one in hidden units of the entropy model."""
FINE = 1 << 14
"""What stands for one in the synthesis."""
FILTER = 1 << 12
"""What stands for one in the filters between lattices."""
LIMIT = 2.0**24
"""Hidden units are cut there, so that all sums stay below 2^53."""
OWN = (0, 5, 4, 6)
"""Neighbours whose sign is seen: left, above, and the two beside that."""
KNOWN = len(NEIGHBOURS) + len(OWN)
"""Numbers of a context from which on none is of the latent's own lattice."""


def nearest(values: Floats) -> Floats:
    """Round to whole numbers, halves up."""
    return np.floor(values + 0.5)


# --- the synthesis --------------------------------------------------------------------------------


def synthesised(
    networks: Mapping[str, Floats], latents: Mapping[Lattice, Whole], step: float
) -> Floats:
    """Make planes of latents.

    All sums are of whole numbers below 2^53, which double precision has exactly.

    Args:
        networks: Tensors by name, in units of 1 / ONE.
        latents: (rows, columns) of each lattice, in the order of `lattices`.
        step: What a latent of one stands for, a number of at most 8 bits.

    Returns:
        (planes, rows, columns) in units of 1 / FINE.
    """
    shape = latents[Lattice(0, 0)].shape
    across = _filters(networks["taps"], shape[1])
    down = _filters(networks["taps"], shape[0])
    found = []
    for lattice, own in latents.items():
        values = own.astype(np.float64)
        if lattice.level:
            values = down[lattice.level] @ values @ across[lattice.level].T / FILTER**2
        # 8 bits of a step times fewer than 40 bits: exact
        unit = step * lattice.gain * (FINE / 256)
        found.append(nearest(nearest(values * 256) * unit).reshape(-1))
    x = np.stack(found)
    h = nearest(networks["mixing"] @ x / ONE + networks["mixing_bias"][:, None] * (FINE / ONE))
    h = np.clip(h, 0, LIMIT)
    y = nearest(networks["planes"] @ h / ONE + networks["planes_bias"][:, None] * (FINE / ONE))
    y = y.clip(-LIMIT, LIMIT).reshape(-1, *shape)
    h = y + _filtered(y, networks["before"], networks["before_bias"])
    h = np.clip(h, 0, LIMIT)
    return y + _filtered(h, networks["after"], networks["after_bias"])


def _filters(taps: Floats, count: int) -> list[Floats]:
    """Matrices from each lattice's line to one of `count` places, in units of 1 / FILTER."""
    found = [np.eye(count) * FILTER]
    lines = count
    for level in range(LEVELS - 1):
        matrix = np.tensordot(taps[level], placing(lines), (0, 0))
        found.append(nearest(found[-1] @ matrix / ONE))
        lines = (lines + 1) // 2
    return found


def _filtered(planes: Floats, kernel: Floats, bias: Floats) -> Floats:
    """A convolution by 3 x 3 places; edges are repeated."""
    rows, columns = planes.shape[1:]
    padded = np.pad(planes, ((0, 0), (1, 1), (1, 1)), mode="edge")
    total = np.zeros_like(planes)
    for i in range(3):
        for j in range(3):
            part = padded[:, i : i + rows, j : j + columns].reshape(len(planes), -1)
            total += (kernel[:, :, i, j] @ part).reshape(planes.shape)
    return nearest(total / ONE + bias[:, None, None] * (FINE / ONE))


# --- the entropy model ----------------------------------------------------------------------------


def saturated(magnitudes: Whole) -> Whole:
    """Magnitudes m as 8 m / (8 + m), in units of 1 / UNIT."""
    return (256 * magnitudes + 8 + magnitudes) // (16 + 2 * magnitudes)


def elsewhere(shape: tuple[int, int], lattice: Lattice, known: Mapping[Lattice, Whole]) -> Whole:
    """The part of the contexts that is known before a lattice is begun.

    Args:
        shape: (rows, columns) of the lattice.
        lattice: The lattice.
        known: The lattices that are decoded before it.

    Returns:
        (numbers, rows, columns) in units of 1 / UNIT.
    """
    rows, columns = shape
    level, plane = lattice
    found = [np.zeros(shape, np.int64)] * 4
    coarser = known.get(Lattice(level + 1, plane))
    if coarser is not None:
        own = saturated(np.abs(coarser))
        seen = (UNIT // 4 * coarser, own, _around(own))
        found[:3] = [values.repeat(2, 0)[:rows].repeat(2, 1)[:, :columns] for values in seen]
    if plane:
        found[3] = _around(saturated(np.abs(known[Lattice(level, 0)])))
    flags = (level == 0, level == 1, level / 4, plane == 1, plane == 2, 1)
    return np.stack([*found, *(np.full(shape, int(UNIT * flag)) for flag in flags)])


def _around(values: Whole) -> Whole:
    """Means of 3 x 3 places; beyond the edge numbers count as zero."""
    rows, columns = values.shape
    padded = np.pad(values, 1)
    total = np.zeros_like(values)
    for i in range(3):
        for j in range(3):
            total = total + padded[i : i + rows, j : j + columns]
    return (2 * total + 9) // 18


def neighbourhood(lattice: Whole) -> Whole:
    """The part of the contexts that a lattice tells of itself.

    Args:
        lattice: (rows, columns).

    Returns:
        (numbers, rows, columns) in units of 1 / UNIT.
    """
    rows, columns = lattice.shape
    padded = np.pad(lattice, REACH)
    near = [
        padded[REACH + r : REACH + r + rows, REACH + c : REACH + c + columns] for r, c in NEIGHBOURS
    ]
    own = [UNIT // 4 * near[k] for k in OWN]
    return np.stack([*(saturated(np.abs(values)) for values in near), *own])


class Predictor:
    """The entropy model: how latents spread around which centre.

    Args:
        networks: Tensors by name, in units of 1 / ONE.
    """

    def __init__(self, networks: Mapping[str, Floats]) -> None:
        # the linear part of the centre is a row of its own below the first layer
        linear = np.zeros((1, networks["context"].shape[1]))
        first = len(NEIGHBOURS)
        linear[0, first : first + len(networks["linear"])] = networks["linear"]
        self.first = np.concatenate([networks["context"], linear])
        self.hidden = networks["hidden"]
        self.spread = networks["spread"]

    def before(self, context: Whole, first: int) -> Floats:
        """Sum the part of the first layer that some numbers of a context make.

        Args:
            context: (numbers, ...) consecutive numbers of contexts.
            first: Which one of the context's numbers the first of them is.

        Returns:
            (HIDDEN + 1, ...) sums.
        """
        weights = self.first[:, first : first + len(context)]
        flat = context.reshape(len(context), -1).astype(np.float64)
        return (weights @ flat).reshape(HIDDEN + 1, *context.shape[1:])

    def predicted(self, sums: Floats) -> tuple[Whole, Whole]:
        """Predict latents.

        Args:
            sums: (HIDDEN + 1, ...) sums of the first layer over whole contexts.

        Returns:
            (...) indices of spreads, and centres in units of 1 / PLACES.
        """
        flat = sums.reshape(HIDDEN + 1, -1)
        h = np.clip(nearest(flat[:-1] * (PART / (ONE * UNIT))), 0, LIMIT)
        h = self.hidden[:, :-1] @ h / ONE + self.hidden[:, -1:] * (PART / ONE)
        h = np.clip(nearest(h), 0, LIMIT)
        out = self.spread[:, :-1] @ h / (ONE * PART) + self.spread[:, -1:] / ONE
        centre = nearest((out[0] + flat[-1] / (ONE * UNIT)) * PLACES)
        index = nearest(out[1] * PER_OCTAVE) + UNITY
        shape = sums.shape[1:]
        centre = centre.clip(-LIMIT, LIMIT).astype(np.int64)
        return index.clip(0, SPREADS - 1).astype(np.int64).reshape(shape), centre.reshape(shape)
