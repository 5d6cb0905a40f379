"""Views that are shifted on the detector: a sample or a stage that drifts, jumps or sinks.

    y_v(u) = p_v(u - d_v)

In a parallel beam a rigid motion without a turn is a shift of each view: along the detector, and
along the axis of rotation where there are rows. What lies along the ray is not seen. A shift of the
whole object by (a, b) shows as d_v = a cos(angle) + b sin(angle), which no scan can tell from the
object's place: this gauge is taken off by `without_gauge` before shifts are compared.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from inverse_inr import Operator
from inverse_inr.operators.ct.beam.around import Pitch, WholeViews, natural_shape
from inverse_inr.operators.ct.ray_transform import geometry_parameter
from inverse_inr.ranges import Finite, FiniteTensor, Range, checked

MARGIN = 0.25
"""How far views are continued at each edge, as a part of their size, before they are shifted."""

Stiffness = Annotated[float, Range(above=0)]
"""A standard deviation of second differences."""


class ShiftedViews(WholeViews):
    """An operator whose views are shifted on the detector, each by its own amount.

    Views are shifted by their Fourier series, exactly where they are band-limited, and go on beyond
    the detector as they are at its edges.

    Args:
        operator: Predicts views of shape (views, *detector) without motion.
        shift: (views, k) shifts along the k axes of the detector, in the unit of `pitch`; (views,)
            for k = 1. An `nn.Parameter` is learnt. By default zeros that are learnt.
        pitch: Width of a detector bin, in the unit of the shifts.
        stiffness: Standard deviation of the second differences of shifts from view to view, by
            which motion is known to be smooth. Beyond it the penalty grows like the difference, not
            its square, so that a jump is allowed. None for views that move without memory.

    Raises:
        ValueError: The shifts do not fit views and detector.
    """

    @checked
    def __init__(
        self,
        operator: Operator,
        shift: FiniteTensor | None = None,
        pitch: Pitch = 1.0,
        *,
        stiffness: Stiffness | None = None,
    ) -> None:
        shape = natural_shape(operator)
        super().__init__(operator, shape)
        axes = len(shape) - 1
        if shift is None:
            shift = nn.Parameter(torch.zeros(shape[0], axes))
        shift = geometry_parameter(shift, "ShiftedViews: shift")
        if tuple(shift.shape) not in {(shape[0], axes), (shape[0],) * (axes == 1)}:
            raise ValueError(
                f"ShiftedViews: shift has shape {tuple(shift.shape)} for {shape[0]} views of a "
                f"detector of {axes} axes; give ({shape[0]}, {axes})."
            )
        self.shift = shift
        self.pitch = pitch
        self.stiffness = stiffness

    def detect(self, views: Tensor, numbers: Tensor) -> Tensor:
        shift = self.shift[numbers].reshape(len(numbers), -1) / self.pitch
        return shifted(views[:, 0], shift.to(views.dtype))

    def negative_log_prior(self) -> Tensor:
        """The prior knowledge of the motion from view to view (`HasPrior`), a scalar in nats."""
        if self.stiffness is None or len(self.shift) < 3:
            return self.shift.new_zeros(())
        bend = self.shift.diff(n=2, dim=0) / self.stiffness
        return ((1 + bend.square()).sqrt() - 1).sum()


def shifted(views: Tensor, shift: Tensor) -> Tensor:
    """Shift images by fractions of a pixel.

    Args:
        views: (n, *detector).
        shift: (n, k) in pixels along the k axes of the detector.

    Returns:
        (n, *detector), the value of pixel u at u + shift.
    """
    for axis in range(1, views.ndim):
        count = views.shape[axis]
        margin = max(1, int(MARGIN * count))
        lines = views.movedim(axis, -1)
        edges = (lines[..., :1].expand(*lines.shape[:-1], margin), lines[..., -1:])
        padded = torch.cat([edges[0], lines, edges[1].expand_as(edges[0])], -1)
        size = padded.shape[-1]
        frequency = torch.fft.rfftfreq(size, dtype=views.dtype, device=views.device)
        turn = -2 * torch.pi * frequency * shift[:, axis - 1, None]
        phase = torch.polar(torch.ones_like(turn), turn)
        if size % 2 == 0:  # the highest frequency is a cosine, which no phase turns
            phase = torch.cat([phase[:, :-1], turn[:, -1:].cos().to(phase.dtype)], -1)
        phase = phase.reshape(len(views), *(1,) * (padded.ndim - 2), -1)
        moved = torch.fft.irfft(torch.fft.rfft(padded) * phase, size)
        views = moved[..., margin : margin + count].movedim(-1, axis)
    return views


@checked
def without_gauge(shift: FiniteTensor, angles: FiniteTensor) -> Tensor:
    """Take off the part of shifts that is a shift of the whole object.

    Args:
        shift: (views,) along the detector.
        angles: (views,) in radians.

    Returns:
        (views,) without the best a cos(angle) + b sin(angle), float64.

    Raises:
        ValueError: There are not as many angles as shifts.
    """
    if shift.shape != angles.shape or shift.ndim != 1:
        raise ValueError(
            f"without_gauge: shift has shape {tuple(shift.shape)} and angles "
            f"{tuple(angles.shape)}; both must be (views,)."
        )
    angle = angles.detach().double()
    values = shift.detach().double()
    design = torch.stack([angle.cos(), angle.sin()], -1)
    found = torch.linalg.lstsq(design, values[:, None], driver="gelsd").solution[:, 0]
    return values - design @ found


@checked
def shifts_from_mass(views: FiniteTensor, angles: FiniteTensor, pitch: Finite = 1.0) -> Tensor:
    """Find the shift of each view by its centre of mass, which must follow a sinusoid.

    This is the first of the consistency conditions of Helgason and Ludwig. The whole object must be
    seen, and air must measure 0.

    Args:
        views: (views, detectors) line integrals of a parallel beam.
        angles: (views,) in radians.
        pitch: Width of a bin.

    Returns:
        (views,) shifts without their gauge, float64.

    Raises:
        ValueError: A view has no mass, or there are not as many angles as views.
    """
    values = views.detach().double()
    total = values.sum(1)
    if not float(total.abs().min()) > 0:
        raise ValueError("shifts_from_mass: views must hold something: the sum of one is 0.")
    place = torch.arange(values.shape[1], dtype=torch.float64) - 0.5 * (values.shape[1] - 1)
    return without_gauge(pitch * (values @ place.to(values) / total), angles)


@checked
def shifts_from_neighbours(
    views: FiniteTensor, angles: FiniteTensor, pitch: Finite = 1.0
) -> Tensor:
    """Find the shift of each view by cross-correlation with the view before it, added up.

    What an object's turn changes from view to view is taken for motion too, as far as it is no
    sinusoid.

    Args:
        views: (views, detectors) line integrals of a parallel beam.
        angles: (views,) in radians.
        pitch: Width of a bin.

    Returns:
        (views,) shifts without their gauge, float64.
    """
    values = views.detach().double()
    steps = relative_shift(values[1:], values[:-1])
    path = torch.cat([steps.new_zeros(1), steps.cumsum(0)])
    return without_gauge(pitch * path, angles)


def relative_shift(views: Tensor, others: Tensor, finer: int = 20) -> Tensor:
    """How far views are shifted against others, by the top of their cross-correlation.

    Args:
        views: (n, detectors).
        others: (n, detectors).
        finer: Samples a bin of the cross-correlation, whose top a parabola then refines.

    Returns:
        (n,) in bins.
    """
    count = views.shape[1]
    size = 2 * count
    product = torch.fft.rfft(views, size) * torch.fft.rfft(others, size).conj()
    correlation = torch.fft.irfft(product, finer * size)
    top = correlation.argmax(1)
    around = (top[:, None] + torch.arange(-1, 2)) % (finer * size)
    low, middle, high = correlation.gather(1, around).unbind(1)
    bend = (low - 2 * middle + high).clamp(max=-1e-300)
    place = top + 0.5 * (low - high) / bend
    place = torch.where(place > 0.5 * finer * size, place - finer * size, place)
    return place / finer
