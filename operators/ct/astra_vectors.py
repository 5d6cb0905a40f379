"""Vector geometries of ASTRA: one scanner and one axis of rotation that explain the vectors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

TOLERANCE = 1e-6
"""Relative error allowed in vector geometries, so that tables kept in float32 pass."""


def scanner_frame(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The directions of the scanner in ASTRA's plane (X, Y).

    Args:
        theta: (views,) in radians, ASTRA's angles.

    Returns:
        Unit vectors along the detector and from source to detector, (views, 2) each.
    """
    cos = np.cos(theta)
    sin = np.sin(theta)
    return np.stack([cos, sin], -1), np.stack([-sin, cos], -1)


def read_vectors(
    kind: str, vectors: np.ndarray
) -> tuple[np.ndarray, float, np.ndarray, dict[str, Any]]:
    """Read one scanner that turns about one axis from ASTRA's vectors.

    Args:
        kind: "parallel_vec" or "fanflat_vec".
        vectors: (views, 6): ray or source, the detector's middle, and the step of one bin.

    Returns:
        Angles (views,) in radians, pitch, axis (X, Y), and the scanner's other lengths by name;
        the centre is one for each view if no axis explains one for all.

    Raises:
        ValueError: The vectors are not one rotation of one scanner.
    """
    if vectors.ndim != 2 or vectors.shape[1] != 6 or not len(vectors):
        raise ValueError(
            f"from_astra: {kind} has vectors of shape {vectors.shape}; it must be (views, 6)."
        )
    step = vectors[:, 4:]
    widths = np.hypot(*step.T)
    pitch = float(widths.mean())
    if not pitch > 0 or np.ptp(widths) > TOLERANCE * pitch:
        raise ValueError(
            f"from_astra: {kind} has bins {widths.min():.6g} to {widths.max():.6g} wide, "
            "not one pitch."
        )
    theta = np.arctan2(step[:, 1], step[:, 0])
    e, n = scanner_frame(theta)
    if kind == "parallel_vec":
        scanner, axis = _parallel_scanner(vectors, e)
    else:
        scanner, axis = _fan_scanner(vectors, e, n)
    return (theta + math.pi / 2) % (2 * math.pi), pitch, axis, scanner


def _parallel_scanner(vectors: np.ndarray, e: np.ndarray) -> tuple[dict[str, Any], np.ndarray]:
    """The lengths and the axis of rotation of a parallel beam."""
    ray = vectors[:, :2]
    middle = vectors[:, 2:4]
    if (np.abs((ray * e).sum(-1)) > TOLERANCE * np.hypot(*ray.T)).any():
        raise ValueError(
            "from_astra: parallel_vec has a detector that is not perpendicular to its rays."
        )
    # where the detector's middle lies along itself; along the ray it may be anywhere
    scale = float(np.abs(vectors[:, 2:]).max())
    design = -np.ones((len(e), 1))
    place = (middle * e).sum(-1)
    found = _fit(design, e, place, scale)
    if found is None:
        return {"center": -place}, np.zeros(2)
    (center,), axis = found
    return {"center": center}, axis


def _fan_scanner(
    vectors: np.ndarray, e: np.ndarray, n: np.ndarray
) -> tuple[dict[str, Any], np.ndarray]:
    """The lengths and the axis of rotation of a fan beam."""
    zero = np.zeros_like(n)
    columns = [np.stack(pair).reshape(-1) for pair in ((-n, zero), (zero, n), (zero, -e))]
    turning = np.tile(np.eye(2), (2 * len(n), 1))
    target = np.stack([vectors[:, :2], vectors[:, 2:4]]).reshape(-1)  # source, detector's middle
    scale = float(np.abs(target).max())
    found = _fit(np.stack(columns, -1), turning, target, scale)
    names = ("source_distance", "detector_distance", "center")
    if found is None:
        scanner: dict[str, Any] = _wobbling_fan(vectors, e, n, scale)
        axis = np.zeros(2)
    else:
        values, axis = found
        scanner = dict(zip(names, values, strict=True))
    if scanner["source_distance"] < 0:
        raise ValueError(
            "from_astra: fanflat_vec counts bins the other way. Reverse its steps and the sinogram."
        )
    return scanner, axis


def _wobbling_fan(
    vectors: np.ndarray, e: np.ndarray, n: np.ndarray, scale: float
) -> dict[str, Any]:
    """The lengths of a fan beam about the origin, with a centre for each view."""
    source = -(vectors[:, :2] * n).sum(-1)
    detector = (vectors[:, 2:4] * n).sum(-1)
    aside = np.abs((vectors[:, :2] * e).sum(-1))
    if max(np.ptp(source), np.ptp(detector), aside.max()) > TOLERANCE * scale:
        raise ValueError(
            "from_astra: no axis of rotation and detector offsets describe these fanflat_vec "
            "vectors: the views are not turns of one scanner. Such a scan is an operator of its "
            "own."
        )
    return {
        "source_distance": float(source.mean()),
        "detector_distance": float(detector.mean()),
        "center": -(vectors[:, 2:4] * e).sum(-1),
    }


def _fit(
    design: np.ndarray, turning: np.ndarray, target: np.ndarray, scale: float
) -> tuple[list[float], np.ndarray] | None:
    """Solve target = design @ lengths + turning @ axis, to TOLERANCE relative to `scale`.

    The axis is at 0 where that will do; None if no axis does.
    """
    k = design.shape[1]
    for matrix in (design, np.hstack([design, turning])):
        solution = np.linalg.lstsq(matrix, target, rcond=None)[0]
        if np.abs(matrix @ solution - target).max() <= TOLERANCE * scale:
            # rounding is not an offset
            solution = np.where(np.abs(solution) < 1e-12 * scale, 0.0, solution)
            return solution[:k].tolist(), np.append(solution[k:], [0.0, 0.0])[:2]
    return None
