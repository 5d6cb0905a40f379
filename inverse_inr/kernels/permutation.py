"""Permutations of any size that take no memory: numbers are shuffled one by one.

A Feistel network on the pairs (a, b) of a rectangle that just holds 0 .. n-1, so x = a + width b:
each round adds a hash of one number of the pair to the other, which can be undone, hence the whole
is one to one. What falls outside 0 .. n-1 is shuffled again until it falls inside, which is one to
one as well (Black & Rogaway, Ciphers with Arbitrary Finite Domains, CT-RSA 2002).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

ROUNDS = 6
"""Rounds of the network; from four on its order cannot be told from a random one."""
_MASK = 2**31 - 1


def permuted(places: Tensor, count: int, key: int) -> Tensor:
    """Find what stands at some places of a shuffled row of numbers.

    Args:
        places: (*s,) int64 places, from 0 to `count` - 1.
        count: The length of the row.
        key: Decides the order.

    Returns:
        (*s,) int64 numbers, a permutation of 0 to `count` - 1 where all places are asked for.
    """
    width = max(1, math.isqrt(count - 1) + 1)
    height = -(-count // width)
    found = _once(places, width, height, key)
    outside = found >= count
    while bool(outside.any()):
        found = torch.where(outside, _once(found, width, height, key), found)
        outside = found >= count
    return found


def _once(numbers: Tensor, width: int, height: int, key: int) -> Tensor:
    a, b = numbers % width, numbers // width
    for number in range(0, ROUNDS, 2):
        a = (a + _hash(b, key + 0x9E3779B1 * number)) % width
        b = (b + _hash(a, key + 0x9E3779B1 * (number + 1))) % height
    return a + width * b


def _hash(x: Tensor, key: int) -> Tensor:
    """Numbers of 31 bits; products of 31 by 31 bits stay inside int64."""
    x = (x ^ (key & _MASK)) & _MASK
    for factor in (0x45D9F3B, 0x2C1B3C6D, (key >> 31 & _MASK) | 1):
        x = x * factor
        x = (x ^ (x >> 17) ^ (x >> 33)) & _MASK
    return x
