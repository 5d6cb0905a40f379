"""CPHD phase history (NGA's standard) through sarpy, which the extra `radar` installs."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from inverse_inr.io.files import FileFormatError, PathLike, nearest_first, reading
from inverse_inr.io.radar.phase_data import PhaseData, ascending, listed
from inverse_inr.ranges import checked

NEEDED = ("TxPos", "RcvPos", "SRPPos", "SC0", "SCSS")
"""Parameters of each vector that the geometry and the frequencies are made of."""
NORMAL = 1
"""The value of SIGNAL of a vector with a normal echo."""


@checked
def read_cphd(
    path: PathLike, channel: int | str | None = None, vectors: slice = slice(None)
) -> PhaseData:
    """Read phase history in the frequency domain (FX) from a CPHD 1.x file.

    Positions are in metres about the scene's reference point: x and y along the image area if it is
    planar, else east and north; z up. The reference path is that of the point to which each vector
    is compensated: `RadarGeometry(d.transmitters, d.receivers, d.sign, d.reference_path)`.

    Vectors that the file flags as bad hold no echo and are left out: SIGNAL other than 1, and a
    parameter that is not finite where it is for other vectors. `notes` lists them. Samples outside
    the saved band FX1 to FX2 are left out too, where the file says one. AmpSF scales each vector.

    Args:
        path: The file.
        channel: The number or the name of the channel; None for that of a file of one channel.
        vectors: The pulses to read; only they are read from disk.

    Returns:
        The phase history.

    Raises:
        FileNotFoundError: There is no such file.
        ImportError: The package sarpy is missing.
        FileFormatError: The file is of another kind or truncated, its data are in the time domain
            or compressed, no vector is good, or its frequencies change from pulse to pulse.
        ValueError: There is no such channel, or there are several and none is chosen, or `vectors`
            selects none.
    """
    with reading(path, "a CPHD file", ()) as file, quiet():
        reader = _cphd_reader(file)
        meta = reader.cphd_meta
        names = [str(c.Identifier) for c in meta.Data.Channels]
        _check_domain(file, meta)
    # a wrong channel or wrong vectors are the caller's slip, not the file's
    name = _channel(path, names, channel)
    with reading(path, "a CPHD file", ()) as file, quiet():
        return _phases(file, reader, name, vectors)


def _phases(file: Path, reader: Any, channel: str, vectors: slice) -> PhaseData:
    """The phase history of one channel."""
    table = reader.read_pvp_array(channel)
    rows = np.arange(len(table))[vectors]
    if not len(rows):
        raise FileFormatError(
            f"{file}: vectors={vectors} selects none of the {len(table)} of channel {channel!r}."
        )
    notes: dict[str, Any] = {}
    good = _good_vectors(table[rows])
    if not good.any():
        raise FileFormatError(
            f"{file}: none of the {len(rows)} vectors of channel {channel!r} holds a normal echo: "
            "each is flagged (SIGNAL other than 1) or lacks a parameter (NaN)."
        )
    if not good.all():
        notes["vectors left out"] = (
            f"{int((~good).sum())} of {len(rows)} (SIGNAL other than 1, or NaN): "
            f"{listed(rows[~good].tolist())}"
        )
    y = np.asarray(reader.read(vectors, slice(None), index=channel, squeeze=False))
    y = y.reshape(len(rows), -1)[good].astype(np.complex64)
    table = table[rows[good]]
    frequencies = _frequencies(file, table["SC0"], table["SCSS"], y.shape[1])
    band = _saved_band(table, frequencies)
    if not band.all():
        if band.sum() < 2:
            raise FileFormatError(
                f"{file}: FX1 and FX2 leave {int(band.sum())} of {len(band)} frequencies."
            )
        notes["frequencies left out"] = (
            f"{int((~band).sum())} of {len(band)} outside the saved band FX1 to FX2"
        )
    y, frequencies = ascending(y[:, band], frequencies[band])
    place = {k: torch.from_numpy(_about(reader.cphd_meta, table[k])) for k in NEEDED[:3]}
    outward = torch.linalg.vector_norm(place["TxPos"] - place["SRPPos"], dim=1)
    back = torch.linalg.vector_norm(place["RcvPos"] - place["SRPPos"], dim=1)
    return PhaseData(
        torch.from_numpy(np.ascontiguousarray(y)),
        torch.from_numpy(frequencies),
        place["TxPos"],
        place["RcvPos"],
        outward + back,
        int(reader.cphd_meta.Global.SGN),
        notes,
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Silence sarpy's announcement that its successor reads CPHD too.

    Yields:
        Nothing.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def _cphd_reader(file: Path) -> Any:
    require_sarpy()
    from sarpy.io.phase_history.cphd import CPHDDetails, CPHDReader

    with file.open("rb") as stream:
        head = stream.read(7)
    if head != b"CPHD/1.":
        raise FileFormatError(
            f"{file}: expected a CPHD 1.x file, it begins with {head!r}, not 'CPHD/1.'."
        )
    details = CPHDDetails(str(file))
    header: Any = details.cphd_header
    start = header.SIGNAL_BLOCK_BYTE_OFFSET
    size = header.SIGNAL_BLOCK_SIZE
    if file.stat().st_size < start + size:  # a memory map would say so late, or not at all
        raise FileFormatError(
            f"{file}: {file.stat().st_size} bytes; "
            f"its header puts {size} bytes of signal at {start}. A truncated copy?"
        )
    return CPHDReader(details)


def _check_domain(file: Path, meta: Any) -> None:
    """Raise FileFormatError unless the signal is uncompressed and in the frequency domain."""
    if str(meta.Global.DomainType).upper() != "FX":
        raise FileFormatError(
            f"{file}: domain {meta.Global.DomainType}; only frequency-domain (FX) data are read."
        )
    if meta.Data.SignalCompressionID is not None:
        raise FileFormatError(
            f"{file}: its signal is compressed ({meta.Data.SignalCompressionID}); only plain "
            "samples are read."
        )


def _channel(path: PathLike, names: list[str], channel: int | str | None) -> str:
    """The name of the chosen channel."""
    if channel is None:
        if len(names) == 1:
            return names[0]
        raise ValueError(
            f"{path}: it has {len(names)} channels; choose one: channel={names[0]!r}. Channels: "
            f"{', '.join(names)}."
        )
    if isinstance(channel, str) and channel in names:
        return channel
    if isinstance(channel, int) and not isinstance(channel, bool) and 0 <= channel < len(names):
        return names[channel]
    shown = ", ".join(nearest_first(str(channel), names))
    raise ValueError(f"{path}: there is no channel {channel!r}; its channels are {shown}.")


def _good_vectors(table: np.ndarray) -> np.ndarray:
    """(P,) true where a vector is flagged as normal and none of its parameters is missing."""
    good = np.ones(len(table), dtype=bool)
    names = table.dtype.names or ()
    if "SIGNAL" in names:
        good &= table["SIGNAL"] == NORMAL
    for name in names:
        values = table[name]
        if values.dtype.kind != "f":
            continue
        known = np.isfinite(values).reshape(len(values), -1).all(1)
        # a parameter that no vector has is not given at all, and only some are needed
        if known.any() or name in NEEDED:
            good &= known
    return good


def _frequencies(file: Path, start: np.ndarray, step: np.ndarray, count: int) -> np.ndarray:
    slack = 1e-3 * abs(float(step[0]))
    if np.ptp(start) > slack or np.ptp(step) * count > slack:
        raise FileFormatError(
            f"{file}: the first frequency changes by {np.ptp(start):.4g} Hz "
            f"and the step by {np.ptp(step):.4g} Hz over the pulses; "
            "one set of frequencies for all is needed. Select vectors, or resample."
        )
    return float(start[0]) + float(step[0]) * np.arange(count, dtype=np.float64)


def _saved_band(table: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    """(K,) true for the frequencies that every vector's transmitted band covers."""
    names = table.dtype.names or ()
    everything = np.ones(len(frequencies), dtype=bool)
    if not {"FX1", "FX2"} <= set(names) or len(frequencies) < 2:
        return everything
    lowest = float(np.max(table["FX1"]))
    highest = float(np.min(table["FX2"]))
    if not lowest < highest:  # zeros, or NaN: the file does not say
        return everything
    half = 0.5 * abs(float(frequencies[1] - frequencies[0]))
    return (frequencies >= lowest - half) & (frequencies <= highest + half)


def _about(meta: Any, positions: np.ndarray) -> np.ndarray:
    """Earth-fixed positions (*s, 3) in the scene's frame: its own axes, else east, north, up."""
    origin, axes = _frame(meta)
    return (positions.astype(np.float64) - origin) @ axes.T


def _frame(meta: Any) -> tuple[np.ndarray, np.ndarray]:
    """The reference point (3,) and the unit axes (3, 3) of the scene, one axis per row."""
    scene = meta.SceneCoordinates
    origin = scene.IARP.ECF.get_array().astype(np.float64)
    planar = getattr(scene.ReferenceSurface, "Planar", None)
    if planar is not None:
        x = planar.uIAX.get_array().astype(np.float64)
        y = planar.uIAY.get_array().astype(np.float64)
    else:
        latitude, longitude = np.deg2rad(scene.IARP.LLH.get_array()[:2].astype(np.float64))
        x = np.array([-np.sin(longitude), np.cos(longitude), 0.0])
        flat = np.array([np.cos(longitude), np.sin(longitude)])
        y = np.array([*(-np.sin(latitude) * flat), np.cos(latitude)])
    return origin, np.stack([x, y, np.cross(x, y)])


def require_sarpy() -> None:
    """Make sure that sarpy is installed.

    Raises:
        ImportError: It is not; the message names the extra.
    """
    import importlib.util

    if importlib.util.find_spec("sarpy") is None:
        raise ImportError(
            "CPHD and SICD files are read by sarpy: pip install 'inverse-inr[radar]'."
        )
