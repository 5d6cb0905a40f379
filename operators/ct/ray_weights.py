"""The weight of each ray in filtered backprojection: rays that are seen twice count half.

A ray at view β and detector coordinate s is seen again, from the other side, at -s: half a turn on
in a parallel beam, and at β + π - 2γ in a fan, with γ = atan(s / (source to detector)). The two
weights add up to 1 and are smooth along the detector, because the ramp follows them.

Offset detector (Wang, Med. Phys. 29, 2002), with the detector's short side at -a from the axis:

    w(s) = 1/2 (1 + sin(π s / 2a))      |s| < a      0 beyond -a, 1 beyond a

Short scan of a fan (Parker, Med. Phys. 9, 1982; Silver, Med. Phys. 27, 2000), for views that span
π + 2Γ, which may be more than the fan's own angle asks:

    w = sin²(π/4 β / (Γ + γ))                 β < 2 (Γ + γ)
    w = sin²(π/4 (π + 2Γ - β) / (Γ - γ))      β > π + 2γ          1 between
"""

from __future__ import annotations

import math
import warnings

import torch
from torch import Tensor

from inverse_inr.operators.ct.diverging_beams import DivergingBeam
from inverse_inr.operators.ct.turning_scanner import TurningScanner
from inverse_inr.operators.ct.view_weights import Coverage, angular_coverage

DARK = 0.05
"""Part of the largest measurement, in the mean over views, that counts as seen at the edge."""
CUT_OFF = 0.25
"""The same at both edges of a detector about the axis, where background is no rarity."""
WEDGE = math.radians(15)
"""Gaps of half a turn that are a missing wedge together, in radians; less is a few lost views."""


def ray_weights(beam: TurningScanner, views: Tensor) -> Tensor:
    """Weigh every ray by the angle that its view stands for and by how often it is seen.

    Args:
        beam: A parallel, fan or cone beam.
        views: (views, *rows, detectors) measurements, which show what is cut off.

    Returns:
        (views, detectors) weights in radians; for each ray and its twins they add up to the angle
        that they stand for in half a turn.

    Raises:
        ValueError: The views of a fan or cone beam do not show all rays, or the axis of rotation
            lies outside the detector.

    Warns:
        UserWarning: The object goes on beyond an offset detector, but the views are no full turn,
            or beyond both ends of another; or the views of a parallel beam leave a wedge of half a
            turn empty.
    """
    s = from_axis(beam)
    reach = (0.5 * beam.shape[-1] * beam.pitch + beam.center.detach().abs().max()).item()
    short = 0.5 * beam.shape[-1] * beam.pitch - float(beam.center.detach().abs().max())
    if short <= 0:
        raise ValueError(
            f"{type(beam).__name__}: center {reach - 0.5 * beam.shape[-1] * beam.pitch:.4g} puts "
            "the axis of rotation outside the detector; no filtered backprojection sees the middle."
        )
    turn = angular_coverage(beam.angles, 2 * math.pi)
    offset = _offset(beam, s, short)
    if isinstance(beam, DivergingBeam):
        if turn.gaps:
            _warn_of_truncation(beam, views, offset)
            return _short_scan(beam, s, turn).to(views)
        if not offset:
            _warn_of_truncation(beam, views, 0)
        return (turn.weights[:, None] * _overlap(s, offset, short)).to(views)
    if offset and not turn.gaps:
        return (turn.weights[:, None] * _overlap(s, offset, short)).to(views)
    _warn_of_truncation(beam, views, offset)
    half = angular_coverage(beam.angles, math.pi)
    if sum(half.gaps) > WEDGE:
        gaps = ", ".join(f"{math.degrees(gap):.0f}" for gap in half.gaps)
        warnings.warn(
            f"{type(beam).__name__}: the views leave gaps of {gaps} degrees in half a turn, which "
            "stay empty; edges along the missing rays are blurred.",
            stacklevel=3,
        )
    return half.weights[:, None].expand_as(s).to(views)


def from_axis(beam: TurningScanner) -> Tensor:
    """The places of detector bins, measured from the axis of rotation.

    Args:
        beam: The scan.

    Returns:
        (views, detectors) in the box's unit, on the real detector.
    """
    count = beam.shape[-1]
    angles = beam.angles.detach()
    s = (torch.arange(count).to(angles) - 0.5 * (count - 1)) * beam.pitch
    center = beam.center.detach().expand(len(angles))
    return s[None] - center[:, None]


def _offset(beam: TurningScanner, s: Tensor, short: float) -> int:
    """The sign of the side to which the detector is shifted; 0 if both sides see the box."""
    radius = 0.5 * math.hypot(*beam.box.lengths[:2])
    if isinstance(beam, DivergingBeam):
        source = float(beam.source_distance.detach())
        radius = float(beam.magnification.detach()) * radius
        radius = radius / math.sqrt(1 - (radius / source / float(beam.magnification.detach())) ** 2)
    left, right = -float(s.min()), float(s.max())
    if short >= radius or abs(right - left) <= 2 * beam.pitch:
        return 0
    return 1 if right > left else -1


def _overlap(s: Tensor, offset: int, short: float) -> Tensor:
    """Weights of a full turn: 1/2, or Wang's of an offset detector."""
    if not offset:
        return torch.full_like(s, 0.5)
    x = (offset * s / short).clamp(-1, 1)
    return 0.5 + 0.5 * (0.5 * math.pi * x).sin()


def _short_scan(beam: DivergingBeam, s: Tensor, turn: Coverage) -> Tensor:
    """Angular weights times Parker's, with Silver's virtual fan if the views span more."""
    name = type(beam).__name__
    source = float(beam.source_distance.detach())
    gamma = (s / (source + float(beam.detector_distance.detach()))).atan()
    radius = 0.5 * math.hypot(*beam.box.lengths[:2])
    half_fan = min(float(gamma.abs().max()), math.asin(radius / source))
    needed = math.pi + 2 * half_fan
    step = float(turn.weights.max())
    if len(turn.gaps) > 1 or turn.span < needed - step:
        gaps = ", ".join(f"{math.degrees(gap):.0f}" for gap in turn.gaps)
        raise ValueError(
            f"{name}: the views cover {math.degrees(turn.span):.0f} degrees, with gaps of {gaps}; "
            f"filtered backprojection needs 180 and the fan angle, {math.degrees(needed):.0f} "
            "degrees without a gap, or a full turn of 360. An iterative method takes any views."
        )
    virtual = max(0.5 * (turn.span - math.pi), half_fan)
    beta = (beam.angles.detach() - turn.start).remainder(2 * math.pi)[:, None]
    inside = gamma.abs() < virtual
    rising = 0.25 * math.pi * beta / (virtual + gamma).clamp(min=1e-9)
    falling = 0.25 * math.pi * (math.pi + 2 * virtual - beta) / (virtual - gamma).clamp(min=1e-9)
    least = torch.minimum(rising, falling).clamp(0, 0.5 * math.pi)
    weights = least.sin().square() * inside
    return turn.weights[:, None].to(weights) * weights


def _warn_of_truncation(beam: TurningScanner, views: Tensor, offset: int) -> None:
    """Warn if what the detector cuts off, on its short side or on both, is in no other view."""
    profile = views.abs().reshape(-1, views.shape[-1]).mean(0)
    ends = torch.stack([profile[:2].mean(), profile[-2:].mean()]) / profile.max().clamp(min=1e-30)
    name = type(beam).__name__
    air = "(If the object ends there, air measures more than 0: correct the flat field.)"
    if not offset:
        # the two outer bins of a disk that just fits hold 1.9 / √bins of its largest chord
        if float(ends.min()) > max(CUT_OFF, 2.0 / len(profile) ** 0.5):
            warnings.warn(
                f"{name}: the mean measurement at both ends of the detector is "
                f"{float(ends.min()):.0%} of its largest; an object that goes on beyond both comes "
                f"out too bright towards the edge. {air}",
                stacklevel=4,
            )
        return
    edge = float(ends[0] if offset > 0 else ends[1])
    if edge > DARK:
        warnings.warn(
            f"{name}: the detector is off the axis of rotation and its short side cuts the object "
            f"off ({edge:.0%} of the largest mean measurement at its edge); filtered "
            f"backprojection needs a full turn for that. {air}",
            stacklevel=4,
        )
