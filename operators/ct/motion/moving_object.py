"""An object that moves rigidly while it is scanned, seen along its own rays.

    y_v = ∫ f(R_v⁻¹ (x - c - t_v) + c) along the ray

The object at view v is turned by R_v about the box's centre c and then shifted by t_v. In the frame
of the object its rays move instead, so this works for every ray transform, in 2-D and 3-D: a sample
that sinks is a shift along the axis of rotation.
"""

from __future__ import annotations

import torch
from torch import Tensor

from inverse_inr import Grid, OnGrid, Query
from inverse_inr.devices import constant, unravel
from inverse_inr.operators.ct.beam.around import AroundScan
from inverse_inr.operators.ct.joseph_planes import JosephPlanes
from inverse_inr.operators.ct.ray_transform import RayTransform, geometry_parameter
from inverse_inr.operators.ct.rays_on_grid import RaysOnGrid
from inverse_inr.operators.rigid import rotation_matrix
from inverse_inr.operators.rows import beside_operator
from inverse_inr.ranges import FiniteTensor, checked


class MovingObject(AroundScan):
    """A ray transform of an object with a pose of its own at each view.

    What is common to all poses is a gauge: a motion of the whole object. A shift along the rays of
    a parallel beam is not seen.

    Args:
        scan: The ray transform of the object at rest.
        shift: (views, d) shifts in the box's unit. An `nn.Parameter` is learnt; zeros by default.
        turn: (views, 1) angles in 2-D, from axis 0 towards axis 1; (views, 3) rotation vectors in
            3-D, in radians. An `nn.Parameter` is learnt; zeros by default.

    Raises:
        ValueError: The poses do not fit views and dimensions.
    """

    @checked
    def __init__(
        self,
        scan: RayTransform,
        shift: FiniteTensor | None = None,
        turn: FiniteTensor | None = None,
    ) -> None:
        super().__init__(scan, tuple(scan.shape))
        views, ndim = scan.shape[0], scan.ndim
        self.shift = self._pose(shift, "shift", (views, ndim))
        angles = 3
        if ndim == 2:
            angles = 1
        self.turn = self._pose(turn, "turn", (views, angles))

    @property
    def _scan(self) -> RayTransform:
        assert isinstance(self.operator, RayTransform)
        return self.operator

    def _pose(self, value: Tensor | None, name: str, shape: tuple[int, int]) -> Tensor:
        if value is None:
            value = torch.zeros(shape)
        pose = geometry_parameter(value, f"MovingObject: {name}")
        if tuple(pose.shape) != shape:
            raise ValueError(
                f"MovingObject: {name} has shape {tuple(pose.shape)}; {shape[0]} views of "
                f"{type(self._scan).__name__} need {shape}."
            )
        return pose

    def rays(self, rows: Tensor, subrays: int | None = None) -> tuple[Tensor, Tensor]:
        """The rays of some measurements in the frame of the object.

        Args:
            rows: (b,) numbers of the measurements.
            subrays: Rays per bin, as `RayTransform.rays` takes them.

        Returns:
            Origins and unit directions, (b, subrays, d) each.
        """
        origin, direction = self._scan.rays(rows, subrays)
        view = unravel(rows.to(self.shift.device), self.shape)[0]
        center = constant(self._scan.box.center, origin.dtype, origin.device)
        matrix = self._rotations(self.turn[view]).to(origin)
        arm = origin - center - self.shift[view][:, None].to(origin)
        # a row times R is R⁻¹ applied to it
        return arm @ matrix + center, direction @ matrix

    def forward(self, rows: Tensor) -> Query:
        """Look along the rays of `rows` (b,) in the frame of the object."""
        return self._scan.through(*self.rays(rows))

    @beside_operator
    def on(self, grid: Grid) -> OnGrid:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The same transform of a sampled image by Joseph's method, with the poses as they are now.

        Args:
            grid: The grid of the image.
        """
        return RaysOnGrid(JosephPlanes(self, grid))

    def _rotations(self, turn: Tensor) -> Tensor:
        if turn.shape[-1] == 3:
            return rotation_matrix(turn)
        cos, sin = turn.cos(), turn.sin()
        rows = [torch.cat([cos, -sin], -1), torch.cat([sin, cos], -1)]
        return torch.stack(rows, -2)
