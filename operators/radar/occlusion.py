"""Occlusion: echoes weakened by what stands between a place and the radar.

    sigma_p(x) = sigma(x) exp( -∫_0^∞ rho(x + s u_p) ds )

rho in 1/m is the field's second channel, and u_p is the direction from the scene's centre to the
radar (parallel rays): the two-way amplitude is the one-way optical depth's exponential. Occlusion
makes the operator nonlinear. Without it scattering is linear in the field, and convex to fit:
leave it out unless shadows are seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from inverse_inr import Grid, Query, RowOperator
from inverse_inr.operators.radar.operator import RadarOperator
from inverse_inr.ranges import Finite, Positive, checked


class Occluded(RowOperator):
    """A radar operator on a grid whose field is (reflectivity, density in 1/m >= 0).

    Rows are the operator's pulses.

    Args:
        operator: A radar of isotropic voxels.
        step: Step of the rays, in voxels of the smallest spacing.

    Attributes:
        grid: The operator's voxels.
        step: Step of the rays in metres.

    Raises:
        ValueError: If the operator has scattered points or directional reflectivity.
    """

    @checked
    def __init__(self, operator: RadarOperator, step: Positive = 1.0) -> None:
        super().__init__(operator.shape)
        if operator.where is None or operator.degree:
            raise ValueError(
                "Occluded needs a radar operator of isotropic voxels: points=Grid(...), degree=0."
            )
        self.operator = operator
        self.grid = operator.where
        self.step = step * min(operator.where.spacing)

    def forward(self, rows: Tensor) -> Query:
        """Ask for the whole grid and answer with the echoes of some pulses.

        Args:
            rows: (b,) numbers of pulses.

        Returns:
            A query of (*grid.shape, 2) values whose answer is (b, K) complex.
        """
        geometry = self.operator.geometry
        look = geometry.look(self.grid.box.center)[rows.to(geometry.transmitters.device)]

        def measure(values: Tensor) -> Tensor:
            if values.shape[-1] != 2:
                raise ValueError(
                    "Occluded: the field needs 2 channels (reflectivity, density), "
                    f"not {values.shape[-1]}."
                )
            depth = torch.stack(
                [optical_depth(values[..., 1], self.grid, u.tolist(), self.step) for u in look]
            )
            sigma = values[..., 0] * torch.exp(-depth)
            return self.operator.echoes(sigma.flatten(1), rows)

        return Query(self.grid, measure)


@checked
def optical_depth(
    density: Tensor, grid: Grid, direction: Sequence[Finite], step: Positive
) -> Tensor:
    """Integrate density along rays from each voxel, by trapezoids.

    Density is interpolated linearly and is nothing outside the grid.

    Args:
        density: (*grid.shape,), per unit of the box.
        grid: The voxels.
        direction: Unit vector along which the rays leave.
        step: Length of a trapezoid in the box's unit.

    Returns:
        (*grid.shape,), without unit.
    """
    lower, size = (density.new_tensor(v) for v in (grid.box.lower, grid.box.lengths))
    start = 2 * (grid.points(density.dtype, density.device) - lower) / size - 1
    move = 2 * step * density.new_tensor(direction) / size
    image = density[None, None]
    total = 0.5 * step * density
    for k in range(1, math.ceil(grid.box.diagonal / step) + 1):
        where = (start + k * move).flip(-1)[None]
        seen = torch.nn.functional.grid_sample(image, where, align_corners=False)[0, 0]
        total = total + step * seen
    return total
