"""Phase history published by AFRL in MATLAB files: GOTCHA and the Civilian Vehicle Data Domes.

Both kinds are read from MATLAB files of version 5 to 7 and of version 7.3 alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from inverse_inr.constants import SPEED_OF_LIGHT
from inverse_inr.io.files import FileFormatError, PathLike, existing_file
from inverse_inr.io.matlab import is_matlab_hdf5, matlab_struct
from inverse_inr.io.matlab73 import matlab73_struct
from inverse_inr.io.radar.phase_data import PhaseData, ascending, uniform_where_rounded
from inverse_inr.ranges import Finite, Positive, checked

SLACK = 1e-6
"""Degrees by which an azimuth may miss the end of a sector: azimuths are often float32."""


@checked
def read_gotcha(paths: PathLike | Sequence[PathLike], autofocus: bool = False) -> PhaseData:
    """Read AFRL's GOTCHA phase history, which is monostatic, with sign -1.

    Frequencies are stored in float32, a step of 1 kHz at 9.6 GHz: they are put back on the even
    lattice that they round.

    Args:
        paths: One file or several, one per degree of azimuth, which are joined in the order given.
        autofocus: Apply the file's r_correct and ph_correct, which align passes; a single pass is
            sharper without.

    Returns:
        The phase history.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: A file is of another kind or truncated, or parts disagree.
        ValueError: No files are given.
    """
    if isinstance(paths, str | bytes) or not isinstance(paths, Sequence):
        paths = [paths]
    listed: list[Any] = list(paths)
    if not listed:
        raise ValueError("read_gotcha: there are no files.")
    parts = [_gotcha(_struct(path), str(path), autofocus) for path in listed]
    for path, part in zip(listed, parts, strict=True):
        if not torch.equal(part.frequencies, parts[0].frequencies):
            raise FileFormatError(
                f"{path}: its frequencies are not those of {listed[0]}. Another collection?"
            )
    y = torch.cat([part.y for part in parts])
    antenna = torch.cat([part.transmitters for part in parts])
    reference_path = torch.cat([part.reference_path for part in parts])
    return PhaseData(y, parts[0].frequencies, antenna, antenna, reference_path, -1)


def _struct(path: PathLike) -> dict[str, Any]:
    """The struct `data` of a MATLAB file of any version."""
    file = existing_file(path, "a MATLAB file")
    if is_matlab_hdf5(Path(file)):
        return matlab73_struct(path, "data")
    return matlab_struct(path, "data")


def _numbers(data: dict[str, Any], name: str, path: PathLike) -> np.ndarray:
    """A field that holds numbers, in its own dtype; raises FileFormatError for any other."""
    value = data[name]
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "iufc" or not value.size:
        what = type(value).__name__
        if isinstance(value, np.ndarray):
            what = f"{value.dtype} of shape {value.shape}"
        raise FileFormatError(f"{path}: the field {name} must hold numbers, found {what}.")
    return np.asarray(value, value.dtype.newbyteorder("="))


def _reals(data: dict[str, Any], name: str, path: PathLike) -> np.ndarray:
    """A field of real numbers as a vector, float64."""
    value = _numbers(data, name, path)
    if value.dtype.kind == "c":
        raise FileFormatError(f"{path}: the field {name} must be real, found {value.dtype}.")
    return value.astype(np.float64).ravel()


def _gotcha(data: dict[str, Any], path: str, autofocus: bool) -> PhaseData:
    """The phase history of one file's struct."""
    missing = {"fp", "freq", "x", "y", "z", "r0"} - set(data)
    if missing:
        raise FileFormatError(
            f"{path}: the struct has no {sorted(missing)}; GOTCHA's have fp, freq, x, y, z, r0."
        )
    fp = _numbers(data, "fp", path)
    freq = _numbers(data, "freq", path).ravel()
    place = [_reals(data, name, path) for name in ("x", "y", "z", "r0")]
    if fp.ndim != 2 or fp.shape[0] != len(freq) or any(len(v) != fp.shape[1] for v in place):
        raise FileFormatError(
            f"{path}: fp has shape {fp.shape}, freq {len(freq)} values, "
            f"x, y, z, r0 {[len(v) for v in place]}; "
            "expected (frequencies, pulses) and one position a pulse."
        )
    _check_distance(path, place)
    y, f = ascending(
        fp.T.astype(np.complex128), uniform_where_rounded(torch.from_numpy(freq.copy())).numpy()
    )
    if autofocus:
        y = y * _autofocus(data, path, f, len(y))
    antenna = torch.from_numpy(np.stack(place[:3], 1))
    return PhaseData(
        torch.from_numpy(y.astype(np.complex64)),
        torch.from_numpy(f),
        antenna,
        antenna,
        torch.from_numpy(2 * place[3]),
        -1,
    )


def _check_distance(path: str, place: list[np.ndarray]) -> None:
    """Raise FileFormatError where r0 is another length than that of the position by its unit."""
    distance = np.sqrt(sum(v**2 for v in place[:3]))
    given = place[3]
    known = np.isfinite(distance) & np.isfinite(given) & (distance > 0)
    if not known.any():
        return
    ratio = float(np.median(given[known] / distance[known]))
    if not 0.5 < ratio < 1.9:
        raise FileFormatError(
            f"{path}: r0, the range to the scene's centre, is {np.median(given[known]):.6g} where "
            f"the antenna is {np.median(distance[known]):.6g} from the origin. Positions in m and "
            "r0 in km, a range there and back, or positions about another origin?"
        )


def _autofocus(data: dict[str, Any], path: str, f: np.ndarray, pulses: int) -> np.ndarray:
    """The factors (P, K) of the file's autofocus."""
    af = data.get("af")
    if not isinstance(af, dict) or {"r_correct", "ph_correct"} - set(af):
        raise FileFormatError(f"{path}: there is no autofocus (af) in the file.")
    r, phase = (_reals(af, name, path)[:, None] for name in ("r_correct", "ph_correct"))
    if len(r) != pulses or len(phase) != pulses:
        raise FileFormatError(
            f"{path}: af has {len(r)} ranges and {len(phase)} phases; there are {pulses} pulses."
        )
    return np.exp(-4j * np.pi * f * r / SPEED_OF_LIGHT + 1j * phase)


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
        polarisation: "hh", "vv" or "hv".
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
    data = _struct(path)
    s, freq, azimuth = _domes(data, path, polarisation)
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
    return PhaseData(
        torch.from_numpy(np.ascontiguousarray(y)),
        torch.from_numpy(freq),
        antenna,
        antenna,
        reference_path,
        -1,
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
    elevation = _reals(data, "elev", path)
    if np.ptp(elevation) > 1e-3 or not -90 <= elevation[0] <= 90:
        raise FileFormatError(
            f"{path}: elev must be one elevation in degrees, found {elevation.min():.6g} to "
            f"{elevation.max():.6g}."
        )
    return float(elevation[0])


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
    if polarisation not in data:
        raise ValueError(f"{path}: there is no polarisation {polarisation!r} among {sorted(data)}.")
    s = _numbers(data, polarisation, path)
    azimuth = _reals(data, "azim", path)
    freq = _reals(data, "FGHz", path) * 1e9
    if s.shape != (len(freq), len(azimuth)):
        raise FileFormatError(
            f"{path}: {polarisation} has shape {s.shape}, "
            f"not {(len(freq), len(azimuth))} of FGHz x azim."
        )
    return s, freq, azimuth
