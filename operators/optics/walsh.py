"""The fast Walsh-Hadamard transform, and the order of its rows by sequency."""

from __future__ import annotations

import torch
from torch import Tensor

from inverse_inr import with_adjoint


def walsh_hadamard(x: Tensor, axis: int) -> Tensor:
    """Transform along an axis: Σ_j (-1)^popcount(i & j) x_j. It is its own transpose.

    Args:
        x: Values; the length of the axis is a power of two.
        axis: The axis, from 0.

    Returns:
        An array of the same shape, in natural order.

    Raises:
        ValueError: If the length is no power of two.
    """
    return with_adjoint(lambda v: _butterflies(v, axis), lambda v: _butterflies(v, axis))(x)


def _butterflies(x: Tensor, axis: int) -> Tensor:
    n = x.shape[axis]
    if n & (n - 1):
        raise ValueError(f"walsh_hadamard: axis {axis} has length {n}, which is no power of two.")
    half = 1
    while half < n:
        a, b = x.unflatten(axis, (-1, 2, half)).unbind(axis + 1)
        x = torch.stack([a + b, a - b], axis + 1).flatten(axis, axis + 2)
        half *= 2
    return x


def walsh_order(n: int) -> Tensor:
    """Natural indices of the Hadamard rows in the order of their sign changes.

    Args:
        n: Length of the transform, a power of two.

    Returns:
        (n,) whole numbers: entry s is the row with s sign changes, the bit-reversed Gray code of s.
    """
    s = torch.arange(n)
    gray = s ^ (s >> 1)
    natural = torch.zeros_like(s)
    for bit in range(n.bit_length() - 1):
        natural |= ((gray >> bit) & 1) << (n.bit_length() - 2 - bit)
    return natural
