"""Where the nodes of a lattice lie in a table: in order, or hashed."""

from __future__ import annotations

import math

import torch
from torch import Tensor

PRIMES = [1, 2654435761 - 2**32, 805459861, 3674653429 - 2**32]
"""Factors of the spatial hash for each axis (Müller et al. 2022), as int32."""


def steps_in_table(nodes: list[int], hashed: bool) -> list[int]:
    """Give what a step along each axis adds to a node's place, or its factor in the hash.

    Args:
        nodes: (d,) nodes along each axis.
        hashed: Whether the level is hashed.

    Returns:
        (d,) whole numbers.
    """
    if hashed:
        return PRIMES[: len(nodes)]
    return [math.prod(nodes[k + 1 :]) for k in range(len(nodes))]


def interleaved(parts: list[Tensor]) -> Tensor:
    """Stack along a new last axis; without derivatives by copies, in a third of the time on a CPU.

    Args:
        parts: Tensors of one shape.

    Returns:
        (*s, parts).
    """
    if parts[0].requires_grad or torch.compiler.is_compiling():
        return torch.stack(parts, -1)
    joined = parts[0].new_empty(*parts[0].shape, len(parts))
    for k, part in enumerate(parts):
        joined[..., k] = part
    return joined


def written(tensor: Tensor) -> int | None:
    """Count how often a tensor was written into.

    Args:
        tensor: The tensor.

    Returns:
        torch's own count; None for a tensor of inference mode, which has none.
    """
    if tensor.is_inference():
        return None
    return tensor._version
