"""The lattice of a DICOM series: slices that are alike, in order and evenly spaced, in mm."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from inverse_inr.domain import Box, Grid
from inverse_inr.io.dicom.headers import DicomSlice
from inverse_inr.io.files import FileFormatError
from inverse_inr.io.inferred import infer

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""From DICOM's patient axes to those of a NIfTI affine, homogeneous."""
UNEVEN = 0.05
"""The largest difference between gaps that are taken as even, as a fraction of a gap."""
COARSEST_ROUNDING = 0.125
"""The largest rounding of positions, as a fraction of a gap, that is told from a missing slice.

A missing slice puts some slice at least 0.16 gaps off the lattice that comes nearest."""


def check_alike(slices: list[DicomSlice], path: Path) -> None:
    """Refuse files of several series, and files whose lattices differ.

    Args:
        slices: The headers.
        path: The file or folder, for the message.

    Raises:
        FileFormatError: They are not slices of one series on one lattice.
    """
    series = Counter(s.series for s in slices)
    if len(series) > 1:
        found = "; ".join(
            f"{n} files of {uid} (such as {next(s.path.name for s in slices if s.series == uid)})"
            for uid, n in series.most_common(5)
        )
        raise FileFormatError(
            f"{path}: expected one series, found {len(series)}: {found}. Give each its own folder."
        )
    first = slices[0]
    for other in slices[1:]:
        for name in ("modality", "shape", "spacing", "orientation"):
            a = getattr(first, name)
            b = getattr(other, name)
            if not _close(a, b):
                raise FileFormatError(
                    f"{path}: the slices of a series must share one {name}; "
                    f"{first.path.name} has {_words(a)} and "
                    f"{other.path.name} {_words(b)}. A localizer among them?"
                )


def _close(a: Any, b: Any) -> bool:
    """Whether two entries of headers agree: words exactly, numbers to 1e-4."""
    if isinstance(a, str):
        return a == b
    if a is None or b is None:
        return a is b
    return np.allclose(a, b, rtol=0, atol=1e-4)


def _words(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.ravel().tolist()
    return value


def in_order(slices: list[DicomSlice], path: Path) -> tuple[list[DicomSlice], np.ndarray | None]:
    """Sort slices by their positions along the normal.

    Args:
        slices: The headers, of one series.
        path: The file or folder.

    Returns:
        The slices in order, and the step (3,) in mm from one to the next, None if it is unknown.

    Raises:
        FileFormatError: Positions are missing, or the slices are not evenly spaced along their
            normal.
    """
    first = slices[0]
    if len(slices) == 1:
        return slices, _lone_step(first, path)
    lost = [s.path.name for s in slices if s.position is None or s.orientation is None]
    if lost:
        raise FileFormatError(
            f"{path}: expected ImagePositionPatient and ImageOrientationPatient, "
            f"none in {lost[:5]}."
        )
    normal = _normal(first)
    slices = sorted(slices, key=lambda s: float(np.vdot(normal, np.asarray(s.position))))
    return slices, _step(slices, normal, path)


def _lone_step(only: DicomSlice, path: Path) -> np.ndarray | None:
    """The thickness of the only slice as a vector (3,) in mm; None if its orientation is unknown.

    A file read by itself may be without thickness and counts as 1 mm thick.
    """
    if path.is_dir() and not only.thickness:
        raise FileFormatError(
            f"{path}: expected a SliceThickness for the only slice, found none. "
            "Read the file itself?"
        )
    if only.orientation is None:
        return None
    return _normal(only) * (only.thickness or 1.0)


def _step(slices: list[DicomSlice], normal: np.ndarray, path: Path) -> np.ndarray:
    """The vector (3,) in mm from each slice to the next, all alike and along the normal."""
    positions = np.array([s.position for s in slices])
    heights = positions @ normal
    gaps = np.diff(heights)
    number = np.arange(len(slices)) - 0.5 * (len(slices) - 1)
    step = number @ (positions - positions.mean(0)) / (number @ number)
    gap = float(step @ normal)
    off = _least_deviation(heights)
    rounding = _rounding(slices)
    blur = float(np.abs(normal) @ rounding)
    rounded = off <= 1.01 * blur + 1e-9 and blur <= COARSEST_ROUNDING * gap
    even = np.ptp(gaps) <= UNEVEN * gaps.mean()
    if gaps.min() <= 0 or not (even or rounded):
        _refuse_uneven(slices, gaps, path)
    if rounded and not even:
        infer(
            path,
            f"slice positions are written to {2 * blur:.2g} mm and lie up to {off:.2g} mm off a "
            f"lattice of {gap:.6g} mm, which is taken.",
        )
    tilt = float(np.linalg.norm(step - normal * gap))
    slack = 2 * float(np.linalg.norm(rounding)) / (len(slices) - 1)
    if tilt > 0.01 * np.linalg.norm(step) + slack:
        raise FileFormatError(
            f"{path}: expected slices stacked along their normal {normal.tolist()}, "
            f"found steps of {step.tolist()} mm. A tilted gantry?"
        )
    return step


def _least_deviation(heights: np.ndarray) -> float:
    """The largest deviation from the evenly spaced heights that come nearest to the given ones."""
    number = np.arange(len(heights))
    low, high = float(np.diff(heights).min()), float(np.diff(heights).max())
    for _ in range(60):  # convex in the spacing
        third = (high - low) / 3
        if np.ptp(heights - (low + third) * number) < np.ptp(heights - (high - third) * number):
            high -= third
        else:
            low += third
    return 0.5 * float(np.ptp(heights - 0.5 * (low + high) * number))


def _rounding(slices: list[DicomSlice]) -> np.ndarray:
    """Half a unit of the last decimal of positions (3,) in mm: the finest that a slice has."""
    found = [s.rounding for s in slices if s.rounding is not None]
    return np.min(found, axis=0) if found else np.zeros(3)


def _refuse_uneven(slices: list[DicomSlice], gaps: np.ndarray, path: Path) -> NoReturn:
    """Say which slices are not evenly spaced: one that is missing, or several at one place."""
    same = int((np.abs(gaps) < 1e-3 * max(np.abs(gaps).max(), 1e-9)).sum())
    places = len(slices) - same
    if same and len(slices) % places == 0:
        varied = [
            f"{key} ({', '.join(sorted(values)[:4])})"
            for key in slices[0].labels
            if len(values := {s.labels.get(key, "none") for s in slices}) > 1
        ]
        told = f" They differ in {'; '.join(varied)}." if varied else ""
        raise FileFormatError(
            f"{path}: expected one slice at each place, found {len(slices) // places} at each of "
            f"{places}: a repeated slice, dynamics or echoes.{told} "
            "Give those that belong together their own folder."
        )
    k = int(np.abs(gaps - np.median(gaps)).argmax())
    raise FileFormatError(
        f"{path}: expected evenly spaced slices, "
        f"found gaps of {gaps.min():g} to {gaps.max():g} mm, the odd one "
        f"between {_name(slices[k])} and {_name(slices[k + 1])}. "
        "A missing or repeated slice?"
    )


def _name(only: DicomSlice) -> str:
    return only.path.name if not only.frame else f"{only.path.name} (frame {only.frame})"


def _normal(first: DicomSlice) -> np.ndarray:
    assert first.orientation is not None
    return np.cross(*first.orientation)


def lattice(slices: list[DicomSlice], step: np.ndarray | None, flat: bool) -> Grid:
    """Make the grid of a series, which begins at 0, in mm.

    Args:
        slices: The headers, in order.
        step: (3,) from one slice to the next, in mm; None if it is unknown.
        flat: Make a 2-D grid of the only slice.

    Returns:
        The grid, with the affine to RAS world mm if the pose is known.
    """
    first = slices[0]
    shape: tuple[int, ...] = first.shape
    spacing: tuple[float, ...] = first.spacing
    if not flat:
        depth = first.thickness if step is None else float(np.linalg.norm(step))
        shape = (*first.shape, len(slices))
        spacing = (*first.spacing, depth or 1.0)
    upper = tuple(n * h for n, h in zip(shape, spacing, strict=True))
    grid = Grid(Box((0.0,) * len(shape), upper, ("mm",) * len(shape)), shape)
    if step is None or first.position is None or first.orientation is None:
        return grid
    affine = np.eye(4)
    # axis 0 is the row index, which grows along the direction of a column: the second of DICOM's
    # pair
    down = first.orientation[1] * first.spacing[0]
    across = first.orientation[0] * first.spacing[1]
    # rounding cancels best in the middle
    middle = np.mean([s.position for s in slices if s.position is not None], axis=0)
    origin = middle - 0.5 * (len(slices) - 1) * step
    affine[:3] = np.stack([down, across, step, origin], 1)
    return grid.with_affine((LPS_TO_RAS @ affine).tolist())
