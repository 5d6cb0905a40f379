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
_LARGE = 2**62 - 1


def permuted(places: Tensor, count: int, key: int | Tensor) -> Tensor:
    """Find what stands at some places of a shuffled row of numbers.

    Args:
        places: (*s,) int64 places, from 0 to `count` - 1.
        count: The length of the row.
        key: Decides the order; (*s,) int64 keys, of a row each, for places in several rows.

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


def permuted_by_blocks(places: Tensor, count: int, block: int, together: int, key: int) -> Tensor:
    """Find what stands at some places of a row of numbers that is shuffled block by block.

    Blocks of neighbours are drawn at random, so many at a time, and the numbers of those that were
    drawn together are shuffled: whoever reads numbers from a disk in this order reads each block
    once. What is left behind the last whole block comes at the end.

    Args:
        places: (*s,) int64 places, from 0 to `count` - 1.
        count: The length of the row.
        block: Numbers of a block.
        together: Blocks that are shuffled together.
        key: Decides the order.

    Returns:
        (*s,) int64 numbers, a permutation of 0 to `count` - 1 where all places are asked for.
    """
    blocks = count // block
    whole = blocks // together * together * block
    size = together * block
    # the groups that are not full: the last drawn blocks, and what is left behind them
    tail = permuted((places - whole).clamp(min=0), max(1, count - whole), key + 1)
    place = places.clamp(max=max(0, whole - 1))
    group = place // size
    inside = permuted(place % size, size, ((key & _LARGE) + group * 0x9E3779B1) & _LARGE)
    within = torch.where(places < whole, group * size + inside, whole + tail)
    number = within // block
    drawn = number
    if blocks > 1:
        drawn = permuted(number.clamp(max=blocks - 1), blocks, key + 2)
    return torch.where(number < blocks, drawn, number) * block + within % block


def _once(numbers: Tensor, width: int, height: int, key: int | Tensor) -> Tensor:
    a, b = numbers % width, numbers // width
    for number in range(0, ROUNDS, 2):
        a = (a + _hash(b, key + 0x9E3779B1 * number)) % width
        b = (b + _hash(a, key + 0x9E3779B1 * (number + 1))) % height
    return a + width * b


def _hash(x: Tensor, key: int | Tensor) -> Tensor:
    """Numbers of 31 bits; products of 31 by 31 bits stay inside int64."""
    x = (x ^ (key & _MASK)) & _MASK
    for factor in (0x45D9F3B, 0x2C1B3C6D, (key >> 31 & _MASK) | 1):
        x = x * factor
        x = (x ^ (x >> 17) ^ (x >> 33)) & _MASK
    return x
