"""Scan geometries of other toolboxes, to and from ours: ASTRA's dictionaries, scikit-image's angles.

ASTRA's plane has x along the columns of the image and y up, row 0 at the top, so (X, Y) = (x1, -x0) measured from the
axis of rotation. Its view θ has the detector along (cos θ, sin θ) and the source towards (sin θ, -cos θ): in our frame
e(angle) and -n(angle) with angle = θ + π/2. Images and sinograms are the same arrays, (rows, columns) and
(views, detectors). Conventions read in astra/creators.py, astra/functions.py (`geom_2vec`) and skimage/transform/
radon_transform.py; tests measure them. Building or reading the dictionaries does not need ASTRA.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inverse_inr import Box, Grid
from inverse_inr.operators.ct.radon import FanBeam, ParallelBeam, RayTransform

Geometry = dict[str, Any]
TOLERANCE = 1e-6  # relative, of vector geometries: tables kept in float32 pass


def to_astra(operator: ParallelBeam | FanBeam, grid: Grid) -> tuple[Geometry, Geometry]:
    """ASTRA's (projection geometry, volume geometry) of a scan of images on `grid`, lengths in the box's unit.

    The dictionaries are those of `astra.create_proj_geom` ('parallel', 'fanflat', or the '_vec' form where the
    detector is off centre) and `astra.create_vol_geom`. ASTRA's origin is the axis of rotation, the centre of
    `operator.box`; a grid with another centre is an off-centre window. Learnable geometry is read at its present value.
    Raises ValueError for other operators (ASTRA's 3-D geometries need CUDA) and for a grid that is not 2-D.
    """
    if not isinstance(operator, ParallelBeam | FanBeam):
        raise ValueError(
            f"to_astra: expected ParallelBeam or FanBeam (ASTRA's 2-D scans), got {type(operator).__name__}."
        )
    if grid.ndim != 2:
        raise ValueError(
            f"to_astra: {type(operator).__name__} is 2-D; the grid has {grid.ndim} axes."
        )
    theta = operator.angles.detach().double().cpu().numpy() - math.pi / 2
    return _projection(operator, theta), _volume(grid, operator.box.center)


def from_astra(
    projection_geometry: Geometry, volume_geometry: Geometry, *, units: tuple[str, str] = ("", "")
) -> tuple[ParallelBeam | FanBeam, Grid]:
    """The operator and the image's grid of ASTRA's 'parallel', 'parallel_vec', 'fanflat' or 'fanflat_vec' geometry.

    Coordinates are ASTRA's, (x0, x1) = (-Y, X); lengths and `units` are the dictionaries'. The operator's box is the
    smallest around the axis of rotation that holds the image. Vectors may describe any axis and one detector offset;
    their angles come back in [0, 2π). Angles have torch's default dtype.
    Raises ValueError for other types, 3-D volumes, and vectors that are not one rotation of one scanner.
    """
    kind = projection_geometry.get("type")
    if kind in ("parallel", "fanflat"):
        angles = np.asarray(projection_geometry["ProjectionAngles"], float) + math.pi / 2
        axis, pitch = np.zeros(2), float(projection_geometry["DetectorWidth"])
        scanner: Geometry = {}
        if kind == "fanflat":
            scanner["source_distance"] = float(projection_geometry["DistanceOriginSource"])
            scanner["detector_distance"] = float(projection_geometry["DistanceOriginDetector"])
    elif kind in ("parallel_vec", "fanflat_vec"):
        angles, pitch, axis, scanner = _read_vectors(
            kind, np.asarray(projection_geometry["Vectors"], float)
        )
    else:
        raise ValueError(
            f"from_astra: projection geometry of type {kind!r}; 'parallel', 'parallel_vec', 'fanflat' and "
            "'fanflat_vec' are read. ASTRA's 3-D geometries need CUDA and are not."
        )
    box, grid = _boxes(volume_geometry, axis, units)
    make = FanBeam if kind.startswith("fan") else ParallelBeam
    view = torch.as_tensor(angles, dtype=torch.get_default_dtype())
    return make(box, view, int(projection_geometry["DetectorCount"]), pitch=pitch, **scanner), grid


def from_scikit_image(
    theta_degrees: Sequence[float] | np.ndarray | Tensor,
    shape: tuple[int, int],
    *,
    circle: bool = True,
) -> ParallelBeam:
    """The scan that `skimage.transform.radon(image, theta_degrees, circle)` simulates, for an image of `shape`.

    Lengths are pixels: pixel (i, j) has its centre at (i + 1/2, j + 1/2), so the image's grid is
    `Grid(Box((0, 0), shape), shape)`. scikit-image turns about pixel n // 2 along each axis, half a pixel off the
    middle where n is even; the operator's box is centred there and is then a pixel longer than the image.
    Its sinograms are (detectors, views): the measurements of this operator are `sinogram.T.reshape(-1)`.
    Raises ValueError for a shape that is not two positive sizes.
    """
    if len(shape) != 2 or min(shape) < 1:
        raise ValueError(
            f"from_scikit_image: shape must be two positive sizes, got {tuple(shape)}."
        )
    if circle:  # scikit-image crops to the central square
        detectors = min(shape)
        pivot = [math.ceil((n - detectors) / 2) + detectors // 2 + 0.5 for n in shape]
        half = [detectors // 2 + 0.5] * 2
    else:  # and otherwise pads to the diagonal, pixel n // 2 staying the pivot
        detectors = max(math.ceil(math.sqrt(2) * max(shape) - n) + n for n in shape)
        pivot = half = [n // 2 + 0.5 for n in shape]
    box = Box(
        tuple(p - h for p, h in zip(pivot, half, strict=True)),
        tuple(p + h for p, h in zip(pivot, half, strict=True)),
        ("px", "px"),
    )
    degrees = torch.as_tensor(theta_degrees, dtype=torch.float64)
    angles = torch.deg2rad(degrees + 90).to(torch.get_default_dtype())
    return ParallelBeam(
        box, angles, detectors, pitch=1.0, center=detectors // 2 - 0.5 * (detectors - 1)
    )


def _projection(operator: RayTransform, theta: np.ndarray) -> Geometry:
    """The plain form; where the detector is off centre, vectors (ray or source, detector's middle, step of one bin)."""
    count, center = operator.shape[1], float(operator.center.detach())
    fan = isinstance(operator, FanBeam)
    source, detector = (
        (float(operator.source_distance.detach()), float(operator.detector_distance.detach()))
        if fan
        else (1.0, 0.0)
    )
    if center:
        e, n = _frame(theta)
        vectors = np.hstack([-source * n, detector * n - center * e, operator.pitch * e])
        return {
            "type": "fanflat_vec" if fan else "parallel_vec",
            "DetectorCount": count,
            "Vectors": vectors,
        }
    plain: Geometry = {
        "DetectorWidth": operator.pitch,
        "DetectorCount": count,
        "ProjectionAngles": theta,
    }
    if fan:
        return {
            "type": "fanflat",
            **plain,
            "DistanceOriginSource": source,
            "DistanceOriginDetector": detector,
        }
    return {"type": "parallel", **plain}


def _frame(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(e, n) in ASTRA's plane: along the detector and from source to detector, (views, 2) each."""
    cos, sin = np.cos(theta), np.sin(theta)
    return np.stack([cos, sin], -1), np.stack([-sin, cos], -1)


def _volume(grid: Grid, axis: tuple[float, ...]) -> Geometry:
    (top, left), (bottom, right) = (
        np.array(side) - axis for side in (grid.box.lower, grid.box.upper)
    )
    window = {"WindowMinX": left, "WindowMaxX": right, "WindowMinY": -bottom, "WindowMaxY": -top}
    option = {key: float(value) for key, value in window.items()}
    return {"option": option, "GridRowCount": grid.shape[0], "GridColCount": grid.shape[1]}


def _boxes(volume: Geometry, axis: np.ndarray, units: tuple[str, str]) -> tuple[Box, Grid]:
    """The box about the axis (X, Y) that holds the volume's window, and the window's grid."""
    if "GridSliceCount" in volume:
        raise ValueError("from_astra: the volume geometry is 3-D; only 2-D ones are read.")
    rows, columns = int(volume["GridRowCount"]), int(volume["GridColCount"])
    default = {
        "WindowMinX": -columns / 2,
        "WindowMaxX": columns / 2,
        "WindowMinY": -rows / 2,
        "WindowMaxY": rows / 2,
    }
    w = {**default, **volume.get("option", {})}
    lower, upper = (
        np.array([-w["WindowMaxY"], w["WindowMinX"]]),
        np.array([-w["WindowMinY"], w["WindowMaxX"]]),
    )
    pivot = np.array([-axis[1], axis[0]])
    half = np.maximum(np.abs(lower - pivot), np.abs(upper - pivot))
    box = Box(tuple((pivot - half).tolist()), tuple((pivot + half).tolist()), units)
    return box, Grid(Box(tuple(lower.tolist()), tuple(upper.tolist()), units), (rows, columns))


def _read_vectors(kind: str, vectors: np.ndarray) -> tuple[np.ndarray, float, np.ndarray, Geometry]:
    """(views, 6) vectors -> angles (radians), pitch, axis (X, Y), and the scanner's other lengths by name."""
    if vectors.ndim != 2 or vectors.shape[1] != 6 or not len(vectors):
        raise ValueError(
            f"from_astra: {kind} has vectors of shape {vectors.shape}; it must be (views, 6)."
        )
    source, middle, step = vectors[:, :2], vectors[:, 2:4], vectors[:, 4:]
    widths = np.hypot(*step.T)
    pitch = float(widths.mean())
    if not pitch > 0 or np.ptp(widths) > TOLERANCE * pitch:
        raise ValueError(
            f"from_astra: {kind} has bins {widths.min():.6g} to {widths.max():.6g} wide, not one pitch."
        )
    theta = np.arctan2(step[:, 1], step[:, 0])
    e, n = _frame(theta)
    if kind == "parallel_vec":
        if (np.abs((source * e).sum(-1)) > TOLERANCE * np.hypot(*source.T)).any():
            raise ValueError(
                "from_astra: parallel_vec has a detector that is not perpendicular to its rays."
            )
        # where the detector's middle lies along itself; along the ray it may be anywhere
        scale = float(np.abs(vectors[:, 2:]).max())
        (center,), axis = _fit(kind, -np.ones((len(e), 1)), e, (middle * e).sum(-1), scale)
        scanner: Geometry = {"center": center}
    else:
        zero = np.zeros_like(n)
        columns = [np.stack(pair).reshape(-1) for pair in ((-n, zero), (zero, n), (zero, -e))]
        turning = np.tile(np.eye(2), (2 * len(n), 1))
        target = np.stack([source, middle]).reshape(-1)
        values, axis = _fit(
            kind, np.stack(columns, -1), turning, target, float(np.abs(target).max())
        )
        scanner = dict(zip(("source_distance", "detector_distance", "center"), values, strict=True))
        if scanner["source_distance"] < 0:
            raise ValueError(
                "from_astra: fanflat_vec counts bins the other way. Reverse its steps and the sinogram."
            )
    return (theta + math.pi / 2) % (2 * math.pi), pitch, axis, scanner


def _fit(
    kind: str, design: np.ndarray, turning: np.ndarray, target: np.ndarray, scale: float
) -> tuple[list[float], np.ndarray]:
    """Lengths and axis (at 0 where that will do): target = design @ lengths + turning @ axis, relative to `scale`."""
    k = design.shape[1]
    for matrix in (design, np.hstack([design, turning])):
        solution = np.linalg.lstsq(matrix, target, rcond=None)[0]
        if np.abs(matrix @ solution - target).max() <= TOLERANCE * scale:
            solution = np.where(
                np.abs(solution) < 1e-12 * scale, 0.0, solution
            )  # rounding is not an offset
            return solution[:k].tolist(), np.append(solution[k:], [0.0, 0.0])[:2]
    raise ValueError(
        f"from_astra: no axis of rotation and detector offset describe these {kind} vectors: the views are not turns "
        "of one scanner. Such a scan is an operator of its own."
    )
