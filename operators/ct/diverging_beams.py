"""A point source opposite a flat detector, and the fan beam of it.

The convention of angles and axes is that of `ray_transform`.
"""

from __future__ import annotations

import math
from abc import ABC

from torch import Tensor, nn

from inverse_inr import Box, Grid, OnGrid
from inverse_inr.operators.ct.joseph import joseph_matrix
from inverse_inr.operators.ct.ray_transform import geometry_parameter, positive_count
from inverse_inr.operators.ct.turning_scanner import TurningScanner, at_views
from inverse_inr.operators.rows import beside_operator, matrix_on_grid
from inverse_inr.ranges import Count, Finite, FiniteTensor, NonNegative, Positive, checked


class DivergingBeam(TurningScanner, ABC):
    """A point source opposite a flat detector, as fan and cone beams have it.

    Attributes:
        source_distance: From the axis of rotation to the source, in the box's unit.
        detector_distance: From the axis of rotation to the detector, in the box's unit.
    """

    source_distance: Tensor
    detector_distance: Tensor

    def _place(self, source_distance: float | Tensor, detector_distance: float | Tensor) -> None:
        self.source_distance = self._distance(source_distance, "source_distance")
        self.detector_distance = self._distance(detector_distance, "detector_distance")

    def _distance(self, value: float | Tensor, name: str) -> Tensor:
        name = f"{type(self).__name__}: {name}"
        return geometry_parameter(value, name, self.angles.dtype)

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
        center: Shift of the axis of rotation along the detector, in the box's unit: one number, or
            (views,), one for each view.
        samples: Points per ray; by default one per bin on the magnified box's diagonal.
        subrays: Rays that are averaged over each detector bin.

    Raises:
        ValueError: As `ParallelBeam`, and if the source lies inside the circle around the box.
    """

    @checked
    def __init__(
        self,
        box: Box,
        angles: FiniteTensor,
        detectors: Count,
        source_distance: Positive | FiniteTensor,
        detector_distance: NonNegative | FiniteTensor,
        pitch: Positive | None = None,
        center: Finite | FiniteTensor = 0.0,
        samples: Count | None = None,
        subrays: Count = 1,
    ) -> None:
        detectors = positive_count(detectors, "FanBeam: detectors")
        magnification = checked_magnification(self, box, source_distance, detector_distance)
        if pitch is None:
            pitch = max(box.lengths) * magnification / detectors
        super().__init__(box, angles, center, pitch, samples, subrays, magnification)
        self._place(source_distance, detector_distance)
        self.shape = (len(self.angles), detectors)

    def rays(self, rows: Tensor, subrays: int | None = None) -> tuple[Tensor, Tensor]:
        view, column = self._split(rows)
        u = self.pitch * self._bins(column, self.shape[1], subrays)
        u = u - at_views(self.center, view)[..., None]
        e, n = self._frame(view)
        return self._from_source(u[..., None] * e[:, None], n[:, None])

    def locate(self, points: Tensor, view: int) -> tuple[Tensor, Tensor]:
        e, n = self._frame(view)
        depth = 1 + ((points - self._middle()) @ n) / self.source_distance
        u = ((points - self._middle()) @ e) * self.magnification / depth
        index = (u + at_views(self.center, view)) / self.pitch + 0.5 * (self.shape[1] - 1)
        return index[..., None], depth

    @beside_operator
    def on(self, grid: Grid) -> OnGrid:
        """The same transform of a sampled image, as a sparse matrix by Joseph's method.

        Detector bins are averaged.

        Args:
            grid: The grid of the image.

        Raises:
            MemoryError: The matrix would be over `joseph.MEMORY_LIMIT`; nothing is built then.
        """
        return matrix_on_grid(joseph_matrix(self, grid), grid, self.shape)


def checked_magnification(
    beam: nn.Module, box: Box, source: float | Tensor, detector: float | Tensor
) -> float:
    """Check where source and detector are.

    Args:
        beam: The operator, for the message.
        box: The box of the field, which turns about its middle.
        source: From the axis of rotation to the source, in the box's unit.
        detector: From the axis of rotation to the detector, in the box's unit.

    Returns:
        The magnification at the axis.

    Raises:
        ValueError: The source is inside the circle of the box's corners, or a distance is no single
            length.
    """
    name = type(beam).__name__
    radius = 0.5 * math.hypot(*box.lengths[:2])
    source = _number(source, f"{name}: source_distance")
    detector = _number(detector, f"{name}: detector_distance")
    if not (math.isfinite(source) and source > radius):
        hint = ""
        if detector > radius:
            hint = f" detector_distance={detector:.6g} does not; are the two swapped?"
        raise ValueError(
            f"{name}: source_distance={source} lies inside the box's circle of radius "
            f"{radius:.4g}.{hint}"
        )
    if not (math.isfinite(detector) and detector >= 0):
        raise ValueError(
            f"{name}: detector_distance={detector} must be a length from the axis, not negative."
        )
    return (source + detector) / source


def _number(value: float | Tensor, name: str) -> float:
    if isinstance(value, Tensor):
        if value.ndim:
            raise ValueError(f"{name} must be one length, got shape {tuple(value.shape)}.")
        return float(value.detach())
    return float(value)
