"""HDF5: synchrotron scans in the DXchange layout, and plain datasets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from inverse_inr.io.files import FileFormatError, PathLike, atomic_write, nearest_first, reading

DATA, WHITE, DARK, THETA = (
    "exchange/data",
    "exchange/data_white",
    "exchange/data_dark",
    "exchange/theta",
)


class Scan(NamedTuple):
    """A parallel-beam scan as measured: detector counts, and the frames that turn them into transmissions."""

    counts: Tensor
    """(views, rows, columns) float32."""
    white: Tensor
    """(rows, columns) float32: mean of the frames without object."""
    dark: Tensor
    """(rows, columns) float32: mean of the frames without beam."""
    angles: Tensor
    """(views,) float64, radians."""


def read_dxchange(path: PathLike, *, rows: int | slice | None = None) -> Scan:
    """A scan from exchange/data, data_white, data_dark and theta (degrees unless its `units` attribute says radians).

    `rows` selects detector rows: only they are read from disk, and a single one keeps its axis.
    Layout: De Carlo et al., "Scientific data exchange", J. Synchrotron Rad. 21 (2014) 1224.
    Raises FileNotFoundError, FileFormatError (a dataset is missing, two disagree), ValueError for rows not there.
    """
    with _opened(path) as file:
        data, theta = _dataset(file, DATA), _dataset(file, THETA)
        _check_shapes(data, theta, [_dataset(file, WHITE), _dataset(file, DARK)])
        angles, count = _radians(theta), data.shape[1]
    selection = _row_slice(
        rows, count, path
    )  # the file is closed: a wrong `rows` is the caller's slip
    with _opened(path) as file:
        counts = np.array(file[DATA][:, selection], dtype=np.float32)
        white, dark = (
            file[name][:, selection].mean(0, dtype=np.float64).astype(np.float32)
            for name in (WHITE, DARK)
        )
    return Scan(torch.from_numpy(counts), torch.from_numpy(white), torch.from_numpy(dark), angles)


def read_hdf5(path: PathLike, dataset: str) -> Tensor:
    """One dataset, whole, in its own dtype (big-endian made native).

    Raises FileNotFoundError, FileFormatError (no such dataset, a group, or no numbers).
    """
    with _opened(path) as file:
        array = np.asarray(_dataset(file, dataset)[()])
        return torch.from_numpy(np.array(array, dtype=array.dtype.newbyteorder("="), order="C"))


def write_hdf5(
    path: PathLike,
    datasets: Mapping[str, Tensor],
    attributes: Mapping[str, str | float | int] | None = None,
) -> None:
    """Write tensors in their dtypes under their names ("group/name" makes the group), attributes at the root."""
    import h5py

    arrays = {
        name: t.detach().cpu().resolve_conj().resolve_neg().numpy() for name, t in datasets.items()
    }
    with atomic_write(path) as temporary, h5py.File(temporary, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array)
        for name, value in (attributes or {}).items():
            file.attrs[name] = value


@contextmanager
def _opened(path: PathLike) -> Iterator[Any]:
    import h5py

    with reading(path, "an HDF5 file", ("HDF5",)) as name, h5py.File(name, "r") as file:
        yield file


def _dataset(file: Any, name: str) -> Any:
    """The numeric dataset called `name`, or an error that lists the datasets there are."""
    import h5py

    found = file.get(name)
    if not isinstance(found, h5py.Dataset):
        names: list[str] = []
        file.visititems(
            lambda key, node: names.append(key) if isinstance(node, h5py.Dataset) else None
        )
        what = "a group" if isinstance(found, h5py.Group) else "nothing"
        listed = ", ".join(nearest_first(name, names)[:20]) or "none"
        raise FileFormatError(
            f"{file.filename}: expected dataset {name!r}, found {what} there. Datasets: {listed}."
        )
    if found.shape is None or found.dtype.kind not in "iufcb":
        raise FileFormatError(
            f"{file.filename}: expected numbers in {name!r}, found dtype {found.dtype}."
        )
    return found


def _check_shapes(data: Any, theta: Any, stacks: list[Any]) -> None:
    path = data.file.filename
    if data.ndim != 3 or 0 in data.shape:
        raise FileFormatError(
            f"{path}: expected {DATA} of (views, rows, columns), found shape {data.shape}."
        )
    if theta.size != data.shape[0]:
        raise FileFormatError(
            f"{path}: {THETA} has {theta.size} angles and {DATA} {data.shape[0]} projections (shape {data.shape}). "
            "Flat fields left among the projections, or a scan that was stopped?"
        )
    for stack in stacks:
        if stack.ndim != 3 or stack.shape[1:] != data.shape[1:] or not stack.shape[0]:
            raise FileFormatError(
                f"{path}: {stack.name[1:]} has shape {stack.shape} and {DATA} {data.shape}; expected (frames, rows, "
                "columns) with the same rows and columns. Cropped or binned differently?"
            )


def _radians(theta: Any) -> Tensor:
    """Angles (views,) float64 in radians, by the dataset's `units` attribute (degrees where it has none)."""
    units = theta.attrs.get("units", "degrees")
    if isinstance(units, np.ndarray):  # some writers store a one-element array
        units = units.reshape(-1)[0]
    units = units.decode() if isinstance(units, bytes) else str(units)
    angles = np.asarray(theta[()], dtype=np.float64).reshape(-1)
    if units.lower().startswith("rad"):
        return torch.from_numpy(angles)
    if not units.lower().startswith(("deg", "°")) and units.strip():
        raise FileFormatError(
            f"{theta.file.filename}: expected {THETA} in degrees or radians, found units {units!r}."
        )
    return torch.from_numpy(np.deg2rad(angles))


def _row_slice(rows: int | slice | None, count: int, path: PathLike) -> slice:
    """`rows` as an ascending slice that keeps the axis."""
    if rows is None:
        return slice(None)
    if isinstance(rows, slice):
        picked = range(count)[rows]
        if not picked or picked.step < 0:
            raise ValueError(
                f"{path}: rows={rows} must select some of the {count} detector rows in ascending order."
            )
        return slice(picked.start, picked.stop, picked.step)
    if not -count <= rows < count:
        raise ValueError(f"{path}: rows={rows}, but the scan has {count} detector rows.")
    return slice(rows % count, rows % count + 1)
