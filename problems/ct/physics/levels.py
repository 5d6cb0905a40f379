"""A field as a sum of lattices, coarse to fine, so that gradients reach large structures soon."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from inverse_inr import Box, Grid, SampledField, priors, sample

COARSEST = 8
"""Cells of the coarsest lattice along the longest side, about."""


class Levels(nn.Module):
    """A field as a sum of lattices, each half as fine as the one before it.

    A measurement that sees frequency f as f^p makes gradients of large structures small; weights of
    2^(p · level) undo that, as the multilevel preconditioner of Bramble, Pasciak & Xu (Math. Comput.
    55, 1990) does.

    Args:
        box: The box of the field.
        cells: Cells of the finest lattice along the longest side.
        powers: p of each channel.
    """

    def __init__(self, box: Box, cells: int, powers: Sequence[float]) -> None:
        super().__init__()
        counts = [cells]
        while counts[-1] // 2 >= COARSEST:
            counts.append(counts[-1] // 2)
        channels = len(powers)
        self.levels = nn.ModuleList(
            priors.create("grid", box, channels, cells=float(n)) for n in counts
        )
        weights = torch.tensor([[2.0 ** (p * k) for p in powers] for k in range(len(counts))])
        self.weights = nn.Buffer(weights)

    def forward(self, points: Tensor) -> Tensor:
        """The field at points (*s, d): (*s, channels)."""
        parts = zip(self.levels, self.weights.to(points), strict=True)
        return torch.stack([weight * level(points) for level, weight in parts]).sum(0)

    def sample(self, grid: Grid) -> Tensor:
        """The field on a lattice (`Lattice`): (*shape, channels)."""
        total = sample(self.levels[0], grid)
        for level, weight in zip(list(self.levels)[1:], self.weights[1:], strict=True):
            total = total + weight * sample(level, grid)
        return total

    @torch.no_grad()
    def begin_with(self, image: SampledField) -> None:
        """Set the finest lattice to an image of as many nodes; the others are zero.

        Args:
            image: The image.
        """
        table = next(iter(self.levels[0].parameters()))
        table.copy_(image.values.reshape(table.shape))
