"""The beginning of the latents: a pyramid of differences between levels."""

from __future__ import annotations

import torch
from torch import Tensor

from inverse_inr.codec.latent.lattices import LEVELS, Lattice, lattices, placing

DOUBLING = (-0.0703125, 0.8671875, 0.2265625, -0.0234375)
"""Taps of the filter to a finer level, by cubic convolution (Keys 1981)."""


def pyramid(planes: Tensor, step: float) -> dict[Lattice, Tensor]:
    """Split planes into what each level adds to the coarser ones.

    Args:
        planes: (planes, rows, columns).
        step: What a latent of one stands for.

    Returns:
        (rows, columns) of each lattice, in the order of `lattices`.

    Source:
        Burt and Adelson 1983; Unser, Aldroubi and Eden 1993, pyramids of least squares.
    """
    levels = [planes]
    for _ in range(LEVELS - 1):
        own = levels[-1]
        # the coarser level from which the finer one is told best, in least squares
        down, across = (torch.linalg.pinv(_doubling(length)) for length in own.shape[1:])
        levels.append(down @ own @ across.T)
    found = {}
    for lattice in lattices(len(planes)):
        level, plane = lattice
        own = levels[level][plane]
        if level + 1 < LEVELS:
            down, across = (_doubling(length) for length in own.shape)
            own = own - down @ levels[level + 1][plane] @ across.T
        found[lattice] = own / (step * lattice.gain)
    return found


def _doubling(count: int) -> Tensor:
    taps = torch.tensor(DOUBLING)
    return torch.einsum("t,tij->ij", taps, torch.from_numpy(placing(count)).float())
