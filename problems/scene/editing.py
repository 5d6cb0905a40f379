"""A fitted scene changed, or held at one time: all views stay consistent, for the field is one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from inverse_inr import Box, Field
from inverse_inr.devices import constant
from inverse_inr.ranges import Finite, checked


class Removed(nn.Module):
    """A field of density and colours without what stands in a region.

    Args:
        field: The field.
        region: The region whose density becomes zero at all times, in the unit of the field's box.

    Raises:
        ValueError: The region is not 3-D.
    """

    @checked
    def __init__(self, field: nn.Module, region: Box) -> None:
        super().__init__()
        if region.ndim != 3:
            raise ValueError(f"Removed: a scene has 3 axes; the region has {region.ndim}.")
        self.field = field
        self.region = region

    def forward(self, points: Tensor) -> Tensor:
        """Evaluate the field at points (*s, 3), or (*s, 4) with time."""
        values = self.field(points)
        lower = constant(self.region.lower, points.dtype, points.device)
        upper = constant(self.region.upper, points.dtype, points.device)
        place = points[..., :3]
        inside = ((place >= lower) & (place <= upper)).all(-1, keepdim=True)
        density = torch.where(inside, torch.zeros_like(values[..., :1]), values[..., :1])
        return torch.cat([density, values[..., 1:]], -1)


class AtTime(nn.Module):
    """A field of places and times as it is at one time.

    Args:
        field: The field, of points (*s, 4), time last.
        time: In the unit of its last axis.
    """

    @checked
    def __init__(self, field: Field, time: Finite) -> None:
        super().__init__()
        self.field = field
        self.time = time

    def forward(self, points: Tensor) -> Tensor:
        """Evaluate the field at points (*s, 3)."""
        time = torch.full_like(points[..., :1], self.time)
        return self.field(torch.cat([points, time], -1))
