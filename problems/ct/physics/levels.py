"""A field as a sum of lattices, coarse to fine, so that gradients reach large structures soon."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from inverse_inr import Box, Grid, SampledField, priors, sample

COARSEST = 8
"""Cells of the coarsest lattice along the longest side, about."""


class Levels(nn.Module):
    """A field as a sum of lattices, each half as fine as the one before it.

    Where measurements hardly see low frequencies, as phase contrast does, gradients of single nodes
    move large structures slowly; those of coarse nodes are sums over all that lies beneath them. It
    is the multilevel preconditioner of Bramble, Pasciak & Xu (Math. Comput. 55, 1990) as a prior.

    Args:
        box: The box of the field.
        cells: Cells of the finest lattice along the longest side.
        channels: Values of the field at each point.
    """

    def __init__(self, box: Box, cells: int, channels: int = 1) -> None:
        super().__init__()
        counts = [cells]
        while counts[-1] // 2 >= COARSEST:
            counts.append(counts[-1] // 2)
        self.levels = nn.ModuleList(
            priors.create("grid", box, channels, cells=float(n)) for n in counts
        )

    def forward(self, points: Tensor) -> Tensor:
        """The field at points (*s, d): (*s, channels)."""
        return torch.stack([level(points) for level in self.levels]).sum(0)

    def sample(self, grid: Grid) -> Tensor:
        """The field on a lattice (`Lattice`): (*shape, channels)."""
        total = sample(self.levels[0], grid)
        for level in list(self.levels)[1:]:
            total = total + sample(level, grid)
        return total

    @torch.no_grad()
    def begin_with(self, image: SampledField) -> None:
        """Set the finest lattice to an image of as many nodes; the others are zero.

        Args:
            image: The image.
        """
        table = next(iter(self.levels[0].parameters()))
        table.copy_(image.values.reshape(table.shape))
