"""A cone beam that turns about an axis, with a flat panel as it really stands.

The convention of angles and axes is that of `ray_transform`.
"""

from __future__ import annotations

from torch import Tensor

from inverse_inr import Box
from inverse_inr.operators.ct.diverging_beams import DivergingBeam, checked_magnification
from inverse_inr.operators.ct.flat_panel import FlatPanel, PanelFrame, panel_counts
from inverse_inr.operators.ct.ray_transform import positive_length
from inverse_inr.operators.ct.turning_scanner import at_views
from inverse_inr.ranges import Count, Finite, FiniteTensor, NonNegative, Positive, checked


class ConeBeam(FlatPanel, DivergingBeam):
    """A cone-beam scan with a flat panel in 3-D, of shape (views, rows, columns).

    The source turns about the box's middle, with a the axis of rotation (the last coordinate):

        source = middle + height a - source_distance n      foot = middle + height a
                                                                   + detector_distance n

    The panel turns about its foot by yaw, then tilt, then roll, from u = e and v = a:

        yaw    about a:  u' = u cos + n sin                 n' = n cos - u sin
        tilt   about u': v' = v cos + n' sin
        roll   in plane: u" = u' cos + v' sin               v" = v' cos - u' sin

    and its middle lies at foot - center u" - vertical v". Everything but the two distances may be
    one number or (views,) of them, and everything may be learnt. With `height` that grows the scan
    is a helix. A path that is not round is `ConeVectors`.

    Args:
        box: The 3-D box of the field; the axis of rotation is its last coordinate.
        angles: (views,) in radians.
        detectors: Numbers of detector rows (along the axis of rotation) and columns.
        source_distance: From the axis of rotation to the source, in the box's unit.
        detector_distance: From the axis of rotation to the panel's foot, in the box's unit.
        pitch: Side of a square pixel of the real panel, or the pitch of its rows and that of its
            columns, in the box's unit; by default one with which the columns see the box at the
            axis of rotation.
        center: Shift of the axis of rotation along the panel's rows, in the box's unit.
        samples: Points per ray; by default one per pixel on the magnified box's diagonal.
        subrays: Rays per axis of a detector pixel, `subrays`² in all, which are averaged.
        vertical: Shift of the source's plane along the panel's columns, in the box's unit.
        height: Place of source and panel along the axis, from the box's middle, in its unit.
        tilt: Of the panel about its rows, in radians.
        roll: Of the panel in its plane, in radians.
        yaw: Of the panel about the axis of rotation, in radians.

    Raises:
        ValueError: As `FanBeam`, or a quantity of each view has another length than the angles.
    """

    ndim = 3

    @checked
    def __init__(
        self,
        box: Box,
        angles: FiniteTensor,
        detectors: tuple[Count, Count],
        source_distance: Positive | FiniteTensor,
        detector_distance: NonNegative | FiniteTensor,
        pitch: Positive | tuple[Positive, Positive] | None = None,
        center: Finite | FiniteTensor = 0.0,
        samples: Count | None = None,
        subrays: Count = 1,
        *,
        vertical: Finite | FiniteTensor = 0.0,
        height: Finite | FiniteTensor = 0.0,
        tilt: Finite | FiniteTensor = 0.0,
        roll: Finite | FiniteTensor = 0.0,
        yaw: Finite | FiniteTensor = 0.0,
    ) -> None:
        rows, columns = panel_counts(detectors, "ConeBeam")
        magnification = checked_magnification(self, box, source_distance, detector_distance)
        if pitch is None:
            pitch = max(box.lengths) * magnification / columns
        row_pitch, column_pitch = _pitches(pitch)
        super().__init__(box, angles, center, column_pitch, samples, subrays, magnification)
        self.row_pitch = row_pitch
        self._place(source_distance, detector_distance)
        self.shape = (len(self.angles), rows, columns)
        self.vertical = self._per_view(vertical, "vertical")
        self.height = self._per_view(height, "height")
        self.tilt = self._per_view(tilt, "tilt")
        self.roll = self._per_view(roll, "roll")
        self.yaw = self._per_view(yaw, "yaw")

    def frame(self, view: Tensor | int) -> PanelFrame:
        """Place the source and the panel.

        Args:
            view: (*b,) numbers of views.

        Returns:
            The frame, (*b, 3) each.
        """
        u, n = self._frame(view)
        v = u.new_tensor([0.0, 0.0, 1.0]).expand_as(u)
        axis_point = self._middle() + self._at(self.height, view) * v
        source = axis_point - self.source_distance * n
        foot = axis_point + self.detector_distance * n
        u, n = _turned(u, n, self._at(self.yaw, view))
        v, _ = _turned(v, n, self._at(self.tilt, view))
        u, v = _turned(u, v, self._at(self.roll, view))
        middle = foot - self._at(self.center, view) * u - self._at(self.vertical, view) * v
        return PanelFrame(source, middle, self.pitch * u, self.row_pitch * v)

    def _at(self, value: Tensor, view: Tensor | int) -> Tensor:
        return at_views(value, view)[..., None]


def _turned(first: Tensor, second: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    """Two perpendicular directions turned in their plane, the first towards the second."""
    cos, sin = angle.cos(), angle.sin()
    return cos * first + sin * second, cos * second - sin * first


def _pitches(pitch: float | tuple[float, float]) -> tuple[float, float]:
    """The pitch of the rows and that of the columns."""
    if isinstance(pitch, tuple | list):
        if len(pitch) != 2:
            raise ValueError(
                f"ConeBeam: pitch must be one length, or two (rows, columns), got {pitch!r}."
            )
        rows, columns = pitch
    else:
        rows = columns = pitch
    return (
        positive_length(rows, "ConeBeam: pitch of the rows"),
        positive_length(columns, "ConeBeam: pitch of the columns"),
    )
