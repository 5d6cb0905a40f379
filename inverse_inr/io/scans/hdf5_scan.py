"""Scans in HDF5: projections, flat and dark fields and angles, wherever the layout has them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from inverse_inr.io.files import FileFormatError, PathLike
from inverse_inr.io.hdf5 import dataset_names, numeric_dataset, open_hdf5
from inverse_inr.io.scans.angles import to_radians
from inverse_inr.io.scans.frames import (
    Frames,
    averaged,
    between,
    clipped_at,
    photon_transfer_gain,
)
from inverse_inr.io.scans.layouts import DARK, FLAT, PARTS, PROJECTION, find_layout
from inverse_inr.io.scans.record import Scan, row_slice
from inverse_inr.memory import require
from inverse_inr.registry import nearest


def read_hdf5_scan(
    path: PathLike,
    rows: int | slice | None,
    names: Mapping[str, str | None],
    angle_unit: str | None,
    own_angles: bool,
) -> Scan:
    """Read a scan from an HDF5 file.

    Args:
        path: The file.
        rows: The detector rows; only they are read from disk. A single one keeps its axis.
        names: Datasets by part (`layouts.PARTS`) where they are not those of a known layout; None
            or "" for a part that is absent.
        angle_unit: The unit of the angles, above what the file says; None for the file's.
        own_angles: Whether the caller has angles, so that the file's are not read.

    Returns:
        The scan.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: No projections are found, or two datasets disagree.
        ValueError: There are no such rows, or `names` names no part of a scan.
    """
    for part in names:
        if part not in PARTS:
            raise ValueError(f"names: {part!r} is no part of a scan. {nearest(part, PARTS)}")
    notes: dict[str, str] = {}
    with open_hdf5(path) as file:
        layout, found = find_layout(file, names)
        notes["layout"] = _described(layout, found)
        data = _projections(file, found["data"])
        keys = _image_keys(file, found["image_key"], data)
        count = data.shape[1]
        angles = None
        if found["theta"] and not own_angles:
            theta = numeric_dataset(file, found["theta"])
            angles = to_radians(
                _one_angle_a_view(theta, data, keys),
                angle_unit or _unit(theta),
                f"{path}: {found['theta']}",
                notes,
                given=angle_unit is not None,
            )
    # the file is closed: wrong `rows` are the caller's slip, not the file's
    selection = row_slice(rows, count, path)
    with open_hdf5(path) as file:
        data = file[found["data"]]
        ceiling = math.inf
        if data.dtype.kind in "iu":
            ceiling = float(np.iinfo(data.dtype).max)
        picked = len(range(*selection.indices(count)))
        require(
            f"{path}: {picked} of {count} detector rows of {len(data)} views",
            float(len(data)) * picked * data.shape[2] * (data.dtype.itemsize + 4),
            "rows= reads some of them.",
        )
        stack = np.asarray(data[:, selection])
        groups, dark = _fields(file, found, stack, keys, selection, data.shape)
        if keys is not None:
            stack = stack[keys == PROJECTION]
    white = None
    gain = None
    if groups:
        white = between(groups, _times(keys, len(stack)))
        gain = torch.from_numpy(photon_transfer_gain([g for _, g in groups], dark))
        _note_frames(groups, dark, notes)
    else:
        notes["flat field"] = "none in the file"
    full = clipped_at(stack)
    if full < ceiling:
        ceiling = full
        notes["saturation"] = f"taken to be at {full:.0f}, where values pile up"
    if dark is None:
        notes["dark field"] = "none in the file: taken as 0"
    return Scan(
        torch.from_numpy(np.array(stack, dtype=np.float32)),
        None if white is None else torch.from_numpy(white.astype(np.float32)),
        torch.from_numpy((np.zeros(stack.shape[1:]) if dark is None else dark.mean).astype("f4")),
        angles,
        gain,
        ceiling,
        notes,
    )


def _described(layout: str, found: Mapping[str, str | None]) -> str:
    parts = ", ".join(f"{part} {name}" for part, name in found.items() if name)
    return f"{layout or 'named by the caller'} ({parts})"


def _projections(file: Any, name: str | None) -> Any:
    if name is None:
        listed = ", ".join(dataset_names(file)[:20]) or "none"
        raise FileFormatError(
            f"{file.filename}: no projections of a known layout (DXchange's exchange/data, NXtomo, "
            f"plain names). Name them: names=dict(data=...). Datasets: {listed}."
        )
    data = numeric_dataset(file, name)
    if data.ndim != 3 or 0 in data.shape:
        slip = " A single sinogram is read by ct_sinogram." if data.ndim == 2 else ""
        raise FileFormatError(
            f"{file.filename}: expected {name} of (views, rows, columns), found shape "
            f"{data.shape}.{slip}"
        )
    if data.dtype.kind == "c":
        raise FileFormatError(f"{file.filename}: expected real counts in {name}, found complex.")
    return data


def _image_keys(file: Any, name: str | None, data: Any) -> np.ndarray | None:
    if name is None:
        return None
    keys = np.asarray(numeric_dataset(file, name)[()]).reshape(-1).astype(int)
    if len(keys) != len(data):
        raise FileFormatError(
            f"{file.filename}: {name} has {len(keys)} keys and {data.name[1:]} {len(data)} frames."
        )
    if not (keys == PROJECTION).any():
        raise FileFormatError(
            f"{file.filename}: {name} marks no frame as a projection (0); keys found: "
            f"{sorted(set(keys.tolist()))}."
        )
    return keys


def _one_angle_a_view(theta: Any, data: Any, keys: np.ndarray | None) -> np.ndarray:
    """The angles of the projections, or an error that names both numbers and the likely slip."""
    angles = np.asarray(theta[()], dtype=np.float64).reshape(-1)
    views = len(data)
    if keys is not None:
        views = int((keys == PROJECTION).sum())
        if len(angles) == len(keys):
            return angles[keys == PROJECTION]
    if len(angles) == views:
        return angles
    slip = "A scan that was stopped, or angles of another one?"
    if keys is None and len(angles) < views:
        slip = (
            "Flat or dark fields left among the projections (NXtomo marks them by an image_key: "
            "names=dict(image_key=...)), or a scan that was stopped?"
        )
    if len(angles) in data.shape[1:]:
        axis = data.shape.index(len(angles))
        slip = f"Sinograms first, (rows, views, columns)? The angles fit axis {axis}."
    raise FileFormatError(
        f"{theta.file.filename}: {theta.name[1:]} has {len(angles)} angles and {data.name[1:]} "
        f"{views} projections (shape {data.shape}). {slip}"
    )


def _unit(theta: Any) -> str | None:
    for key in ("units", "unit"):
        units = theta.attrs.get(key)
        if isinstance(units, np.ndarray):  # some writers store a one-element array
            units = units.reshape(-1)[0] if units.size else None
        if isinstance(units, bytes):
            units = units.decode(errors="replace")
        if units is not None:
            return str(units)
    return None


def _fields(
    file: Any,
    found: Mapping[str, str | None],
    stack: np.ndarray,
    keys: np.ndarray | None,
    rows: slice,
    shape: tuple[int, ...],
) -> tuple[list[tuple[float, Frames]], Frames | None]:
    """Groups of flat fields with their times, and the dark field."""
    if keys is not None and found["white"] is None:
        flats = _runs(np.flatnonzero(keys == FLAT))
        groups = [(float(run.mean()), averaged(stack[run])) for run in flats]
    else:
        names = [found["white"], found["white_after"]]
        groups = [
            (math.inf if k else -math.inf, averaged(_stack(file, name, rows, shape)))
            for k, name in enumerate(names)
            if name
        ]
        if len(groups) == 2:
            groups = [(0.0, groups[0][1]), (1.0, groups[1][1])]
    dark = None
    if found["dark"]:
        dark = averaged(_stack(file, found["dark"], rows, shape))
    elif keys is not None and (keys == DARK).any():
        dark = averaged(stack[keys == DARK])
    return groups, dark


def _stack(file: Any, name: str, rows: slice, shape: tuple[int, ...]) -> np.ndarray:
    """Frames (n, rows, columns) of a dataset; a single frame may have no axis of frames."""
    data = numeric_dataset(file, name)
    if data.shape == tuple(shape[1:]):
        return np.asarray(data[rows])[None]
    if data.ndim != 3 or data.shape[1:] != tuple(shape[1:]) or not data.shape[0]:
        raise FileFormatError(
            f"{file.filename}: {name} has shape {data.shape} and the projections {shape}; "
            "expected (frames, rows, columns) with the same rows and columns. "
            "Cropped or binned differently?"
        )
    picked = len(range(*rows.indices(data.shape[1])))
    numbers = float(data.shape[0]) * picked * data.shape[2]
    require(f"{file.filename}: {name} of shape {data.shape}", 8 * numbers)
    return np.asarray(data[:, rows])


def _runs(index: np.ndarray) -> list[np.ndarray]:
    """Split frame numbers where others lie between them."""
    if not len(index):
        return []
    return np.split(index, np.flatnonzero(np.diff(index) > 1) + 1)


def _times(keys: np.ndarray | None, views: int) -> np.ndarray:
    """Times of the projections, in the unit of the groups' times."""
    if keys is None:
        return np.linspace(0, 1, views)
    return np.flatnonzero(keys == PROJECTION).astype(np.float64)


def _note_frames(
    groups: list[tuple[float, Frames]], dark: Frames | None, notes: dict[str, str]
) -> None:
    if len(groups) > 1:
        notes["flat field"] = f"{len(groups)} groups, interpolated in time between them"
    frames = [g for _, g in groups] + ([dark] if dark is not None else [])
    rejected = sum(f.rejected for f in frames)
    if rejected:
        notes["outliers in flat and dark fields"] = f"{rejected} values left out of their means"
