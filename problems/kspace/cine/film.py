"""Films: a field of space and time on a lattice, periodic or not, and its variation in both."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from inverse_inr import Box, Field, Grid, interpolation_weights, sample
from inverse_inr.derivatives import grid_gradient
from inverse_inr.ranges import NonNegative, Positive, checked
from inverse_inr.regularizers import Regularizer

BEYOND = 2
"""Frames that a film is continued by at both ends."""


class FilmField(nn.Module):
    """A field of (x, y, t) as values on a lattice, linear between them.

    Args:
        grid: The lattice, whose last axis is time.
        periodic: Whether the last frame lies beside the first; any time then has a value.
    """

    @checked
    def __init__(self, grid: Grid, *, periodic: bool) -> None:
        super().__init__()
        self.grid = grid
        self.periodic = periodic
        self.values = nn.Parameter(torch.zeros(*grid.shape, 1))
        low, high = list(grid.box.lower), list(grid.box.upper)
        low[-1] -= BEYOND * grid.spacing[-1]
        high[-1] += BEYOND * grid.spacing[-1]
        shape = (*grid.shape[:-1], grid.shape[-1] + 2 * BEYOND)
        self._padded = Grid(Box(tuple(low), tuple(high), grid.box.units), shape)

    def forward(self, points: Tensor) -> Tensor:
        """The values at points (*s, 3): (*s, 1)."""
        if self.periodic:
            start, length = self.grid.box.lower[-1], self.grid.box.lengths[-1]
            time = start + torch.remainder(points[..., -1:] - start, length)
            points = torch.cat([points[..., :-1], time], -1)
        index, weight = interpolation_weights(self._padded, points)
        frames = torch.arange(-BEYOND, self.grid.shape[-1] + BEYOND, device=self.values.device)
        if self.periodic:
            frames = frames % self.grid.shape[-1]
        else:
            frames = frames.clamp(0, self.grid.shape[-1] - 1)
        seen = self.values[..., 0].index_select(-1, frames).flatten()[index]
        return (seen * weight.to(seen.dtype)).sum(-1, keepdim=True)

    def sample(self, grid: Grid) -> Tensor:
        """The values on a lattice (`Lattice`): (*shape, 1); on its own they are the parameters."""
        if grid == self.grid:
            return self.values
        return self(grid.points(self.values.dtype, self.values.device))

    @torch.no_grad()
    def begin_with(self, field: Field) -> None:
        """Set the values to those of a field at the lattice.

        Args:
            field: The field.
        """
        self.values.copy_(sample(field, self.grid))


@checked
@dataclass(frozen=True)
class SpaceTimeVariation(Regularizer):
    """mean sqrt(|∇f|² + (∂f/∂t / speed)² + epsilon²) - epsilon on a lattice of space and time.

    An edge that moves slower than `speed` costs as an edge in space, once and not in each frame
    anew. With `space=0` it is temporal total variation alone, as in GRASP.

    Args:
        grid: The lattice, whose last axis is time.
        speed: The speed at which changes in time cost as much as edges in space, in units of the
            box per unit of time.
        periodic: Whether the last frame lies beside the first.
        space: Factor of the slopes in space.
        epsilon: Rounds the corner at zero, in field units per unit of the box.

    Source:
        Feng et al., MRM 72, 2014 (temporal); the isotropic one of space and time is Rudin, Osher &
        Fatemi 1992 in three dimensions.
    """

    grid: Grid
    speed: Positive = 1.0
    periodic: bool = True
    space: NonNegative = 1.0
    epsilon: NonNegative = 1e-3

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        values = sample(field, self.grid)
        step = self.grid.spacing[-1] * self.speed
        first = values[:, :, :1]
        if not self.periodic:
            first = values[:, :, -1:]
        squared = (torch.diff(values, dim=2, append=first) / step).abs().square()
        if self.space:
            slopes = grid_gradient(values, self.grid.spacing)[..., :2]
            squared = squared + (self.space * slopes.abs()).square().sum(-1)
        return ((squared + self.epsilon**2).sqrt() - self.epsilon).mean()
