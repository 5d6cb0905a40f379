"""Occlusion: echoes weakened by what stands between a place and the radar. It makes the operator nonlinear.

    sigma_p(x) = sigma(x) exp( -∫_0^∞ rho(x + s u_p) ds )

rho in 1/m is the field's second channel, u_p the direction from the scene's centre to the radar (parallel rays): the
two-way amplitude is the one-way optical depth's exponential. Without it scattering is linear in the field, and convex
to fit: leave it out unless shadows are seen.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from inverse_inr import Grid, Query, RowOperator
from inverse_inr.operators.radar.operator import RadarOperator


class Occluded(RowOperator):
    """A radar operator on a grid whose field is (reflectivity, density in 1/m >= 0); rows are its pulses.

    `step` of the rays in voxels. Raises ValueError for scattered points or directional reflectivity.
    """

    def __init__(self, operator: RadarOperator, step: float = 1.0) -> None:
        super().__init__(operator.shape)
        if operator.where is None or operator.degree:
            raise ValueError(
                "Occluded needs a radar operator of isotropic voxels: points=Grid(...), degree=0."
            )
        self.operator, self.grid, self.step = (
            operator,
            operator.where,
            step * min(operator.where.spacing),
        )

    def forward(self, rows: Tensor) -> Query:
        look = self.operator.geometry.look(self.grid.box.center)[
            rows.to(self.operator.geometry.transmitters.device)
        ]

        def measure(values: Tensor) -> Tensor:
            if values.shape[-1] != 2:
                raise ValueError(
                    f"Occluded: the field needs 2 channels (reflectivity, density), not {values.shape[-1]}."
                )
            depth = torch.stack(
                [optical_depth(values[..., 1], self.grid, u.tolist(), self.step) for u in look]
            )
            sigma = values[..., 0] * torch.exp(-depth)
            return self.operator.echoes(sigma.flatten(1), rows)

        return Query(self.grid, measure)


def optical_depth(density: Tensor, grid: Grid, direction: list[float], step: float) -> Tensor:
    """∫ rho along rays from each voxel of (*shape,) towards `direction`, trapezoids of `step` (box's unit): (*shape,).

    Density is interpolated linearly and is nothing outside the grid.
    """
    lower, size = (density.new_tensor(v) for v in (grid.box.lower, grid.box.lengths))
    start = 2 * (grid.points(density.dtype, density.device) - lower) / size - 1
    move = 2 * step * density.new_tensor(direction) / size
    image, total = density[None, None], 0.5 * step * density
    for k in range(1, math.ceil(grid.box.diagonal / step) + 1):
        where = (start + k * move).flip(-1)[None]
        total = (
            total + step * torch.nn.functional.grid_sample(image, where, align_corners=False)[0, 0]
        )
    return total
