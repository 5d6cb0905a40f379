"""Fan and cone beams: a point source opposite a flat detector.

The convention of angles and axes is that of `ray_transform`.
"""

from __future__ import annotations

import math
from abc import ABC

import torch
from torch import Tensor, nn

from inverse_inr import Box, Grid, OnGrid
from inverse_inr.operators.ct.joseph import joseph_matrix
from inverse_inr.operators.ct.ray_transform import (
    RayTransform,
    geometry_parameter,
    positive_count,
)
from inverse_inr.operators.rows import matrix_on_grid


class DivergingBeam(RayTransform, ABC):
    """A point source opposite a flat detector, as fan and cone beams have it.

    Attributes:
        source_distance: From the axis of rotation to the source, in the box's unit.
        detector_distance: From the axis of rotation to the detector, in the box's unit.
    """

    source_distance: Tensor
    detector_distance: Tensor

    def _place(self, source_distance: float | Tensor, detector_distance: float | Tensor) -> None:
        name = type(self).__name__
        dtype = self.angles.dtype
        self.source_distance = geometry_parameter(
            source_distance, f"{name}: source_distance", dtype
        )
        self.detector_distance = geometry_parameter(
            detector_distance, f"{name}: detector_distance", dtype
        )

    @property
    def magnification(self) -> Tensor:
        """The magnification of things on the axis of rotation by the detector, a scalar."""
        return (self.source_distance + self.detector_distance) / self.source_distance

    def _from_source(self, on_detector: Tensor, n: Tensor) -> tuple[Tensor, Tensor]:
        """Rays from the source through points of the detector plane.

        Their origins lie next to the axis of rotation, where the ray's parameter t is small.
        """
        middle = self._middle()
        source = middle - self.source_distance * n
        direction = nn.functional.normalize(
            middle + self.detector_distance * n + on_detector - source, dim=-1
        )
        along = ((middle - source) * direction).sum(-1, keepdim=True)
        return source + along * direction, direction


class FanBeam(DivergingBeam):
    """A fan beam with a flat detector, of shape (views, detectors).

    Args:
        box: The 2-D box of the field.
        angles: (views,) in radians.
        detectors: Number of detector bins.
        source_distance: From the axis of rotation to the source, in the box's unit.
        detector_distance: From the axis of rotation to the detector, in the box's unit.
        pitch: Width of a bin of the real detector, in the box's unit; by default one with which the
            detector sees the box at the axis of rotation.
        center: Shift of the axis of rotation along the detector, in the box's unit.
        samples: Points per ray; by default one per bin on the magnified box's diagonal.
        subrays: Rays that are averaged over each detector bin.

    Raises:
        ValueError: As `ParallelBeam`, and if the source lies inside the circle around the box.
    """

    def __init__(
        self,
        box: Box,
        angles: Tensor,
        detectors: int,
        source_distance: float,
        detector_distance: float,
        pitch: float | None = None,
        center: float | Tensor = 0.0,
        samples: int | None = None,
        subrays: int = 1,
    ) -> None:
        detectors = positive_count(detectors, "FanBeam: detectors")
        magnification = _checked_magnification(self, box, source_distance, detector_distance)
        if pitch is None:
            pitch = max(box.lengths) * magnification / detectors
        super().__init__(box, angles, center, pitch, samples, subrays, magnification)
        self._place(source_distance, detector_distance)
        self.shape = (len(self.angles), detectors)

    def rays(self, rows: Tensor, subrays: int | None = None) -> tuple[Tensor, Tensor]:
        view, column = self._split(rows)
        u = self._bins(column, self.shape[1], subrays) - self.center
        e, n = self._frame(view)
        return self._from_source(u[..., None] * e[:, None], n[:, None])

    def locate(self, points: Tensor, view: int) -> tuple[Tensor, Tensor]:
        e, n = self._frame(view)
        depth = 1 + ((points - self._middle()) @ n) / self.source_distance
        u = ((points - self._middle()) @ e) * self.magnification / depth
        index = (u + self.center) / self.pitch + 0.5 * (self.shape[1] - 1)
        return index[..., None], depth

    def on(self, grid: Grid) -> OnGrid:
        """The same transform of a sampled image, as a sparse matrix by Joseph's method.

        Detector bins are averaged.

        Args:
            grid: The grid of the image.

        Raises:
            MemoryError: The matrix would be over `joseph.MEMORY_LIMIT`; nothing is built then.
        """
        return matrix_on_grid(joseph_matrix(self, grid), grid, self.shape)


class ConeBeam(DivergingBeam):
    """A circular cone-beam scan with a flat detector in 3-D, of shape (views, rows, columns).

    Args:
        box: The 3-D box of the field; the axis of rotation is its last coordinate.
        angles: (views,) in radians.
        detectors: Numbers of detector rows (along the axis of rotation) and columns.
        source_distance: From the axis of rotation to the source, in the box's unit.
        detector_distance: From the axis of rotation to the detector, in the box's unit.
        pitch: Width and height of a pixel of the real detector, in the box's unit; by default one
            with which the columns see the box at the axis of rotation.
        center: Shift of the axis of rotation along the detector's columns, in the box's unit.
        samples: Points per ray; by default one per pixel on the magnified box's diagonal.
        subrays: Rays per axis of a detector pixel, `subrays`² in all, which are averaged.

    Raises:
        ValueError: As `FanBeam`.
    """

    ndim = 3

    def __init__(
        self,
        box: Box,
        angles: Tensor,
        detectors: tuple[int, int],
        source_distance: float,
        detector_distance: float,
        pitch: float | None = None,
        center: float | Tensor = 0.0,
        samples: int | None = None,
        subrays: int = 1,
    ) -> None:
        rows, columns = (positive_count(n, "ConeBeam: detectors") for n in detectors)
        magnification = _checked_magnification(self, box, source_distance, detector_distance)
        if pitch is None:
            pitch = max(box.lengths) * magnification / columns
        super().__init__(box, angles, center, pitch, samples, subrays, magnification)
        self._place(source_distance, detector_distance)
        self.shape = (len(self.angles), rows, columns)

    def rays(self, rows: Tensor, subrays: int | None = None) -> tuple[Tensor, Tensor]:
        view, row, column = self._split(rows)
        across = self._bins(column, self.shape[2], subrays) - self.center
        along = self._bins(row, self.shape[1], subrays)
        u = across[:, None, :].expand(-1, along.shape[1], -1).flatten(1)
        v = along[:, :, None].expand(-1, -1, across.shape[1]).flatten(1)
        e, n = self._frame(view)
        axis = e.new_tensor([0.0, 0.0, 1.0])
        return self._from_source(u[..., None] * e[:, None] + v[..., None] * axis, n[:, None])

    def locate(self, points: Tensor, view: int) -> tuple[Tensor, Tensor]:
        e, n = self._frame(view)
        x = points - self._middle()
        depth = 1 + (x @ n) / self.source_distance
        across = (x @ e) * self.magnification / depth + self.center
        u = across / self.pitch + 0.5 * (self.shape[2] - 1)
        v = x[..., 2] * self.magnification / depth / self.pitch + 0.5 * (self.shape[1] - 1)
        return torch.stack([v, u], -1), depth


def _checked_magnification(beam: nn.Module, box: Box, source: float, detector: float) -> float:
    """Magnification at the axis; the source must be outside the circle of the box's corners."""
    name = type(beam).__name__
    radius = 0.5 * math.hypot(*box.lengths[:2])
    source = _number(source)
    detector = _number(detector)
    if not (math.isfinite(source) and source > radius):
        raise ValueError(
            f"{name}: source_distance={source} lies inside the box's circle of radius {radius:.4g}."
        )
    if not (math.isfinite(detector) and detector >= 0):
        raise ValueError(
            f"{name}: detector_distance={detector} must be a length from the axis, not negative."
        )
    return (source + detector) / source


def _number(value: float | Tensor) -> float:
    if isinstance(value, Tensor):
        return float(value.detach())
    return value
