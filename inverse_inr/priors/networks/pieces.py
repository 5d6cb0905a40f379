"""Networks evaluated piece by piece, so that what lies between layers stays in a CPU's cache.

A large activation is given back to the system when it is freed, and each page of the next one
costs a fault: a step of a SIREN then takes up to twice as long.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

PIECE = 2**18
"""Numbers in one activation of a piece: 1 MB in single precision, 2,048 points of width 128."""


def in_pieces(network: Callable[[Tensor], Tensor], h: Tensor, width: int) -> Tensor:
    """Apply a network that treats each point by itself, on a CPU piece by piece.

    Gradients of any order pass through, as they do through the whole. A compiler gets the whole:
    it would unroll the pieces.

    Args:
        network: Maps (n, inputs) to (n, outputs).
        h: (*s, inputs).
        width: Numbers of a point in the network's widest layer.

    Returns:
        (*s, outputs).
    """
    rows = max(1, PIECE // width)
    count = h.shape[:-1].numel()
    if h.device.type != "cpu" or count <= rows or torch.compiler.is_compiling():
        return network(h)
    parts = [network(part) for part in h.reshape(count, -1).split(rows)]
    return torch.cat(parts).reshape(*h.shape[:-1], -1)
