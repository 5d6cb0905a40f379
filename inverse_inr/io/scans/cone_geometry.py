"""Geometry files of cone-beam scanners: Nikon's .xtekct, ASTRA's dictionaries, and plain words.

Nikon's files turn the object, count rows from the top and columns from the right, and their angles
grow the other way than ours, as CIL's NikonDataReader takes them. ASTRA's coordinates are
(X, Y, Z) = (x1, -x0, x2).
"""

from __future__ import annotations

import configparser
import json
import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inverse_inr.io.files import FileFormatError, PathLike, existing_file
from inverse_inr.io.scans.cone_record import (
    ConeGeometry,
    count_of,
    number_of,
    positive_of,
    vector,
)
from inverse_inr.io.scans.cone_words import geometry_in_words
from inverse_inr.ranges import checked

EXPECTED = "a geometry as .xtekct, .json or .toml"
"""The files that are read, for messages."""


@checked
def read_cone_geometry(path: PathLike) -> ConeGeometry:
    """Read the geometry of a cone-beam scan.

    Args:
        path: Nikon's .xtekct; or .json or .toml with one of ASTRA's dictionaries ('cone' or
            'cone_vec', alone or as "projection"), or with the words of `cone_words.WORDS`.

    Returns:
        The geometry.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: It is damaged, of another kind, or lacks or contradicts something.
    """
    file = existing_file(path, EXPECTED)
    suffix = file.suffix.lower()
    if suffix not in (".xtekct", ".json", ".toml"):
        raise FileFormatError(f"{path}: expected {EXPECTED}, found the suffix {suffix!r}.")
    try:
        text = file.read_bytes().decode("utf-8-sig")
        if suffix == ".xtekct":
            return _nikon(text)
        found = json.loads(text) if suffix == ".json" else tomllib.loads(text)
        if not isinstance(found, dict):
            raise ValueError(f"expected a table, found a {type(found).__name__}")
        found = found.get("projection", found)
        if isinstance(found, dict) and "type" in found:
            return _astra(found)
        return geometry_in_words(found)
    except (ValueError, TypeError, KeyError, configparser.Error) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise FileFormatError(f"{path}: expected {EXPECTED}; {reason}.") from None


def _nikon(text: str) -> ConeGeometry:
    """The [XTekCT] section, in mm and degrees."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # pyright: ignore[reportAttributeAccessIssue]
    parser.read_string(text)
    if "XTekCT" not in parser:
        raise ValueError("it has no section [XTekCT]")
    found = {k: v for k, v in parser["XTekCT"].items() if v.strip()}
    to_object, to_panel = positive_of(found, "SrcToObject"), positive_of(found, "SrcToDetector")
    if to_panel < to_object:
        raise ValueError(f"SrcToDetector={to_panel:g} is less than SrcToObject={to_object:g}")
    rows, columns = count_of(found, "DetectorPixelsY"), count_of(found, "DetectorPixelsX")
    height, width = (
        positive_of(found, "DetectorPixelSizeY"),
        positive_of(found, "DetectorPixelSizeX"),
    )
    top = number_of(found, "CentreOfRotationTop", 0.0)
    bottom = number_of(found, "CentreOfRotationBottom", 0.0)
    offset = number_of(found, "ObjectOffsetX", 0.5 * (top + bottom) * to_object / to_panel)
    roll = math.radians(
        number_of(found, "ObjectRoll", -math.degrees(math.atan2(top - bottom, rows * height)))
    )
    tilt = -math.radians(number_of(found, "ObjectTilt", 0.0))
    turn = _turn(0, tilt) @ _turn(1, roll)  # the axis of rotation is turn @ (0, 0, 1)
    # the axis stands at -offset from the line from the source to the panel's middle
    parts = [vector(offset, -to_object, 0), vector(offset, to_panel - to_object, 0)]
    parts += [vector(width, 0, 0), vector(0, 0, height)]
    source, middle, across, along = (turn.T @ part for part in parts)
    number = torch.arange(count_of(found, "Projections"), dtype=torch.float64)
    degrees = 180 - number_of(found, "InitialAngle", 0.0) - number_of(found, "AngularStep") * number
    white = None
    if "WhiteLevel" in found:
        white = positive_of(found, "WhiteLevel")
    return ConeGeometry(
        source,
        middle,
        across,
        along,
        "mm",
        degrees.deg2rad(),
        detectors=(rows, columns),
        white=white,
        flipped=(1, 2),
    )


def _turn(axis: int, angle: float) -> Tensor:
    """A rotation about the first or the second axis."""
    c, s = math.cos(angle), math.sin(angle)
    if axis == 0:
        return torch.tensor([[1, 0, 0], [0, c, -s], [0, s, c]], dtype=torch.float64)
    return torch.tensor([[c, 0, s], [0, 1, 0], [-s, 0, c]], dtype=torch.float64)


def _astra(found: Mapping[str, Any]) -> ConeGeometry:
    """A dictionary of `astra.create_proj_geom`, whose lengths have no unit."""
    kind = found["type"]
    counts = (count_of(found, "DetectorRowCount"), count_of(found, "DetectorColCount"))
    if kind == "cone_vec":
        vectors = np.asarray(found["Vectors"], dtype=float)
        if vectors.ndim != 2 or vectors.shape[1] != 12 or not np.isfinite(vectors).all():
            raise ValueError(f"Vectors have shape {vectors.shape}; they must be finite (views, 12)")
        parts = torch.from_numpy(vectors).reshape(-1, 4, 3).unbind(1)
        ours = [torch.stack([-part[:, 1], part[:, 0], part[:, 2]], -1) for part in parts]
        return ConeGeometry(ours[0], ours[1], ours[2], ours[3], detectors=counts)
    if kind != "cone":
        raise ValueError(f"type={kind!r} is no cone beam: 'cone' or 'cone_vec'")
    angles = torch.as_tensor(found["ProjectionAngles"], dtype=torch.float64)
    if angles.ndim != 1 or not bool(torch.isfinite(angles).all()):
        raise ValueError("ProjectionAngles must be a list of finite numbers")
    return ConeGeometry(
        vector(0, -positive_of(found, "DistanceOriginSource"), 0),
        vector(0, number_of(found, "DistanceOriginDetector"), 0),
        vector(positive_of(found, "DetectorSpacingX"), 0, 0),
        vector(0, 0, positive_of(found, "DetectorSpacingY")),
        angles=angles + math.pi / 2,
        detectors=counts,
    )


def geometry_beside(path: PathLike) -> Path | None:
    """Find the only Nikon geometry in the folder of a scan.

    Args:
        path: The folder, a file in it, or a pattern of files in it.

    Returns:
        The file; None if there is none, or several.
    """
    folder = Path(path)
    if not folder.is_dir():
        folder = folder.parent
    if not folder.is_dir():
        return None
    found = [p for p in folder.iterdir() if p.suffix.lower() == ".xtekct"]
    return found[0] if len(found) == 1 else None
