"""The geometry of a cone-beam scan in words, as a TOML or JSON table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from inverse_inr.io.scans.cone_record import (
    ConeGeometry,
    count_of,
    number_of,
    positive_of,
    vector,
)
from inverse_inr.registry import nearest

WORDS = {
    "source_distance": "from the source to the axis of rotation",
    "detector_distance": "from the axis of rotation to the panel",
    "pixel": "side of a pixel of the panel, or (row, column)",
    "detectors": "numbers of rows and columns of the panel",
    "unit": "of all lengths",
    "angles": "of all views, in degrees",
    "first": "angle of the first view, in degrees",
    "step": "from view to view, in degrees; negative for the other way round",
    "views": "number of views",
    "center": "shift of the axis from the panel's middle along its rows, in pixels",
    "vertical": "shift of the source's plane from the panel's middle along its columns, in pixels",
    "tilt": "of the panel about its rows, in degrees",
    "roll": "of the panel in its plane, in degrees",
    "yaw": "of the panel about the axis of rotation, in degrees",
    "rise": "of source and panel along the axis from view to view (a helix)",
    "rows_from": "top or bottom: where the first row is",
    "columns_from": "left or right, seen from the source: where the first column is",
}
"""The words of a plain TOML file."""


def geometry_in_words(found: Mapping[str, Any]) -> ConeGeometry:
    """Make a geometry of the words of `WORDS`; the panel moves as that of a `ConeBeam` does.

    Args:
        found: The table.

    Raises:
        ValueError: A word is unknown, missing or contradicts itself.
    """
    for name in found:
        if name not in WORDS:
            raise ValueError(f"unknown word {name!r}. {nearest(name, WORDS)}")
    pixel = found.get("pixel")
    pair = pixel if isinstance(pixel, list) else [pixel, pixel]
    if pixel is None or len(pair) != 2:
        raise ValueError("it lacks 'pixel', the side of a pixel or [row, column]")
    height, width = (positive_of({"pixel": one}, "pixel") for one in pair)
    foot = vector(0, number_of(found, "detector_distance"), 0)
    u, n, v = torch.eye(3, dtype=torch.float64)
    u, n = _turned(u, n, number_of(found, "yaw", 0.0))
    v, _ = _turned(v, n, number_of(found, "tilt", 0.0))
    u, v = _turned(u, v, number_of(found, "roll", 0.0))
    across, along = width * u, height * v
    middle = (
        foot - number_of(found, "center", 0.0) * across - number_of(found, "vertical", 0.0) * along
    )
    counts = found.get("detectors")
    if counts is not None:
        if not isinstance(counts, list) or len(counts) != 2:
            raise ValueError(f"detectors={counts!r} must be [rows, columns]")
        counts = (count_of({"detectors": counts[0]}, "detectors"), int(counts[1]))
    flipped = [
        axis
        for axis, name, usual, other in (
            (1, "rows_from", "bottom", "top"),
            (2, "columns_from", "left", "right"),
        )
        if _word(found, name, usual, other) == other
    ]
    return ConeGeometry(
        vector(0, -positive_of(found, "source_distance"), 0),
        middle,
        across,
        along,
        str(found.get("unit", "")),
        _angles(found),
        number_of(found, "rise", 0.0),
        counts,
        flipped=tuple(flipped),
    )


def _word(found: Mapping[str, Any], name: str, usual: str, other: str) -> str:
    word = found.get(name, usual)
    if word not in (usual, other):
        raise ValueError(f"{name}={word!r} must be {usual!r} or {other!r}")
    return word


def _turned(first: Tensor, second: Tensor, degrees: float) -> tuple[Tensor, Tensor]:
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return cos * first + sin * second, cos * second - sin * first


def _angles(found: Mapping[str, Any]) -> Tensor | None:
    if "angles" in found:
        angles = torch.as_tensor(found["angles"], dtype=torch.float64)
        if angles.ndim != 1 or not len(angles) or not bool(torch.isfinite(angles).all()):
            raise ValueError("angles must be a list of finite numbers, in degrees")
        return angles.deg2rad()
    if "step" not in found:
        return None
    number = torch.arange(count_of(found, "views"), dtype=torch.float64)
    return (number_of(found, "first", 0.0) + number_of(found, "step") * number).deg2rad()
