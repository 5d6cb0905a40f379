"""The scan of a file or folder, whatever its format and layout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from inverse_inr.io.files import FileFormatError, PathLike
from inverse_inr.io.scans.angles import (
    AngleUnit,
    Span,
    check_span,
    even_angles,
    read_angles,
    to_radians,
)
from inverse_inr.io.scans.frames import Frames, averaged, photon_transfer_gain
from inverse_inr.io.scans.hdf5_scan import read_hdf5_scan
from inverse_inr.io.scans.layouts import DXCHANGE
from inverse_inr.io.scans.record import Scan
from inverse_inr.io.scans.tiff_frames import is_tiff, read_tiff_stack
from inverse_inr.ranges import checked


@checked
def read_scan(
    path: PathLike,
    *,
    rows: int | slice | None = None,
    names: Mapping[str, str | None] | None = None,
    white: PathLike | None = None,
    dark: PathLike | None = None,
    angles: PathLike | Tensor | None = None,
    angle_unit: AngleUnit | None = None,
    span: Span | None = None,
) -> Scan:
    """Read a scan: HDF5 in DXchange, NXtomo or plain names, or TIFF projections.

    Args:
        path: An HDF5 file, or a TIFF file, a folder of them, or a pattern such as "p_*.tif".
        rows: The detector rows to read; only they are read from disk, and a single one keeps its
            axis. All by default.
        names: For HDF5, the datasets that are not where a layout has them, by part: data, white,
            white_after, dark, theta, image_key. None or "" for a part that is absent.
        white: Frames without object as TIFF, in place of those of the file.
        dark: Frames without beam as TIFF, in place of those of the file.
        angles: (views,) angles, or a text or .npy file of them, in place of those of the file.
            A tensor is in radians unless `angle_unit` says degrees.
        angle_unit: "degrees" or "radians", above what the file says. None for the file's unit, or
            for the one that the span tells.
        span: Degrees from the first to the last view, evenly spaced, in place of all angles.
            Negative for a scanner that turns backwards.

    Returns:
        The scan; its angles are None where nothing gives any.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: A part is missing, or two disagree.
        ValueError: There are no such rows, or `angles` and `span` are both given.
    """
    if angles is not None and span is not None:
        raise ValueError("angles= and span= both say where the views lie: give one of them.")
    check_span(span, angle_unit)
    own = angles is not None or span is not None
    if is_tiff(path):
        if names:
            raise ValueError(f"names= are datasets of HDF5, and {path} is TIFF: white=, dark=.")
        scan = _tiff_scan(path, rows)
    else:
        scan = read_hdf5_scan(path, rows, names or {}, angle_unit, own)
    if white is not None or dark is not None:
        scan = _with_frames(scan, white, dark, rows)
    if span is not None:
        _check_no_gaps(scan, path)
        scan = scan._replace(angles=even_angles(len(scan.counts), span))
    elif angles is not None:
        notes = dict(scan.notes)
        given = _given_angles(angles, angle_unit, notes)
        if len(given) != len(scan.counts):
            raise ValueError(
                f"{path}: angles= gives {len(given)} angles, and the scan has {len(scan.counts)} "
                "projections. Flat fields among the projections, or a repeated last view?"
            )
        scan = scan._replace(angles=given, notes=notes)
    return scan


@checked
def read_dxchange(path: PathLike, *, rows: int | slice | None = None) -> Scan:
    """Read a scan from exchange/data, data_white, data_dark and theta, all of which must be there.

    The angles are in the unit that the attribute `units` of theta names; see `read_scan` for a
    file without.

    Args:
        path: The file.
        rows: The detector rows to read; only they are read from disk, and a single one keeps its
            axis. All by default.

    Returns:
        The scan.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: A dataset is missing, or two disagree.
        ValueError: There are no such rows.

    Source:
        De Carlo et al., "Scientific data exchange", J. Synchrotron Rad. 21 (2014) 1224.
    """
    parts = ("data", "white", "dark", "theta")
    return read_scan(path, rows=rows, names={part: getattr(DXCHANGE, part)[0] for part in parts})


def _given_angles(
    angles: PathLike | Tensor, unit: AngleUnit | None, notes: dict[str, str]
) -> Tensor:
    if isinstance(angles, Tensor):
        values = angles.detach().cpu().double().numpy()
        return to_radians(values, unit or "radians", "angles=", notes, given=True)
    return to_radians(read_angles(angles), unit, str(angles), notes, given=unit is not None)


def _tiff_scan(path: PathLike, rows: int | slice | None) -> Scan:
    stack = read_tiff_stack(path, rows)
    notes = {
        "layout": f"TIFF, {len(stack.frames)} pages",
        "flat field": "none in the file",
        "dark field": "none in the file: taken as 0",
        **stack.notes,
    }
    counts = torch.from_numpy(stack.frames.astype(np.float32))
    nothing = torch.zeros_like(counts[0])
    return Scan(counts, None, nothing, None, None, stack.ceiling, notes)


def _with_frames(
    scan: Scan, white: PathLike | None, dark: PathLike | None, rows: int | slice | None
) -> Scan:
    notes = dict(scan.notes)
    frames: dict[str, Frames] = {}
    for name, path in (("white", white), ("dark", dark)):
        if path is None:
            continue
        if not is_tiff(path):
            raise ValueError(f"{name}={path}: expected a TIFF file or a folder of them.")
        stack = read_tiff_stack(path, rows).frames
        if stack.shape[1:] != tuple(scan.counts.shape[1:]):
            raise FileFormatError(
                f"{name}={path} has frames of {stack.shape[1:]} and the projections "
                f"{tuple(scan.counts.shape[1:])} (rows, columns). Cropped or binned differently?"
            )
        frames[name] = averaged(stack)
        notes[{"white": "flat field", "dark": "dark field"}[name]] = (
            f"{len(stack)} frames of {Path(path).name}"
        )
    if "dark" in frames:
        scan = scan._replace(dark=torch.from_numpy(frames["dark"].mean.astype(np.float32)))
    if "white" in frames:
        gain = photon_transfer_gain([frames["white"]], frames.get("dark"))
        mean = torch.from_numpy(frames["white"].mean.astype(np.float32))
        scan = scan._replace(white=mean, gain=torch.from_numpy(gain))
    return scan._replace(notes=notes)


def _check_no_gaps(scan: Scan, path: PathLike) -> None:
    if "missing frames" in scan.notes:
        raise FileFormatError(
            f"{path}: {scan.notes['missing frames']}; span= would give the views after it wrong "
            "angles. Give angles= for the files that are there."
        )
