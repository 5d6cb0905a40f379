"""Radar files: GOTCHA and CV Domes phase history (MATLAB), and a plain HDF5 layout of our own.

HDF5: datasets `y` (P, K) complex, `frequencies` (K,) Hz, `transmitters`, `receivers` (P, 3) m, `reference_path` (P,) m
(two ways), root attributes `sign` (+1 or -1) and `units` "m,Hz".
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
    """Phase history as measured, in SI units; geometry in float64."""

    y: Tensor
    """(P, K) complex64."""
    frequencies: Tensor
    """(K,) float64, Hz, ascending."""
    transmitters: Tensor
    """(P, 3) m."""
    receivers: Tensor
    """(P, 3) m."""
    reference_path: Tensor
    """(P,) m, two ways: what the receiver subtracted."""
    sign: int
    """Of the phase: -1 for exp(-j 2π f L / c)."""


def read_gotcha(paths: PathLike | Sequence[PathLike], autofocus: bool = False) -> PhaseData:
    """AFRL GOTCHA phase history, one file a degree of azimuth, in the order given: sign -1, monostatic.

    Frequencies are stored in float32, a step of 1 kHz at 9.6 GHz: they are put back on the uniform grid they round.
    `autofocus` applies the file's r_correct and ph_correct, which align passes: a single pass is sharper without.
    Raises FileNotFoundError, FileFormatError for another kind of file, a truncated one, or parts that disagree.
    """
    from inverse_inr.io.matlab import matlab_struct

    listed = (
        [paths]
        if isinstance(paths, str | bytes) or not isinstance(paths, Sequence)
        else list(paths)
    )
    if not listed:
        raise ValueError("read_gotcha: there are no files.")
    parts = [_gotcha(matlab_struct(path, "data"), str(path), autofocus) for path in listed]  # pyright: ignore
    for path, part in zip(listed, parts, strict=True):
        if not torch.equal(part.frequencies, parts[0].frequencies):
            raise FileFormatError(
                f"{path}: its frequencies are not those of {listed[0]}. Another collection?"
            )
    joined = [
        torch.cat([getattr(p, name) for p in parts])
        for name in ("y", "transmitters", "reference_path")
    ]
    return PhaseData(joined[0], parts[0].frequencies, joined[1], joined[1], joined[2], -1)


def _gotcha(data: dict[str, Any], path: str, autofocus: bool) -> PhaseData:
    missing = {"fp", "freq", "x", "y", "z", "r0"} - set(data)
    if missing:
        raise FileFormatError(
            f"{path}: the struct has no {sorted(missing)}; GOTCHA's have fp, freq, x, y, z, r0."
        )
    fp, freq = np.asarray(data["fp"]), np.asarray(data["freq"]).ravel()
    place = [np.asarray(data[k], dtype=np.float64).ravel() for k in ("x", "y", "z", "r0")]
    if fp.ndim != 2 or fp.shape[0] != len(freq) or any(len(v) != fp.shape[1] for v in place):
        raise FileFormatError(
            f"{path}: fp has shape {fp.shape}, freq {len(freq)} values, x, y, z, r0 {[len(v) for v in place]}; "
            "expected (frequencies, pulses) and one position a pulse."
        )
    y = fp.T.astype(np.complex128)
    f = uniform_where_rounded(torch.from_numpy(freq.copy()))
    if autofocus:
        if "af" not in data:
            raise FileFormatError(f"{path}: there is no autofocus (af) in the file.")
        r, phase = (
            np.asarray(data["af"][k], dtype=np.float64).ravel()[:, None]
            for k in ("r_correct", "ph_correct")
        )
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
    """Frequencies in float64; float32 ones go back to the uniform grid that they round, where there is one."""
    f = frequencies.double()
    if frequencies.dtype != torch.float32 or len(f) < 3:
        return f
    even = torch.linspace(float(f[0]), float(f[-1]), len(f), dtype=torch.float64)
    step = torch.finfo(torch.float32).eps * float(f.abs().max())
    return even if float((f - even).abs().max()) <= 1.5 * step else f


def read_cv_domes(
    path: PathLike,
    polarisation: str = "hh",
    azimuths: tuple[float, float] = (0.0, 360.0),
    distance: float = 1e4,
) -> PhaseData:
    """AFRL Civilian Vehicle Data Domes: far-field scattering of one elevation, pulses within `azimuths` (degrees).

    The struct `data` holds hh, vv, hv (frequencies, pulses), FGHz, azim and elev (degrees); phases are relative to the
    scene's centre. Antennas are put at `distance` (m), where the wavefront's curvature over a car is 2π f h² / (c R).
    Raises FileFormatError as `read_gotcha`; ValueError for a polarisation or azimuths that are not there.
    """
    from inverse_inr.io.matlab import matlab_struct

    data = matlab_struct(path, "data")
    missing = {"FGHz", "azim", "elev"} - set(data)
    if missing:
        raise FileFormatError(
            f"{path}: the struct has no {sorted(missing)}; CV Domes' have FGHz, azim, elev, hh, vv, hv."
        )
    if polarisation not in data:
        raise ValueError(f"{path}: there is no polarisation {polarisation!r} among {sorted(data)}.")
    s, azimuth = np.asarray(data[polarisation]), np.asarray(data["azim"], dtype=np.float64).ravel()
    freq = np.asarray(data["FGHz"], dtype=np.float64).ravel() * 1e9
    if s.shape != (len(freq), len(azimuth)):
        raise FileFormatError(
            f"{path}: {polarisation} has shape {s.shape}, not {(len(freq), len(azimuth))} of FGHz x azim."
        )
    chosen = (azimuth >= azimuths[0]) & (azimuth <= azimuths[1])
    if not chosen.any():
        raise ValueError(
            f"{path}: no pulse has an azimuth in {azimuths}; they run from {azimuth.min()} to {azimuth.max()}."
        )
    a, e = np.deg2rad(azimuth[chosen]), np.deg2rad(float(np.asarray(data["elev"]).ravel()[0]))
    unit = np.stack([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.full_like(a, np.sin(e))], 1)
    antenna = torch.from_numpy(distance * unit)
    y = torch.from_numpy(np.ascontiguousarray(s[:, chosen].T).astype(np.complex64))
    return PhaseData(
        y,
        torch.from_numpy(freq),
        antenna,
        antenna,
        torch.full((len(a),), 2.0 * distance).double(),
        -1,
    )


def read_radar(path: PathLike) -> PhaseData:
    """Phase history or beat samples in the HDF5 layout above. Raises FileFormatError where parts disagree."""
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
            f"{path}: y must be (pulses, frequencies) complex; y {tuple(y.shape)}, f {tuple(f.shape)}."
        )
    pulses = (len(y), len(t), len(r), len(reference))
    if len(set(pulses)) != 1:
        raise FileFormatError(
            f"{path}: y, transmitters, receivers, reference_path have {pulses} pulses; they must agree."
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
    """Write the layout above."""
    fields = {k: v for k, v in data._asdict().items() if isinstance(v, Tensor)}
    write_hdf5(path, fields, {"sign": data.sign, "units": "m,Hz"})
