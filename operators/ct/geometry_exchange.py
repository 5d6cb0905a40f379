"""Scan geometries of other toolboxes, to and from ours: ASTRA's and scikit-image's.

ASTRA's plane has x along the columns of the image and y up, row 0 at the top, so
(X, Y) = (x1, -x0) measured from the axis of rotation. Its view θ has the detector along
(cos θ, sin θ) and the source towards (sin θ, -cos θ): in our frame e(angle) and -n(angle) with
angle = θ + π/2. Images and sinograms are the same arrays, (rows, columns) and (views, detectors).
The conventions were read in astra/creators.py, astra/functions.py (`geom_2vec`) and
skimage/transform/radon_transform.py; tests measure them. Building or reading the dictionaries does
not need ASTRA.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inverse_inr import Box, Grid
from inverse_inr.operators.ct.astra_cones import cone_geometry, read_cone, solid_volume
from inverse_inr.operators.ct.astra_vectors import read_vectors, scanner_frame
from inverse_inr.operators.ct.cone_beam import ConeBeam
from inverse_inr.operators.ct.cone_vectors import ConeVectors
from inverse_inr.operators.ct.diverging_beams import FanBeam
from inverse_inr.operators.ct.radon import ParallelBeam
from inverse_inr.ranges import Count, checked

Geometry = dict[str, Any]
"""One of ASTRA's dictionaries."""


Scan = ParallelBeam | FanBeam | ConeBeam | ConeVectors
"""The scans that ASTRA knows too."""


@checked
def to_astra(operator: Scan, grid: Grid) -> tuple[Geometry, Geometry]:
    """Describe a scan in ASTRA's terms, with lengths in the box's unit.

    ASTRA's origin is the axis of rotation, the centre of `operator.box`; a grid with another centre
    is an off-centre window. Learnable geometry is read at its present value.

    Args:
        operator: The scan.
        grid: The grid of the images or volumes.

    Returns:
        The projection geometry as `astra.create_proj_geom` makes it ('parallel', 'fanflat', 'cone',
        or the '_vec' form if the detector is off centre or moves), and the volume geometry as
        `astra.create_vol_geom` makes it. The order of 3-D arrays is in `astra_cones`.

    Raises:
        TypeError: The operator is another.
        ValueError: The grid has another dimension.
    """
    if grid.ndim != operator.ndim:
        raise ValueError(
            f"to_astra: {type(operator).__name__} is {operator.ndim}-D; "
            f"the grid has {grid.ndim} axes."
        )
    if isinstance(operator, ConeBeam | ConeVectors):
        return cone_geometry(operator), solid_volume(grid, operator.box.center)
    theta = operator.angles.detach().double().cpu().numpy() - math.pi / 2
    return _projection(operator, theta), _volume(grid, operator.box.center)


@checked
def from_astra(
    projection_geometry: Geometry,
    volume_geometry: Geometry,
    *,
    units: tuple[str, ...] = ("", ""),
) -> tuple[Scan, Grid]:
    """Read a scan from ASTRA's dictionaries.

    Coordinates are ASTRA's, (x0, x1) = (-Y, X). Plane vectors may describe any axis and one
    detector offset, or one offset for each view about the origin; their angles come back in
    [0, 2π). Vectors of cones become a `ConeBeam` where the source turns about the origin at one
    distance, with moves of the panel for each view, and `ConeVectors` otherwise.

    Args:
        projection_geometry: Of type 'parallel', 'parallel_vec', 'fanflat', 'fanflat_vec', 'cone' or
            'cone_vec'.
        volume_geometry: A 2-D volume, or a 3-D one for cones.
        units: The unit of the dictionaries' lengths, for each axis of the box.

    Returns:
        The operator, with angles in torch's default dtype, and the image's grid. The operator's box
        is the smallest around the axis of rotation that holds the image.

    Raises:
        ValueError: The type is another, the volume has another dimension, or plane vectors are not
            one rotation of one scanner.
    """
    kind = projection_geometry.get("type")
    if kind in ("cone", "cone_vec"):
        return read_cone(projection_geometry, volume_geometry, units)
    if kind in ("parallel", "fanflat"):
        angles = np.asarray(projection_geometry["ProjectionAngles"], float) + math.pi / 2
        axis = np.zeros(2)
        pitch = float(projection_geometry["DetectorWidth"])
        scanner: Geometry = {}
        if kind == "fanflat":
            scanner["source_distance"] = float(projection_geometry["DistanceOriginSource"])
            scanner["detector_distance"] = float(projection_geometry["DistanceOriginDetector"])
    elif kind in ("parallel_vec", "fanflat_vec"):
        angles, pitch, axis, scanner = read_vectors(
            kind, np.asarray(projection_geometry["Vectors"], float)
        )
    else:
        raise ValueError(
            f"from_astra: projection geometry of type {kind!r}; "
            "'parallel', 'fanflat', 'cone' and their '_vec' forms are read."
        )
    box, grid = _boxes(volume_geometry, axis, units)
    make = FanBeam if kind.startswith("fan") else ParallelBeam
    view = torch.as_tensor(angles, dtype=torch.get_default_dtype())
    if "center" in scanner:
        scanner["center"] = torch.as_tensor(scanner["center"], dtype=view.dtype)
    return make(box, view, int(projection_geometry["DetectorCount"]), pitch=pitch, **scanner), grid


@checked
def from_scikit_image(
    theta_degrees: Sequence[float] | np.ndarray | Tensor,
    shape: tuple[Count, Count],
    *,
    circle: bool = True,
) -> ParallelBeam:
    """The scan that `skimage.transform.radon(image, theta_degrees, circle)` simulates.

    Lengths are pixels: pixel (i, j) has its centre at (i + 1/2, j + 1/2), so the image's grid is
    `Grid(Box((0, 0), shape), shape)`. scikit-image turns about pixel n // 2 along each axis, which
    is half a pixel off the middle if n is even; the operator's box is centred there and is then a
    pixel longer than the image. scikit-image's sinograms are (detectors, views): the measurements
    of this operator are `sinogram.T.reshape(-1)`.

    Args:
        theta_degrees: (views,) in degrees, in scikit-image's convention.
        shape: (H, W) of the image in pixels.
        circle: As in scikit-image: crop to the central square; if not, pad to the diagonal.

    Returns:
        The operator, with angles in torch's default dtype.

    Raises:
        ValueError: The shape is not two positive sizes, or there are no angles.

    Warns:
        UserWarning: The angles look like radians.
    """
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
    if degrees.ndim != 1 or not len(degrees):
        raise ValueError(
            f"from_scikit_image: theta_degrees of shape {tuple(degrees.shape)}; (views,) were "
            "expected, at least one."
        )
    if len(degrees) > 7 and 3 < float(degrees.max() - degrees.min()) < 6.3:
        warnings.warn(
            f"from_scikit_image: {len(degrees)} views span "
            f"{float(degrees.max() - degrees.min()):.4g} degrees. "
            "Are these radians? Use np.rad2deg(theta).",
            stacklevel=3,
        )
    angles = torch.deg2rad(degrees + 90).to(torch.get_default_dtype())
    return ParallelBeam(
        box, angles, detectors, pitch=1.0, center=detectors // 2 - 0.5 * (detectors - 1)
    )


def _projection(operator: ParallelBeam | FanBeam, theta: np.ndarray) -> Geometry:
    """The plain form of the projection geometry; the vector form if the detector is off centre."""
    kind = "parallel"
    source = 1.0
    detector = 0.0
    distances: Geometry = {}
    if isinstance(operator, FanBeam):
        kind = "fanflat"
        source = float(operator.source_distance.detach())
        detector = float(operator.detector_distance.detach())
        distances = {"DistanceOriginSource": source, "DistanceOriginDetector": detector}
    count = operator.shape[1]
    center = operator.center.detach().double().cpu().numpy()
    if center.any():
        e, n = scanner_frame(theta)
        moved = np.broadcast_to(center, theta.shape)[:, None] * e
        # ray or source, the detector's middle, the step of one bin
        vectors = np.hstack([-source * n, detector * n - moved, operator.pitch * e])
        return {"type": f"{kind}_vec", "DetectorCount": count, "Vectors": vectors}
    return {
        "type": kind,
        "DetectorWidth": operator.pitch,
        "DetectorCount": count,
        "ProjectionAngles": theta,
        **distances,
    }


def _volume(grid: Grid, axis: tuple[float, ...]) -> Geometry:
    top, left = np.array(grid.box.lower) - axis
    bottom, right = np.array(grid.box.upper) - axis
    window = {"WindowMinX": left, "WindowMaxX": right, "WindowMinY": -bottom, "WindowMaxY": -top}
    option = {key: float(value) for key, value in window.items()}
    return {"option": option, "GridRowCount": grid.shape[0], "GridColCount": grid.shape[1]}


def _boxes(volume: Geometry, axis: np.ndarray, units: tuple[str, ...]) -> tuple[Box, Grid]:
    """The box about the axis (X, Y) that holds the volume's window, and the window's grid."""
    if "GridSliceCount" in volume:
        raise ValueError("from_astra: the volume geometry is 3-D; only 2-D ones are read.")
    rows = int(volume["GridRowCount"])
    columns = int(volume["GridColCount"])
    default = {
        "WindowMinX": -columns / 2,
        "WindowMaxX": columns / 2,
        "WindowMinY": -rows / 2,
        "WindowMaxY": rows / 2,
    }
    w = {**default, **volume.get("option", {})}
    lower = np.array([-w["WindowMaxY"], w["WindowMinX"]])
    upper = np.array([-w["WindowMinY"], w["WindowMaxX"]])
    pivot = np.array([-axis[1], axis[0]])
    half = np.maximum(np.abs(lower - pivot), np.abs(upper - pivot))
    box = Box(tuple((pivot - half).tolist()), tuple((pivot + half).tolist()), units)
    return box, Grid(Box(tuple(lower.tolist()), tuple(upper.tolist()), units), (rows, columns))
