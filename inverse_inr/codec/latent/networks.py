"""The two networks of a picture: numbers of each, in a fixed order, as differences from a start."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from inverse_inr.codec.causal import Whole
from inverse_inr.codec.latent.lattices import LEVELS, TAPS, lattices
from inverse_inr.codec.planes import Floats

HIDDEN = 16
"""Hidden units of the synthesis, and of each layer of the entropy model."""
CONTEXT = 26
"""Numbers that the entropy model sees of a latent's surroundings."""
SIGNED = 5
"""Numbers of them that keep their sign, by which the centre is predicted linearly as well."""
ONE = 1024
"""What stands for one in the numbers of the networks."""
ENTROPY = ("context", "hidden", "spread", "linear")
"""Names of the entropy model's numbers; the others are those of the synthesis."""


def sizes(planes: int) -> dict[str, tuple[int, ...]]:
    """Names and sizes of all numbers, in their order in a file.

    Args:
        planes: Planes of the picture.

    Returns:
        The shape of each tensor.
    """
    return {
        "taps": (LEVELS - 1, TAPS),
        "mixing": (HIDDEN, len(lattices(planes))),
        "mixing_bias": (HIDDEN,),
        "planes": (planes, HIDDEN),
        "planes_bias": (planes,),
        "before": (planes, planes, 3, 3),
        "before_bias": (planes,),
        "after": (planes, planes, 3, 3),
        "after_bias": (planes,),
        "context": (HIDDEN, CONTEXT),
        "hidden": (HIDDEN, HIDDEN + 1),
        "spread": (2, HIDDEN + 1),
        "linear": (SIGNED,),
    }


def unpacked(numbers: Whole, planes: int) -> dict[str, Whole]:
    """Give names and shapes to numbers in a row.

    Args:
        numbers: All numbers, in the order of `sizes`.
        planes: Planes of the picture.

    Returns:
        The tensors by name.
    """
    found = {}
    at = 0
    for name, shape in sizes(planes).items():
        count = math.prod(shape)
        found[name] = numbers[at : at + count].reshape(shape)
        at += count
    return found


def fewer_planes(networks: Mapping[str, Whole], planes: int) -> dict[str, Whole]:
    """Keep the part of networks of more planes that makes the first few.

    Args:
        networks: Tensors by name.
        planes: How many planes are made.

    Returns:
        Tensors by name.
    """
    found = {}
    for name, shape in sizes(planes).items():
        found[name] = networks[name][tuple(slice(length) for length in shape)]
    return found


def step_of(name: str, exponents: tuple[int, int]) -> int:
    """Give the step size of a tensor's differences from the start.

    Args:
        name: Its name.
        exponents: Halvings of one, for the synthesis and for the entropy model.

    Returns:
        The step in units of 1 / ONE.
    """
    return ONE >> exponents[name in ENTROPY]


def changed(
    start: Mapping[str, Whole], differences: Mapping[str, Whole], exponents: tuple[int, int]
) -> dict[str, Floats]:
    """Add coded differences to the start.

    Args:
        start: Tensors by name, in units of 1 / ONE.
        differences: Whole numbers of steps.
        exponents: Halvings of one, for the synthesis and for the entropy model.

    Returns:
        Tensors by name, whole numbers in units of 1 / ONE.
    """
    return {
        name: (start[name] + step_of(name, exponents) * differences[name]).astype(np.float64)
        for name in start
    }
