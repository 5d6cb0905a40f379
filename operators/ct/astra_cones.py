"""ASTRA's cone beams, 'cone' and 'cone_vec', to and from ours.

ASTRA's space has (X, Y, Z) = (x1, -x0, x2), measured from the axis of rotation. A row of `cone_vec`
holds the source, the panel's middle, the step of a column and the step of a row. In ASTRA's 3-D
arrays the index grows with the coordinate, so with our volume (n0, n1, n2) and our measurements
(views, rows, columns)

    volume.permute(2, 0, 1).flip(1)        measurements.permute(1, 0, 2)

are ASTRA's volume (slices, rows, columns) and projections (rows, views, columns).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inverse_inr import Box, Grid
from inverse_inr.operators.ct.cone_beam import ConeBeam
from inverse_inr.operators.ct.cone_vectors import ConeVectors

TOLERANCE = 1e-6
"""Relative differences between views that are rounding, so that tables in float32 pass."""
MOVES = ("center", "vertical", "height", "tilt", "roll", "yaw")
"""What a circular scan with an upright and centred panel has at 0."""


def cone_geometry(operator: ConeBeam | ConeVectors) -> dict[str, Any]:
    """Describe a cone beam as ASTRA does.

    Args:
        operator: The scan.

    Returns:
        The projection geometry: 'cone' for a circular scan with an upright and centred panel,
        'cone_vec' for any other.
    """
    views, rows, columns = operator.shape
    counts = {"DetectorRowCount": rows, "DetectorColCount": columns}
    if isinstance(operator, ConeBeam) and not any(_moves(operator, move) for move in MOVES):
        return {
            "type": "cone",
            "DetectorSpacingX": operator.pitch,
            "DetectorSpacingY": operator.row_pitch,
            **counts,
            "ProjectionAngles": operator.angles.detach().double().cpu().numpy() - math.pi / 2,
            "DistanceOriginSource": float(operator.source_distance.detach()),
            "DistanceOriginDetector": float(operator.detector_distance.detach()),
        }
    frame = operator.frame(torch.arange(views))
    middle = np.array(operator.box.center)
    source, panel, across, along = (part.detach().double().cpu().numpy() for part in frame)
    parts = (source - middle, panel - middle, across, along)
    vectors = np.hstack([_to_astra(part) for part in parts])
    return {"type": "cone_vec", **counts, "Vectors": vectors}


def read_cone(
    projection: dict[str, Any], volume: dict[str, Any], units: tuple[str, ...]
) -> tuple[ConeBeam | ConeVectors, Grid]:
    """Read a cone beam from ASTRA's dictionaries.

    Args:
        projection: Of type 'cone' or 'cone_vec'.
        volume: A 3-D volume.
        units: The unit of the dictionaries' lengths, for each axis of the box.

    Returns:
        A `ConeBeam` if its source turns at one distance about the axis (and its panel stands at
        one distance), else `ConeVectors`; and the volume's grid.

    Raises:
        ValueError: The volume is 2-D, or the vectors are not (views, 12).
    """
    grid = _grid(volume, units)
    around = _around_axis(grid.box)
    counts = (int(projection["DetectorRowCount"]), int(projection["DetectorColCount"]))
    dtype = torch.get_default_dtype()
    if projection["type"] == "cone":
        angles = np.asarray(projection["ProjectionAngles"], float) + math.pi / 2
        pitch = (float(projection["DetectorSpacingY"]), float(projection["DetectorSpacingX"]))
        distances = (
            float(projection["DistanceOriginSource"]),
            float(projection["DistanceOriginDetector"]),
        )
        return ConeBeam(
            around, torch.as_tensor(angles, dtype=dtype), counts, *distances, pitch
        ), grid
    vectors = np.asarray(projection["Vectors"], float)
    if vectors.ndim != 2 or vectors.shape[1] != 12 or not len(vectors):
        raise ValueError(
            f"from_astra: cone_vec has vectors of shape {vectors.shape}; it must be (views, 12)."
        )
    parts = [_from_astra(part) for part in np.split(vectors, 4, axis=1)]
    beam = placed_scanner(around, parts, counts)
    if isinstance(beam, ConeVectors):
        beam = placed_vectors(grid.box, parts, counts)
    return beam, grid


def placed_scanner(
    box: Box, parts: Sequence[np.ndarray], counts: tuple[int, int]
) -> ConeBeam | ConeVectors:
    """Make a cone beam of the places of source and panel.

    Args:
        box: The box of the field, about the origin.
        parts: Sources, panels' middles, steps across and steps along, (views, 3) each, from the
            axis of rotation.
        counts: Numbers of rows and columns of the panel.

    Returns:
        A `ConeBeam` if the source turns at one distance about the axis (and the panel stands at one
        distance), else `ConeVectors`.
    """
    turning = _one_scanner(*parts)
    if turning is None or turning[1][0] <= 0.5 * math.hypot(*box.lengths[:2]):
        return placed_vectors(box, parts, counts)
    angles, distances, pitch, moves = turning
    view = torch.as_tensor(angles, dtype=torch.get_default_dtype())
    return ConeBeam(box, view, counts, *distances, pitch, **moves)


def placed_vectors(box: Box, parts: Sequence[np.ndarray], counts: tuple[int, int]) -> ConeVectors:
    """Make a cone beam of free positions, as `placed_scanner` takes them."""
    dtype = torch.get_default_dtype()
    source, middle, across, along = (torch.as_tensor(part, dtype=dtype) for part in parts)
    return ConeVectors(box, source, middle, across, along, counts)


def solid_volume(grid: Grid, axis: tuple[float, ...]) -> dict[str, Any]:
    """Describe a 3-D grid as `astra.create_vol_geom` does.

    Args:
        grid: The grid.
        axis: (3,) the point of the axis of rotation that is ASTRA's origin.

    Returns:
        The volume geometry.
    """
    corners = _to_astra(np.array([grid.box.lower, grid.box.upper]) - np.array(axis))
    option = {}
    for name, pair in zip("XYZ", corners.T, strict=True):
        option[f"WindowMin{name}"] = float(pair.min())
        option[f"WindowMax{name}"] = float(pair.max())
    names = ("GridRowCount", "GridColCount", "GridSliceCount")
    return {**dict(zip(names, grid.shape, strict=True)), "option": option}


def _moves(operator: ConeBeam, move: str) -> bool:
    value: Tensor = getattr(operator, move)
    return bool(value.detach().any())


def _one_scanner(
    source: np.ndarray, middle: np.ndarray, across: np.ndarray, along: np.ndarray
) -> tuple[np.ndarray, tuple[float, float], tuple[float, float], dict[str, Any]] | None:
    """Angles, distances, pitches and moves of a scanner that turns; None if it is none."""
    radius = np.hypot(source[:, 0], source[:, 1])
    widths, heights = np.linalg.norm(across, axis=1), np.linalg.norm(along, axis=1)
    lengths = (radius, widths, heights)
    if any(not v.min() > 0 or np.ptp(v) > TOLERANCE * v.max() for v in lengths):
        return None
    u, v = across / widths[:, None], along / heights[:, None]
    if np.abs((u * v).sum(-1)).max() > TOLERANCE:
        return None
    zero = np.zeros_like(radius)
    n = -np.stack([source[:, 0], source[:, 1], zero], -1) / radius[:, None]
    e = np.stack([n[:, 1], -n[:, 0], zero], -1)
    axis = np.stack([zero, zero, zero + 1], -1)
    normal = np.cross(v, u)
    if ((normal * n).sum(-1) < 0.1).any():
        return None  # columns are counted the other way, or the panel is seen edge on
    tilt = -np.arcsin(np.clip(normal[:, 2], -1, 1))
    yaw = np.arctan2(-(normal * e).sum(-1), (normal * n).sum(-1))
    turned = np.cos(yaw)[:, None] * e + np.sin(yaw)[:, None] * n
    roll = np.arctan2((u * np.cross(turned, normal)).sum(-1), (u * turned).sum(-1))
    foot = middle - source[:, 2:] * axis
    solved = np.linalg.solve(np.stack([n, -u, -v], -1), foot[..., None])[..., 0]
    distance, center, vertical = solved.T
    scale = np.abs(foot).max() + radius.max()
    if distance.min() < -TOLERANCE * scale or np.ptp(distance) > TOLERANCE * scale:
        return None
    angles = np.arctan2(-n[:, 0], n[:, 1])
    values = (center, vertical, source[:, 2], tilt, roll, yaw)
    scales = (scale, scale, scale, 1.0, 1.0, 1.0)
    moves = {
        name: _steady(value, TOLERANCE * size)
        for name, value, size in zip(MOVES, values, scales, strict=True)
    }
    distances = (float(radius.mean()), max(float(distance.mean()), 0.0))
    return angles, distances, (float(heights.mean()), float(widths.mean())), moves


def _steady(value: np.ndarray, tolerance: float) -> float | Tensor:
    """One number if all views have it; 0 if it is rounding."""
    if np.abs(value).max() <= tolerance:
        return 0.0
    if np.ptp(value) <= tolerance:
        return float(value.mean())
    return torch.as_tensor(value, dtype=torch.get_default_dtype())


def _to_astra(points: np.ndarray) -> np.ndarray:
    return np.stack([points[:, 1], -points[:, 0], points[:, 2]], -1)


def _from_astra(points: np.ndarray) -> np.ndarray:
    return np.stack([-points[:, 1], points[:, 0], points[:, 2]], -1)


def _grid(volume: dict[str, Any], units: tuple[str, ...]) -> Grid:
    """The grid of a 3-D volume, in our coordinates about ASTRA's origin."""
    names = ("GridRowCount", "GridColCount", "GridSliceCount")
    if "GridSliceCount" not in volume:
        raise ValueError("from_astra: a cone beam needs a 3-D volume; this one has no slices.")
    rows, columns, slices = (int(volume[name]) for name in names)
    window = {}
    for name, count in zip("XYZ", (columns, rows, slices), strict=True):
        window[f"WindowMin{name}"] = -count / 2
        window[f"WindowMax{name}"] = count / 2
    window = {**window, **volume.get("option", {})}
    lower = (-window["WindowMaxY"], window["WindowMinX"], window["WindowMinZ"])
    upper = (-window["WindowMinY"], window["WindowMaxX"], window["WindowMaxZ"])
    if len(units) == 2:
        units = (*units, units[-1])
    return Grid(Box(lower, upper, units), (rows, columns, slices))


def _around_axis(box: Box) -> Box:
    """The smallest box about the origin that holds another."""
    half = [max(abs(a), abs(b)) for a, b in zip(box.lower, box.upper, strict=True)]
    return Box(tuple(-h for h in half), tuple(half), box.units)
