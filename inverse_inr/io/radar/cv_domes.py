"""Phase history that AFRL published in MATLAB files: the Civilian Vehicle Data Domes.

It is read from MATLAB files of version 5 to 7 and of version 7.3 alike.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from inverse_inr.io.files import FileFormatError, PathLike
from inverse_inr.io.radar.afrl_fields import data_struct, echoes, hertz, reals
from inverse_inr.io.radar.phase_data import PhaseData, ascending
from inverse_inr.ranges import Finite, Positive, checked

SLACK = 1e-6
"""Degrees by which an azimuth may miss the end of a sector: azimuths are often float32."""


@checked
def read_cv_domes(
    path: PathLike,
    polarisation: str = "hh",
    azimuths: tuple[Finite, Finite] = (0.0, 360.0),
    distance: Positive = 1e4,
) -> PhaseData:
    """Read AFRL's Civilian Vehicle Data Domes: far-field scattering at one elevation.

    The struct `data` holds hh, vv, hv (frequencies, pulses), FGHz, azim and elev (degrees); phases
    are relative to the scene's centre.

    Args:
        path: The file.
        polarisation: "hh", "vv" or "hv", in either case.
        azimuths: A sector in degrees, from the first azimuth in ascending order to the second, both
            included. It may cross north: (-5, 5), (350, 370) and (350, 10) do. Its pulses come in
            the sector's order; those of a full turn in the file's.
        distance: Distance in m, R, at which the antennas are put; the wavefront's curvature over a
            car is 2π f h² / (c R) there.

    Returns:
        The phase history.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is of another kind or truncated, or its parts disagree.
        ValueError: There is no such polarisation, the sector is wider than a turn, there is no
            pulse in it, or the distance is not positive.
    """
    if not 0 < distance < math.inf:
        raise ValueError(f"read_cv_domes: distance must be positive, in m, got {distance}.")
    start, width = _sector(azimuths)
    data = data_struct(path)
    s, freq, azimuth = _domes(data, path, polarisation.lower())
    chosen = _within(azimuth, start, width)
    if not len(chosen):
        raise ValueError(
            f"{path}: no pulse has an azimuth in {azimuths}; "
            f"they run from {azimuth.min()} to {azimuth.max()}."
        )
    a = np.deg2rad(azimuth[chosen])
    e = np.deg2rad(_elevation(data, path))
    unit = np.stack([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.full_like(a, np.sin(e))], 1)
    antenna = torch.from_numpy(distance * unit)
    y, freq = ascending(s[:, chosen].T.astype(np.complex64), freq)
    reference_path = torch.full((len(a),), 2.0 * distance).double()
    lost = int((~np.isfinite(azimuth)).sum())
    notes: dict[str, Any] = {}
    if lost:
        notes["pulses left out"] = f"{lost} of {len(azimuth)} without an azimuth"
    return PhaseData(
        torch.from_numpy(np.ascontiguousarray(y)),
        torch.from_numpy(freq),
        antenna,
        antenna,
        reference_path,
        -1,
        notes,
    )


def _sector(azimuths: tuple[float, float]) -> tuple[float, float]:
    """The start of a sector and its width, both in degrees."""
    first, last = (float(a) for a in azimuths)
    if not (math.isfinite(first) and math.isfinite(last)) or abs(last - first) > 360 + SLACK:
        raise ValueError(
            f"read_cv_domes: azimuths must be the two ends of a sector of 360 degrees at most, "
            f"got {tuple(azimuths)}."
        )
    width = last - first
    if width < 0:
        width += 360
    return first, width


def _within(azimuth: np.ndarray, start: float, width: float) -> np.ndarray:
    """The numbers of the pulses in a sector, in its order."""
    if width >= 360 - SLACK:
        return np.flatnonzero(np.isfinite(azimuth))
    # an azimuth that rounding puts just before the start belongs to it, not to the end of a turn
    past = (azimuth - start + SLACK) % 360
    inside = np.flatnonzero(past <= width + 2 * SLACK)
    return inside[np.argsort(past[inside], kind="stable")]


def _elevation(data: dict[str, Any], path: PathLike) -> float:
    """The one elevation of a struct, in degrees."""
    elevation = reals(data, "elev", path)
    if np.ptp(elevation) > 1e-3 or not -90 <= elevation[0] <= 90:
        raise FileFormatError(
            f"{path}: elev must be one elevation in degrees, found {elevation.min():.6g} to "
            f"{elevation.max():.6g}."
        )
    if 0 < abs(elevation[0]) <= math.pi / 2:
        raise FileFormatError(
            f"{path}: elev is {elevation[0]:.6g}, in degrees; the domes lie tens of degrees up. In "
            "radians? np.rad2deg(elev)."
        )
    return float(elevation[0])


def _check_degrees(azimuth: np.ndarray, path: PathLike) -> None:
    """Raise FileFormatError where azimuths go round once in radians."""
    known = np.unique(azimuth[np.isfinite(azimuth)])
    if len(known) < 8:
        return
    step = float(np.median(np.diff(known)))
    turn = float(np.ptp(known)) + step
    if abs(turn - 2 * math.pi) < 0.1 * step:
        raise FileFormatError(
            f"{path}: azim steps by {step:.4g} up to {known[-1]:.6g}, a whole turn in radians; "
            "it is in degrees here. np.rad2deg(azim)?"
        )


def _domes(
    data: dict[str, Any], path: PathLike, polarisation: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scattering (frequencies, pulses), frequencies in Hz and azimuths in degrees of one struct."""
    missing = {"FGHz", "azim", "elev"} - set(data)
    if missing:
        raise FileFormatError(
            f"{path}: the struct has no {sorted(missing)}; "
            "CV Domes' have FGHz, azim, elev, hh, vv, hv."
        )
    if polarisation not in data or polarisation in ("FGHz", "azim", "elev"):
        there = sorted(set(data) - {"FGHz", "azim", "elev"})
        raise ValueError(f"{path}: there is no polarisation {polarisation!r} among {there}.")
    s = echoes(data, polarisation, path)
    azimuth = reals(data, "azim", path)
    _check_degrees(azimuth, path)
    freq = hertz(reals(data, "FGHz", path) * 1e9, "FGHz (in GHz)", path)
    if s.shape != (len(freq), len(azimuth)):
        raise FileFormatError(
            f"{path}: {polarisation} has shape {s.shape}, "
            f"not {(len(freq), len(azimuth))} of FGHz x azim."
        )
    return s, freq, azimuth
