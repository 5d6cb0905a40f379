"""Radar files: GOTCHA and CV Domes phase history (MATLAB), and a plain HDF5 layout of our own.

The HDF5 layout has the datasets `y` (P, K) complex, `frequencies` (K,) in Hz, `transmitters` and
`receivers` (P, 3) in m, `reference_path` (P,) in m (two ways), and the root attributes `sign` (+1
or -1) and `units` "m,Hz". P is the number of pulses, K that of frequencies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from inverse_inr.constants import SPEED_OF_LIGHT
from inverse_inr.io.files import FileFormatError, PathLike, reading
from inverse_inr.io.hdf5 import read_hdf5, write_hdf5


class PhaseData(NamedTuple):
    """Phase history as measured, in SI units, with its geometry in float64."""

    y: Tensor
    """(P, K) complex64, a row per pulse."""
    frequencies: Tensor
    """(K,) float64, Hz, ascending."""
    transmitters: Tensor
    """(P, 3) positions of the transmitter in m."""
    receivers: Tensor
    """(P, 3) positions of the receiver in m."""
    reference_path: Tensor
    """(P,) path in m, two ways, that the receiver subtracted."""
    sign: int
    """The sign of the phase: -1 for exp(-j 2π f L / c)."""


def read_gotcha(paths: PathLike | Sequence[PathLike], autofocus: bool = False) -> PhaseData:
    """Read AFRL's GOTCHA phase history, which is monostatic, with sign -1.

    Frequencies are stored in float32, a step of 1 kHz at 9.6 GHz: they are put back on the uniform
    grid that they round.

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
    from inverse_inr.io.matlab import matlab_struct

    if isinstance(paths, str | bytes) or not isinstance(paths, Sequence):
        paths = [paths]
    listed: list[Any] = list(paths)
    if not listed:
        raise ValueError("read_gotcha: there are no files.")
    parts = [_gotcha(matlab_struct(path, "data"), str(path), autofocus) for path in listed]
    for path, part in zip(listed, parts, strict=True):
        if not torch.equal(part.frequencies, parts[0].frequencies):
            raise FileFormatError(
                f"{path}: its frequencies are not those of {listed[0]}. Another collection?"
            )
    y = torch.cat([part.y for part in parts])
    antenna = torch.cat([part.transmitters for part in parts])
    reference_path = torch.cat([part.reference_path for part in parts])
    return PhaseData(y, parts[0].frequencies, antenna, antenna, reference_path, -1)


def _gotcha(data: dict[str, Any], path: str, autofocus: bool) -> PhaseData:
    """The phase history of one file's struct."""
    missing = {"fp", "freq", "x", "y", "z", "r0"} - set(data)
    if missing:
        raise FileFormatError(
            f"{path}: the struct has no {sorted(missing)}; GOTCHA's have fp, freq, x, y, z, r0."
        )
    fp = np.asarray(data["fp"])
    freq = np.asarray(data["freq"]).ravel()
    place = [np.asarray(data[k], dtype=np.float64).ravel() for k in ("x", "y", "z", "r0")]
    if fp.ndim != 2 or fp.shape[0] != len(freq) or any(len(v) != fp.shape[1] for v in place):
        raise FileFormatError(
            f"{path}: fp has shape {fp.shape}, freq {len(freq)} values, "
            f"x, y, z, r0 {[len(v) for v in place]}; "
            "expected (frequencies, pulses) and one position a pulse."
        )
    y = fp.T.astype(np.complex128)
    f = uniform_where_rounded(torch.from_numpy(freq.copy()))
    if autofocus:
        if "af" not in data:
            raise FileFormatError(f"{path}: there is no autofocus (af) in the file.")
        r = np.asarray(data["af"]["r_correct"], dtype=np.float64).ravel()[:, None]
        phase = np.asarray(data["af"]["ph_correct"], dtype=np.float64).ravel()[:, None]
        y = y * np.exp(-4j * np.pi * f.numpy() * r / SPEED_OF_LIGHT + 1j * phase)
    antenna = torch.from_numpy(np.stack(place[:3], 1))
    return PhaseData(
        torch.from_numpy(y.astype(np.complex64)),
        f,
        antenna,
        antenna,
        torch.from_numpy(2 * place[3]),
        -1,
    )


def uniform_where_rounded(frequencies: Tensor) -> Tensor:
    """Bring frequencies to float64, and back to the uniform grid that float32 ones round.

    Args:
        frequencies: (K,) in Hz.

    Returns:
        (K,) float64; unchanged numbers where there is no such grid.
    """
    f = frequencies.double()
    if frequencies.dtype != torch.float32 or len(f) < 3:
        return f
    even = torch.linspace(float(f[0]), float(f[-1]), len(f), dtype=torch.float64)
    step = torch.finfo(torch.float32).eps * float(f.abs().max())
    if float((f - even).abs().max()) <= 1.5 * step:
        return even
    return f


def read_cv_domes(
    path: PathLike,
    polarisation: str = "hh",
    azimuths: tuple[float, float] = (0.0, 360.0),
    distance: float = 1e4,
) -> PhaseData:
    """Read AFRL's Civilian Vehicle Data Domes: far-field scattering at one elevation.

    The struct `data` holds hh, vv, hv (frequencies, pulses), FGHz, azim and elev (degrees); phases
    are relative to the scene's centre.

    Args:
        path: The file.
        polarisation: "hh", "vv" or "hv".
        azimuths: The least and the greatest azimuth of the pulses to read, in degrees.
        distance: Distance in m, R, at which the antennas are put; the wavefront's curvature over a
            car is 2π f h² / (c R) there.

    Returns:
        The phase history.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is of another kind or truncated, or its parts disagree.
        ValueError: There is no such polarisation, or no pulse within the azimuths.
    """
    from inverse_inr.io.matlab import matlab_struct

    data = matlab_struct(path, "data")
    s, freq, azimuth = _domes(data, path, polarisation)
    chosen = (azimuth >= azimuths[0]) & (azimuth <= azimuths[1])
    if not chosen.any():
        raise ValueError(
            f"{path}: no pulse has an azimuth in {azimuths}; "
            f"they run from {azimuth.min()} to {azimuth.max()}."
        )
    a = np.deg2rad(azimuth[chosen])
    e = np.deg2rad(float(np.asarray(data["elev"]).ravel()[0]))
    unit = np.stack([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.full_like(a, np.sin(e))], 1)
    antenna = torch.from_numpy(distance * unit)
    y = torch.from_numpy(np.ascontiguousarray(s[:, chosen].T).astype(np.complex64))
    reference_path = torch.full((len(a),), 2.0 * distance).double()
    return PhaseData(y, torch.from_numpy(freq), antenna, antenna, reference_path, -1)


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
    s = np.asarray(data[polarisation])
    azimuth = np.asarray(data["azim"], dtype=np.float64).ravel()
    freq = np.asarray(data["FGHz"], dtype=np.float64).ravel() * 1e9
    if s.shape != (len(freq), len(azimuth)):
        raise FileFormatError(
            f"{path}: {polarisation} has shape {s.shape}, "
            f"not {(len(freq), len(azimuth))} of FGHz x azim."
        )
    return s, freq, azimuth


def read_radar(path: PathLike) -> PhaseData:
    """Read phase history or beat samples in this module's HDF5 layout.

    Args:
        path: The file.

    Returns:
        The phase history.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is damaged or of another kind, or its parts disagree.
    """
    import h5py

    names = ("y", "frequencies", "transmitters", "receivers", "reference_path")
    y, f, t, r, reference = (read_hdf5(path, name) for name in names)
    with reading(path, "an HDF5 file", ("HDF5",)) as name, h5py.File(name, "r") as file:
        sign = int(np.asarray(file.attrs.get("sign", 0)))
    if sign not in (1, -1):
        raise FileFormatError(
            f"{path}: the attribute sign must be +1 or -1, found {sign or 'none'}."
        )
    if not y.is_complex() or y.ndim != 2 or f.shape != y.shape[1:]:
        raise FileFormatError(
            f"{path}: y must be (pulses, frequencies) complex; "
            f"y {tuple(y.shape)}, f {tuple(f.shape)}."
        )
    pulses = (len(y), len(t), len(r), len(reference))
    if len(set(pulses)) != 1:
        raise FileFormatError(
            f"{path}: y, transmitters, receivers, reference_path have {pulses} pulses; "
            "they must agree."
        )
    return PhaseData(
        y.to(torch.complex64),
        uniform_where_rounded(f),
        t.double(),
        r.double(),
        reference.double(),
        sign,
    )


def write_radar(path: PathLike, data: PhaseData) -> None:
    """Write phase history in this module's HDF5 layout.

    Args:
        path: The file to write.
        data: The phase history.
    """
    fields = {k: v for k, v in data._asdict().items() if isinstance(v, Tensor)}
    write_hdf5(path, fields, {"sign": data.sign, "units": "m,Hz"})
