"""The geometry of a cone-beam scan as files describe it, and numbers of their tables.

It is that of the object at rest: the scanner turns about the last axis, x2, counter-clockwise seen
from its tip, and everything is measured from the axis. At angle 0 columns run along x0 and the beam
along x1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class ConeGeometry:
    """A source and a panel, and how they turn.

    Args:
        source: (3,) place of the source at angle 0, or (views, 3) where each view has its own.
        middle: The place of the panel's middle, of the same shape.
        across: The step from one column to the next.
        along: The step from one row to the next.
        unit: The unit of lengths.
        angles: (views,) float64 in radians; None where the file has none, or where each view has
            places of its own.
        rise: How far source and panel move along the axis from view to view.
        detectors: Numbers of rows and columns; None if the file does not say.
        white: The number that a pixel without object has; None if the file does not say.
        flipped: The axes of (views, rows, columns) that are to be reversed, because the file counts
            from the other side.
        notes: What was inferred, in words.
    """

    source: Tensor
    middle: Tensor
    across: Tensor
    along: Tensor
    unit: str = ""
    angles: Tensor | None = None
    rise: float = 0.0
    detectors: tuple[int, int] | None = None
    white: float | None = None
    flipped: tuple[int, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)

    def placed(self, angles: Tensor | None = None) -> list[Tensor]:
        """Place source and panel at all views.

        Args:
            angles: (views,) in radians; None for the file's own.

        Returns:
            Sources, middles, steps across and steps along, (views, 3) each.

        Raises:
            ValueError: There are no angles, or angles for places that each view has of its own.
        """
        parts = [self.source, self.middle, self.across, self.along]
        if self.source.ndim == 2:
            if angles is not None and len(angles) != len(self.source):
                raise ValueError(
                    f"The geometry has places for {len(self.source)} views, the scan has "
                    f"{len(angles)}."
                )
            return parts
        if angles is None:
            angles = self.angles
        if angles is None:
            raise ValueError(
                "The geometry says nothing of angles, nor does the scan. Give angles=, span=, or "
                "first, step and views in the geometry's file."
            )
        cos, sin = angles.double().cos(), angles.double().sin()
        turned = []
        for part in parts:
            x, y = cos * part[0] - sin * part[1], sin * part[0] + cos * part[1]
            turned.append(torch.stack([x, y, part[2].expand_as(x)], -1))
        along_axis = self.rise * (torch.arange(len(angles)).double() - 0.5 * (len(angles) - 1))
        for part in turned[:2]:
            part[:, 2] += along_axis
        return turned


def vector(*numbers: float) -> Tensor:
    """Make a place or a step, float64."""
    return torch.tensor(numbers, dtype=torch.float64)


def number_of(found: Mapping[str, Any], name: str, default: float | None = None) -> float:
    """Take a finite number of a table; `default` where it is absent.

    Raises:
        ValueError: It is absent and has no default, or is no finite number.
    """
    if name not in found and default is not None:
        return default
    if name not in found:
        raise ValueError(f"it lacks {name!r}")
    value = found[name]
    if isinstance(value, bool | list | dict):
        raise ValueError(f"{name}={value!r} is no number")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{name}={number} is not finite")
    return number


def positive_of(found: Mapping[str, Any], name: str) -> float:
    """Take a positive number of a table, as `number_of` does."""
    number = number_of(found, name)
    if not number > 0:
        raise ValueError(f"{name}={number:g} must be positive")
    return number


def count_of(found: Mapping[str, Any], name: str) -> int:
    """Take a positive whole number of a table, as `number_of` does."""
    number = positive_of(found, name)
    if number != int(number):
        raise ValueError(f"{name}={number:g} must be a whole number")
    return int(number)
