"""Angles of views in radians, from numbers in degrees, in radians, or in a unit that is inferred.

A unit that the caller or the file names is obeyed. Without one, the span decides, or the angles are
refused.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from torch import Tensor

from inverse_inr.io.files import FileFormatError, PathLike, existing_file, reading
from inverse_inr.ranges import Range

AngleUnit = Literal["degrees", "radians"]
"""The units that a caller may name."""

Span = Annotated[float, Range(least=-1e5, most=1e5)]
"""Degrees from the first view to the last, some hundred turns at most; 0 is refused by name."""

RADIANS = {
    "deg": math.pi / 180,
    "degree": math.pi / 180,
    "degrees": math.pi / 180,
    "°": math.pi / 180,
    "rad": 1.0,
    "radian": 1.0,
    "radians": 1.0,
    "mrad": 1e-3,
    "milliradian": 1e-3,
    "milliradians": 1e-3,
    "gon": math.pi / 200,
    "turn": 2 * math.pi,
    "turns": 2 * math.pi,
}
"""Radians of one unit, by the unit's name in lower case."""

FEW_DEGREES = 10.0
"""A span in degrees below which it is said aloud: a scan rarely turns so little."""
LISTED = 6
"""How many views a message names before it counts the others."""


def to_radians(
    values: np.ndarray, unit: str | None, where: str, notes: dict[str, str], given: bool = False
) -> Tensor:
    """Convert angles to radians.

    Args:
        values: (views,) numbers.
        unit: The unit's name; None or "" to infer it from the span.
        where: What the angles are called in messages: file and dataset.
        notes: What is inferred is written here.
        given: Whether the caller named the unit, so that the span needs no remark.

    Returns:
        (views,) float64 angles in radians.

    Raises:
        FileFormatError: An angle is not finite, the unit is unknown, or it is missing and the span
            fits both degrees and radians.
    """
    angles = np.asarray(values, dtype=np.float64).reshape(-1)
    bad = np.flatnonzero(~np.isfinite(angles))
    if len(bad):
        raise FileFormatError(
            f"{where} holds NaN or Inf at {views_in_words(bad)} of {len(angles)}. "
            "Give angles= or span=, or leave these views out."
        )
    factor = _factor(unit, where)
    if factor is None:
        factor = _inferred(angles, where, notes)
    elif not given and _contradicted(angles, factor):
        raise FileFormatError(
            f"{where} spans {np.ptp(angles):.5g} {unit}, which to one step is "
            f"{_contradicted(angles, factor)}. Is the unit wrong? Say which: "
            "angle_unit='degrees' or 'radians'."
        )
    elif not given and 0 < math.degrees(np.ptp(angles) * factor) < FEW_DEGREES:
        notes["angles"] = (
            f"{where} spans only {math.degrees(np.ptp(angles) * factor):.3g} degrees by its unit, "
            f"{unit}; if that unit is wrong, give angle_unit="
        )
    return torch.from_numpy(angles * factor)


def check_span(span: float | None, unit: AngleUnit | None) -> None:
    """Refuse a unit beside a span, which is always in degrees.

    Args:
        span: Degrees from the first to the last view; None passes.
        unit: The unit that the caller names.

    Raises:
        ValueError: Both are given, and the unit is not degrees.
    """
    if span is not None and unit == "radians":
        raise ValueError(f"span={span} is in degrees; angle_unit='radians' is of angles=.")


def even_angles(views: int, span: float) -> Tensor:
    """Space angles evenly, both ends included.

    Args:
        views: How many.
        span: Degrees from the first to the last view; below 0 for a scanner that turns backwards.

    Returns:
        (views,) float64 in radians.

    Raises:
        ValueError: The span is 0 or not finite.
    """
    if not math.isfinite(span) or span == 0:
        raise ValueError(
            f"span={span} must be positive (degrees), negative for a scanner that turns backwards, "
            "or None for the angles of the file."
        )
    return torch.arange(views, dtype=torch.float64) * math.radians(span) / max(views - 1, 1)


def read_angles(path: PathLike) -> np.ndarray:
    """Read angles from a text file (one a line, or separated by commas or blanks) or from .npy.

    Args:
        path: The file; "#" begins a comment.

    Returns:
        (views,) float64 in the file's unit.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file holds anything but a list of numbers.
    """
    expected = "a list of angles, as text or .npy"
    path = existing_file(path, expected)
    with reading(path, expected, ("npy",)) as file:
        if file.suffix.lower() == ".npy":
            with file.open("rb") as stream:
                values = np.load(stream, allow_pickle=False)
        else:
            values = _numbers(file)
        if values.dtype.kind not in "iuf" or values.size != max(values.shape, default=0):
            raise FileFormatError(
                f"{file}: expected {expected}, found {values.dtype} of shape {values.shape}."
            )
    return values.astype(np.float64).reshape(-1)


def views_in_words(which: np.ndarray) -> str:
    """Name views by number, the first few of many: "views 3, 7"."""
    named = ", ".join(str(int(k)) for k in which[:LISTED])
    more = f" and {len(which) - LISTED} more" if len(which) > LISTED else ""
    word = "view" if len(which) == 1 else "views"
    return f"{word} {named}{more}"


def _numbers(path: Path) -> np.ndarray:
    lines = [line.partition("#")[0] for line in path.read_text().splitlines()]
    words = " ".join(lines).replace(",", " ").replace(";", " ").split()
    return np.array([float(word) for word in words], dtype=np.float64)


def _factor(unit: str | None, where: str) -> float | None:
    if unit is None or not unit.strip():
        return None
    name = unit.strip().lower()
    if name not in RADIANS:
        raise FileFormatError(
            f"{where}: expected degrees or radians, found units {unit!r}. "
            "Say which: angle_unit='degrees' or 'radians'."
        )
    return RADIANS[name]


def _contradicted(angles: np.ndarray, factor: float) -> str | None:
    """Half a turn or a turn in another unit than the file's, as which alone they make sense."""
    if factor == math.pi / 180 and np.ptp(angles) < FEW_DEGREES:
        return _turn_in(angles, 1.0, "radians")
    if factor == 1.0 and np.ptp(angles) > 4 * math.pi:
        return _turn_in(angles, math.pi / 180, "degrees")
    return None


def _turn_in(angles: np.ndarray, factor: float, unit: str) -> str | None:
    """Half a turn or a turn, if even views span it to one step in a unit."""
    gaps = np.abs(np.diff(np.sort(angles))) * factor
    if len(gaps) < 2 or np.ptp(gaps) > 0.01 * gaps.max():
        return None
    for turn, name in ((math.pi, "half a turn"), (2 * math.pi, "a turn")):
        if abs(gaps.sum() + 0.5 * gaps[0] - turn) < 0.75 * gaps[0]:
            return f"{name} in {unit}"
    return None


def _inferred(angles: np.ndarray, where: str, notes: dict[str, str]) -> float:
    """Radians per unit, where no unit is named: by the span, or refused."""
    span = float(np.ptp(angles)) if len(angles) else 0.0
    gaps = np.diff(np.unique(angles))
    step = float(np.median(gaps)) if len(gaps) else 0.0
    missing = f"{where} has no unit"
    if span > 2 * math.pi + 1.5 * step:
        halves = round(span / math.pi)
        # several whole half turns in radians look like a few degrees: 4π = 12.566
        if halves <= 20 and min(
            abs(span - halves * math.pi), abs(span + step - halves * math.pi)
        ) < (1e-3 * step):
            raise FileFormatError(
                f"{missing} and spans {span:.5g}: {halves} half turns in radians, or "
                f"{span:.3g} degrees. Say which: angle_unit='radians' or 'degrees'."
            )
        for factor, unit in (
            (1e-3, "milliradians"),
            (1e-3 * math.pi / 180, "thousandths of a degree"),
        ):
            turn = _turn_in(angles, factor, unit)
            if turn is not None:
                raise FileFormatError(
                    f"{missing} and spans {span:.5g}: {turn}, or {span / 360:.3g} turns in "
                    "degrees. Say which by angle_unit='degrees', or convert them: angles=."
                )
        notes["angles"] = f"{missing}: read as degrees, as they span {span:.4g}"
        return math.pi / 180
    for turn, name in ((math.pi, "half a turn"), (2 * math.pi, "a turn")):
        if span > 0 and abs(span + 0.5 * step - turn) < 0.75 * step + 1e-3 * turn:
            notes["angles"] = (
                f"{missing}: read as radians, as the {len(angles)} views span {span:.4g}, which is "
                f"{name} in radians and {span:.3g} degrees otherwise"
            )
            return 1.0
    raise FileFormatError(
        f"{missing}, and its {len(angles)} views span {span:.4g}: {span:.3g} degrees, or "
        f"{math.degrees(span):.0f} degrees if these are radians. "
        "Say which: angle_unit='degrees' or 'radians', or give span= in degrees."
    )
