"""CPHD phase history and SICD images (NGA standards) through sarpy.

sarpy is an optional dependency, of the extra `radar`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inverse_inr.domain import Box, Grid
from inverse_inr.io.files import FileFormatError, PathLike, reading
from inverse_inr.io.radar import PhaseData


def read_cphd(path: PathLike, channel: int | str = 0, vectors: slice = slice(None)) -> PhaseData:
    """Read phase history in the frequency domain (FX) from a CPHD 1.x file.

    Positions are in metres about the scene's reference point: x and y along the image area if it is
    planar, else east and north; z up. The reference path is that of the point to which each vector
    is compensated: `RadarGeometry(d.transmitters, d.receivers, d.sign, d.reference_path)`.

    Args:
        path: The file.
        channel: The number or the name of the channel.
        vectors: The pulses to read; only they are read from disk.

    Returns:
        The phase history.

    Raises:
        FileNotFoundError: There is no such file.
        ImportError: The package sarpy is missing.
        FileFormatError: The file is of another kind or truncated, its data are in the time domain,
            or its frequencies change from pulse to pulse.
    """
    with reading(path, "a CPHD file", ()) as file, quiet():
        reader = _cphd_reader(file)
        meta = reader.cphd_meta
        if str(meta.Global.DomainType).upper() != "FX":
            raise FileFormatError(
                f"{file}: domain {meta.Global.DomainType}; "
                "only frequency-domain (FX) data are read."
            )
        keys = ("TxPos", "RcvPos", "SRPPos", "SC0", "SCSS")
        parts = {k: np.asarray(reader.read_pvp_variable(k, channel))[vectors] for k in keys}
        y = np.asarray(reader.read(vectors, slice(None), index=channel, squeeze=False))
        y = y.reshape(len(parts["SC0"]), -1).astype(np.complex64)
        frequencies = _frequencies(file, parts, y.shape[1])
        place = {k: torch.from_numpy(_about(meta, parts[k])) for k in keys[:3]}
        outward = torch.linalg.vector_norm(place["TxPos"] - place["SRPPos"], dim=1)
        back = torch.linalg.vector_norm(place["RcvPos"] - place["SRPPos"], dim=1)
        return PhaseData(
            torch.from_numpy(y),
            frequencies,
            place["TxPos"],
            place["RcvPos"],
            outward + back,
            int(meta.Global.SGN),
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
    _require_sarpy()
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


def _frequencies(file: Path, parts: dict[str, np.ndarray], count: int) -> Tensor:
    start = parts["SC0"]
    step = parts["SCSS"]
    slack = 1e-3 * abs(float(step[0]))
    if np.ptp(start) > slack or np.ptp(step) * count > slack:
        raise FileFormatError(
            f"{file}: the first frequency changes by {np.ptp(start):.4g} Hz "
            f"and the step by {np.ptp(step):.4g} Hz over the pulses; "
            "one set of frequencies for all is needed. Select vectors, or resample."
        )
    return torch.from_numpy(float(start[0]) + float(step[0]) * np.arange(count, dtype=np.float64))


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


def read_sicd(path: PathLike) -> tuple[Tensor, Grid]:
    """Read a complex image in the slant plane.

    Args:
        path: The file.

    Returns:
        Values (rows away from the radar, columns along track, 1) complex64, and a grid in metres.

    Raises:
        FileNotFoundError: There is no such file.
        ImportError: The package sarpy is missing.
        FileFormatError: The file is of another kind or truncated.
    """
    with reading(path, "a SICD file (NITF)", ()) as file, quiet():
        _require_sarpy()
        from sarpy.io.complex.sicd import SICDReader

        with file.open("rb") as stream:
            head = stream.read(354)
        if not head.startswith(b"NITF02.10") or not head[342:].isdigit():
            raise FileFormatError(
                f"{file}: expected a SICD file; it does not begin as a NITF 2.1 file."
            )
        if file.stat().st_size < int(head[342:]):  # the field FL, the file's length
            raise FileFormatError(
                f"{file}: a SICD file of {int(head[342:])} bytes by its header; "
                f"it has {file.stat().st_size}. A truncated copy?"
            )
        reader = SICDReader(str(file))
        meta: Any = reader.sicd_meta
        image = np.ascontiguousarray(reader[:, :]).astype(np.complex64)
        values = torch.from_numpy(image)[..., None]
        steps = (float(meta.Grid.Row.SS), float(meta.Grid.Col.SS))
        first = (float(meta.ImageData.SCPPixel.Row), float(meta.ImageData.SCPPixel.Col))
        lower = tuple(-(k + 0.5) * h for k, h in zip(first, steps, strict=True))
        upper = tuple(a + n * h for a, n, h in zip(lower, values.shape, steps, strict=False))
        return values, Grid(Box(lower, upper, ("m", "m")), tuple(values.shape[:2]))


def _require_sarpy() -> None:
    import importlib.util

    if importlib.util.find_spec("sarpy") is None:
        raise ImportError(
            "CPHD and SICD files are read by sarpy: pip install 'inverse-inr[radar]'."
        )
