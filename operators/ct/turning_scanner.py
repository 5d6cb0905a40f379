"""A scanner that turns about an axis: what is given once a scan, or once for each view.

The convention of angles and axes is that of `ray_transform`.
"""

from __future__ import annotations

import copy
from abc import ABC
from typing import Self

import torch
from torch import Tensor, nn

from inverse_inr import Box
from inverse_inr.operators.ct.angle_units import check_radians
from inverse_inr.operators.ct.ray_transform import RayTransform, geometry_parameter


class TurningScanner(RayTransform, ABC):
    """A ray transform whose views are turns of one scanner about the box's centre.

    Args:
        box: The box of the field; rays are clipped to it.
        angles: (views,) in radians, in any order and of any number of turns.
        center: Shift of the axis of rotation along the detector, in the box's unit: one number, or
            (views,) of them.
        pitch: Width of a detector bin, in the box's unit.
        samples: Equispaced points per ray; by default one per detector bin on the box's diagonal.
        subrays: Rays that are averaged over each detector bin.
        magnification: Size of the axis of rotation's plane on the detector.

    Raises:
        ValueError: The box has another dimension, the geometry is not finite or not positive, the
            angles are degrees, or a quantity of each view has another length than the angles.
    """

    angles: Tensor
    center: Tensor

    def __init__(
        self,
        box: Box,
        angles: Tensor,
        center: float | Tensor,
        pitch: float,
        samples: int | None,
        subrays: int,
        magnification: float = 1.0,
    ) -> None:
        super().__init__(box, pitch, samples, subrays, magnification)
        name = type(self).__name__
        self.angles = geometry_parameter(angles, f"{name}: angles")
        if self.angles.ndim != 1 or not len(self.angles):
            raise ValueError(
                f"{name}: angles must be a (views,) tensor with at least one view, "
                f"got shape {tuple(self.angles.shape)}."
            )
        check_radians(self.angles, name)
        self.center = self._per_view(center, "center")

    def of_views(self, chosen: Tensor) -> Self:
        """The same scanner with some of its views, with what each of them has of its own.

        Args:
            chosen: (views,) of bool, or numbers of views.

        Returns:
            A copy, of which nothing is learnt.
        """
        views = len(self.angles)
        some = copy.deepcopy(self).requires_grad_(False)
        for name, value in (*some.named_parameters(), *some.named_buffers()):
            if tuple(value.shape) == (views,):
                delattr(some, name)
                setattr(some, name, nn.Buffer(value.detach()[chosen]))
        some.shape = (len(some.angles), *self.shape[1:])
        return some

    def _per_view(self, value: float | Tensor, name: str) -> Tensor:
        """Make a part of the state of a quantity that the scan has once, or once for each view."""
        return per_view(value, f"{type(self).__name__}: {name}", self.angles)

    def _geometry(self) -> Tensor:
        return self.angles

    def _frame(self, view: Tensor | int) -> tuple[Tensor, Tensor]:
        """(e, n) of some views, padded with zeros along the axis of rotation: both (*b, d)."""
        cos = self.angles[view].cos()
        sin = self.angles[view].sin()
        rest = [torch.zeros_like(cos)] * (self.ndim - 2)
        return torch.stack([cos, sin, *rest], -1), torch.stack([-sin, cos, *rest], -1)


def at_views(value: Tensor, view: Tensor | int) -> Tensor:
    """The value of a quantity at some views.

    Args:
        value: A scalar, the same for all views, or (views,).
        view: (*b,) numbers of views.

    Returns:
        (*b,) values, or the scalar.
    """
    if value.ndim == 0:
        return value
    return value[view]


def per_view(value: float | Tensor, name: str, angles: Tensor) -> Tensor:
    """Make a part of a module's state of a quantity that the scan has once, or once for each view.

    Args:
        value: A number, or (views,) of them; an `nn.Parameter` is learnt.
        name: What the quantity is called in the message.
        angles: (views,), whose length and dtype count.

    Returns:
        A scalar or (views,): the parameter itself, or a buffer.

    Raises:
        ValueError: The value is not finite, or there are not as many as views.
    """
    tensor = geometry_parameter(value, name, angles.dtype)
    if tensor.ndim == 0 or tuple(tensor.shape) == tuple(angles.shape):
        return tensor
    raise ValueError(
        f"{name} has shape {tuple(tensor.shape)} for {len(angles)} views: "
        f"give one number, or ({len(angles)},), one for each view."
    )
