"""K-space in NumPy arrays, whose axes nobody names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from inverse_inr.io.files import FileFormatError, PathLike, SelectionError, reading
from inverse_inr.io.kspace.acquisitions import COUNTERS, OTHER_COUNTERS
from inverse_inr.io.kspace.raw import RawKSpace, checked_values, choice_note, picked

EXPECTED = "k-space: .npy (coils, *shape), fastMRI or ISMRMRD HDF5"
"""The kind of file that is read, for messages."""
SPACE: tuple[str, ...] = ("x", "y", "z")
"""Names of the axes of the image; x is the readout."""
CHOSEN = tuple(name for name in (*COUNTERS, *OTHER_COUNTERS) if name != "encoding_space")
"""Names of axes of which one entry is taken (of averages: the mean, unless one is named)."""


def read_array(
    path: PathLike,
    wanted: Mapping[str, int | None],
    coil_axis: int | None,
    axes: str | Sequence[str] | None,
) -> RawKSpace:
    """Read a .npy array.

    Two axes are an image of one coil, three are (coil, x, y) unless the first is an axis of
    k-space. Four may be slices of coils or coils of a volume, and are refused unless a keyword or
    the values tell.

    Args:
        path: The file.
        wanted: The wanted slice, contrast, ... by name.
        coil_axis: The axis of the coils; all others are space.
        axes: Names of all axes, in order: "coil", "x", "y", "z", and of the counters.

    Returns:
        The k-space.

    Raises:
        FileFormatError: The array is no k-space, or its axes are unclear.
        SelectionError: There is no such axis or entry.
    """
    with reading(path, EXPECTED, ("npy",)) as file:
        # a map of the file does not allocate what a damaged header claims
        found = np.load(file, mmap_mode="r", allow_pickle=False)
    return of_array(path, found, wanted, coil_axis, axes)


def of_array(
    path: PathLike,
    found: np.ndarray,
    wanted: Mapping[str, int | None],
    coil_axis: int | None,
    axes: str | Sequence[str] | None,
) -> RawKSpace:
    """Take one image out of an array, as in `read_array`.

    Args:
        path: The file, for messages.
        found: The array.
        wanted: As in `read_array`.
        coil_axis: As in `read_array`.
        axes: As in `read_array`.

    Returns:
        The k-space.

    Raises:
        FileFormatError: The array is no k-space, or its axes are unclear.
        SelectionError: There is no such axis or entry.
    """
    if found.dtype.names == ("real", "imag"):
        found = found["real"] + 1j * found["imag"]
    if found.dtype.kind != "c":
        raise FileFormatError(
            f"{path}: expected complex k-space, found {found.dtype}. Magnitude images?"
        )
    if found.ndim < 2 or 0 in found.shape:
        raise FileFormatError(
            f"{path}: expected (coils, *shape) with 2 or 3 axes of space, found {found.shape}."
        )
    notes: dict[str, str] = {}
    names = _names(path, found, wanted, coil_axis, axes, notes)
    values = _one_image(path, found, names, wanted, notes)
    return _checked(path, values, notes)


def _names(
    path: PathLike,
    found: np.ndarray,
    wanted: Mapping[str, int | None],
    coil_axis: int | None,
    axes: str | Sequence[str] | None,
    notes: dict[str, str],
) -> list[str]:
    """A name for each axis."""
    d = found.ndim
    if axes is not None:
        if coil_axis is not None:
            raise SelectionError(f"{path}: coil_axis={coil_axis} and axes={axes!r}: give one.")
        return _given_names(path, found.shape, axes)
    if coil_axis is not None and not -d <= coil_axis < d:
        raise SelectionError(f"{path}: coil_axis={coil_axis}, but the array has {d} axes.")
    if wanted.get("slice") is not None:
        return _with_slices(path, found.shape, coil_axis)
    if coil_axis is not None:
        names = list(SPACE[: d - 1])
        names.insert(coil_axis % d, "coil")
        return names
    if d == 2:
        return ["x", "y"]
    if d == 3:
        if min(found.shape[1:]) >= found.shape[0] and _is_frequency(found, 0):
            raise FileFormatError(
                f"{path}: axis 0 of {found.shape} is no axis of coils: its energy is concentrated "
                'at its middle. Pass coil_axis=1 or 2, or axes="x y z" for a volume of one coil.'
            )
        return ["coil", "x", "y"]
    if d == 4 and _is_frequency(found, 1):
        notes["axes"] = "coil x y z: the energy along axis 1 is concentrated at its middle"
        return ["coil", "x", "y", "z"]
    a, b, *rest = found.shape
    raise FileFormatError(
        f"{path}: the axes of {found.shape} are unclear: {a} slices of {b} coils of images "
        f"{tuple(rest)}, or {a} coils of a volume {(b, *rest)}? Pass slice=... (slices first, then "
        'coils), coil_axis=0 (a volume), or name all: axes="slice coil x y".'
    )


def _given_names(path: PathLike, shape: tuple[int, ...], axes: str | Sequence[str]) -> list[str]:
    names = axes.replace(",", " ").split() if isinstance(axes, str) else list(axes)
    allowed = ("coil", *SPACE, *CHOSEN)
    unknown = [name for name in names if name not in allowed]
    if unknown or len(names) != len(shape) or len(set(names)) < len(names):
        raise SelectionError(
            f"{path}: axes={axes!r} must name the {len(shape)} axes of {shape}, each by another of "
            f"{', '.join(allowed)}."
        )
    space = [name for name in names if name in SPACE]
    if sorted(space) not in (list(SPACE[:2]), list(SPACE)):
        raise SelectionError(f"{path}: axes={axes!r} must have x and y, and may have z.")
    return names


def _with_slices(path: PathLike, shape: tuple[int, ...], coil_axis: int | None) -> list[str]:
    """Names where a slice is asked for: slices come before coils, coils before space."""
    d = len(shape)
    if d not in (3, 4):
        raise SelectionError(
            f"{path}: slice=... of an array {shape}; expected (slices, coils, x, y)."
        )
    if coil_axis is None:
        return ["slice", "coil", "x", "y"] if d == 4 else ["slice", "x", "y"]
    names = ["slice", "x", "y"][: d - 1] if d == 4 else ["x", "y"]
    if d == 3:
        raise SelectionError(
            f"{path}: slice=... with coil_axis={coil_axis} of an array {shape}, which has no "
            "axis left for slices."
        )
    names.insert(coil_axis % d, "coil")
    return names


def _one_image(
    path: PathLike,
    found: np.ndarray,
    names: list[str],
    wanted: Mapping[str, int | None],
    notes: dict[str, str],
) -> np.ndarray:
    """(coils, x, y[, z]): one entry of every axis that is chosen from."""
    for name, value in wanted.items():
        if value is not None and name not in names:
            raise SelectionError(
                f'{path}: {name}={value}, but no axis is called {name}. Pass axes="{name} ...".'
            )
    names = list(names)
    values = found
    for name in CHOSEN:
        if name not in names:
            continue
        axis = names.index(name)
        entries = list(range(values.shape[axis]))
        if name == "average" and wanted.get(name) is None:
            values = values.mean(axis)
            notes[name] = f"the mean of {len(entries)}"
        else:
            number = picked(path, name, wanted.get(name), entries)
            values = values.take(number, axis)
            if len(entries) > 1:
                notes[name] = choice_note(name, number, entries, wanted.get(name))
        names.pop(axis)
    if "coil" not in names:
        values = values[None]
        names.insert(0, "coil")
    order = [names.index(name) for name in ("coil", *SPACE) if name in names]
    return values.transpose(order)


def _checked(path: PathLike, values: np.ndarray, notes: dict[str, str]) -> RawKSpace:
    if values.ndim not in (3, 4):
        raise FileFormatError(
            f"{path}: expected (coils, *shape) with 2 or 3 axes of space, found {values.shape}."
        )
    coils, *shape = values.shape
    if len(shape) == 2 and min(shape) < coils:
        axis = int(np.argmin(shape)) + 1
        raise FileFormatError(
            f"{path}: shape {values.shape} would be {coils} coils of images {tuple(shape)}. "
            f"Is the coil axis in another place? Pass coil_axis={axis}."
        )
    raw = torch.from_numpy(np.array(values, dtype=np.complex64, order="C"))
    checked_values(path, raw)
    return RawKSpace(raw, (raw != 0).any(0), None, notes=notes)


def _is_frequency(values: np.ndarray, axis: int) -> bool:
    """Whether an axis is one of k-space: long, its energy at the middle and little at both ends."""
    n = values.shape[axis]
    if n < 16:
        return False
    others = tuple(a for a in range(values.ndim) if a != axis)
    energy = (np.abs(values) ** 2).sum(others)
    ends = np.concatenate([energy[: n // 8], energy[-(n // 8) :]]).max()
    return abs(int(energy.argmax()) - n // 2) <= 1 and bool(ends < 0.1 * energy.max())
