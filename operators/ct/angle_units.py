"""Angles of views that can only be degrees, found by what no scanner does."""

from __future__ import annotations

import math
import warnings

from torch import Tensor

ADVICE = "Are these degrees? Use torch.deg2rad(angles)."
TURNS = 4 * math.pi
"""Views within two turns pass: a few degrees are told from radians by whole numbers alone."""
GOLDEN = (math.sqrt(5) - 1) / 2


def check_radians(angles: Tensor, name: str) -> None:
    """Refuse angles that step over whole turns, and warn of those that look like degrees.

    Scans of many turns remain possible: a helix takes many views a turn, and golden-angle
    sequences are known by their step.

    Args:
        angles: (views,), finite.
        name: The operator, for the message.

    Raises:
        ValueError: Neighbouring views lie more than a whole turn apart.

    Warns:
        UserWarning: Four or more angles are whole numbers, or they reach beyond two turns and are
            whole hundredths, or span 180 or 360 to one step, or leave fewer than 31 views to a turn
            by a step that completes no half turn and is not golden.
    """
    angle = angles.detach().double().cpu()
    reach = float(angle.abs().max())
    whole = len(angle) > 3 and reach >= 3 and bool((angle == angle.round()).all())
    if reach <= TURNS and not whole:
        return
    span = float(angle.max() - angle.min())
    step = 0.0
    if len(angle) > 1:
        step = float(angle.diff().abs().median())
    if step > 2 * math.pi:
        raise ValueError(
            f"{name}: neighbouring views lie {step:.4g} radians apart, more than a whole turn. "
            f"{ADVICE} If they are radians, give them modulo a turn: "
            "angles.remainder(2 * math.pi)."
        )
    sign = _sign_of_degrees(angle, span, step)
    if sign:
        warnings.warn(
            f"{name}: angles run from {float(angle.min()):.4g} to {float(angle.max()):.4g} radians "
            f"({span / (2 * math.pi):.3g} turns) and {sign}. {ADVICE}",
            stacklevel=4,
        )


def _sign_of_degrees(angle: Tensor, span: float, step: float) -> str | None:
    """The fact that speaks for degrees, or None."""
    decimals = 100 * angle
    if len(angle) < 4:
        decimals = angle  # a chance hundredth is not rare among so few
    if bool(((decimals - decimals.round()).abs() < 0.01).all()):
        return "are round numbers"
    if span <= TURNS:
        return None
    for turn in (180.0, 360.0):
        if turn - 1.5 * step <= span <= turn + 0.5 * step:
            return f"span {turn:.0f} to one step"
    even = float((angle.diff().abs() - step).abs().max()) < 0.01 * step
    if even and step > 0.2 and not _golden(step) and not _closes(step, len(angle)):
        return f"step by {step:.4g}, which completes no half turn"
    return None


def _golden(step: float) -> bool:
    """Golden steps and their tiny kin are π or 2π over N plus the golden ratio."""
    ratios = [turn / step % 1 for turn in (math.pi, 2 * math.pi)]
    return any(abs(ratio - GOLDEN) < 2e-3 for ratio in ratios)


def _closes(step: float, views: int) -> bool:
    """Some views on, half turns are complete."""
    return any(
        abs(math.remainder(count * step, math.pi)) < 1e-3 * step
        for count in range(1, min(views, 100) + 1)
    )
