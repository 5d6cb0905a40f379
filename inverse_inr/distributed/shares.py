"""Which part of a list is whose, and how the parts become the list again.

Process r of n takes the places r, r + n, r + 2n, ... Every share has the same length: where n does
not divide the list, the last places are filled by the first ones, whose results are dropped.
"""

from __future__ import annotations

import torch
from torch import Tensor


def share(count: int, rank: int, world: int, device: torch.device | None = None) -> Tensor:
    """List the places of one process.

    Args:
        count: Length of the list, at least 1.
        rank: The number of the process, from 0.
        world: The number of processes.
        device: Device of the result.

    Returns:
        (ceil(count / world),) places, each below `count`.

    Example:
        >>> share(5, 0, 2), share(5, 1, 2)
        (tensor([0, 2, 4]), tensor([1, 3, 0]))
    """
    return torch.arange(rank, rank + length(count, world) * world, world, device=device) % count


def length(count: int, world: int) -> int:
    """The length of every share of a list of `count` entries."""
    return -(-count // world)


def in_order(parts: Tensor, count: int) -> Tensor:
    """Put the shares of all processes together.

    Args:
        parts: (world, ceil(count / world), *s) results of the shares.
        count: Length of the list.

    Returns:
        (count, *s) results in the order of the list.
    """
    return parts.transpose(0, 1).flatten(0, 1)[:count]


def slab(layers: int, rank: int, world: int) -> tuple[int, int]:
    """Give one process its layers of a lattice.

    Args:
        layers: Number of layers, at least 1.
        rank: The number of the process, from 0.
        world: The number of processes.

    Returns:
        The first layer and how many there are: ceil(layers / world), fewer for the last process
        that gets any. Those after it get the last layer, which nobody needs of them.
    """
    thick = length(layers, world)
    start = min(rank * thick, layers - 1)
    return start, min(thick, layers - start)
