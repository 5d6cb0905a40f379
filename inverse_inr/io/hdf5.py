"""HDF5: synchrotron scans in the DXchange layout, and plain datasets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from inverse_inr.io.files import FileFormatError, PathLike, atomic_write, nearest_first, reading

DATA = "exchange/data"
"""The projections of a DXchange file."""
WHITE = "exchange/data_white"
"""The frames without object of a DXchange file."""
DARK = "exchange/data_dark"
"""The frames without beam of a DXchange file."""
THETA = "exchange/theta"
"""The angles of a DXchange file."""


class Scan(NamedTuple):
    """A parallel-beam scan as measured: detector counts, and frames that give transmissions."""

    counts: Tensor
    """(views, rows, columns) float32."""
    white: Tensor
    """(rows, columns) float32: mean of the frames without object."""
    dark: Tensor
    """(rows, columns) float32: mean of the frames without beam."""
    angles: Tensor
    """(views,) float64, radians."""


def read_dxchange(path: PathLike, *, rows: int | slice | None = None) -> Scan:
    """Read a scan from exchange/data, data_white, data_dark and theta.

    The angles are in degrees unless the attribute `units` of theta says radians.

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
    with open_hdf5(path) as file:
        data = _dataset(file, DATA)
        theta = _dataset(file, THETA)
        _check_shapes(data, theta, [_dataset(file, WHITE), _dataset(file, DARK)])
        angles = _radians(theta)
        count = data.shape[1]
    # the file is closed: wrong `rows` are the caller's slip, not the file's
    selection = _row_slice(rows, count, path)
    with open_hdf5(path) as file:
        counts = np.array(file[DATA][:, selection], dtype=np.float32)
        white, dark = (
            file[name][:, selection].mean(0, dtype=np.float64).astype(np.float32)
            for name in (WHITE, DARK)
        )
    return Scan(torch.from_numpy(counts), torch.from_numpy(white), torch.from_numpy(dark), angles)


def read_hdf5(path: PathLike, dataset: str) -> Tensor:
    """Read one dataset, whole.

    Args:
        path: The file.
        dataset: The name of the dataset, e.g. "group/name".

    Returns:
        The numbers in their own dtype, with big-endian ones made native.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: There is no such dataset, or it is a group or holds no numbers.
    """
    with open_hdf5(path) as file:
        array = np.asarray(_dataset(file, dataset)[()])
        return torch.from_numpy(np.array(array, dtype=array.dtype.newbyteorder("="), order="C"))


def write_hdf5(
    path: PathLike,
    datasets: Mapping[str, Tensor],
    attributes: Mapping[str, str | float | int] | None = None,
) -> None:
    """Write tensors in their dtypes.

    Args:
        path: The file to write.
        datasets: Tensors by name; "group/name" makes the group.
        attributes: Attributes of the file's root, by name.
    """
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
def open_hdf5(path: PathLike) -> Iterator[Any]:
    """Open a file for reading; whatever is wrong with it becomes one FileFormatError.

    Args:
        path: The file.

    Yields:
        The `h5py.File`.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is damaged or of another kind.
    """
    import h5py

    with reading(path, "an HDF5 file", ("HDF5",)) as name, h5py.File(name, "r") as file:
        yield file


def _dataset(file: Any, name: str) -> Any:
    """The numeric dataset called `name`, or an error that lists the datasets there are."""
    import h5py

    found = file.get(name)
    if not isinstance(found, h5py.Dataset):
        what = "a group" if isinstance(found, h5py.Group) else "nothing"
        listed = ", ".join(nearest_first(name, _dataset_names(file))[:20]) or "none"
        raise FileFormatError(
            f"{file.filename}: expected dataset {name!r}, found {what} there. Datasets: {listed}."
        )
    if found.shape is None or found.dtype.kind not in "iufcb":
        raise FileFormatError(
            f"{file.filename}: expected numbers in {name!r}, found dtype {found.dtype}."
        )
    return found


def _dataset_names(file: Any) -> list[str]:
    import h5py

    names: list[str] = []

    def keep(name: str, node: object) -> None:
        if isinstance(node, h5py.Dataset):
            names.append(name)

    file.visititems(keep)
    return names


def _check_shapes(data: Any, theta: Any, stacks: list[Any]) -> None:
    path = data.file.filename
    if data.ndim != 3 or 0 in data.shape:
        raise FileFormatError(
            f"{path}: expected {DATA} of (views, rows, columns), found shape {data.shape}."
        )
    if theta.size != data.shape[0]:
        raise FileFormatError(
            f"{path}: {THETA} has {theta.size} angles and {DATA} {data.shape[0]} projections "
            f"(shape {data.shape}). "
            "Flat fields left among the projections, or a scan that was stopped?"
        )
    for stack in stacks:
        if stack.ndim != 3 or stack.shape[1:] != data.shape[1:] or not stack.shape[0]:
            raise FileFormatError(
                f"{path}: {stack.name[1:]} has shape {stack.shape} and {DATA} {data.shape}; "
                "expected (frames, rows, columns) with the same rows and columns. "
                "Cropped or binned differently?"
            )


def _radians(theta: Any) -> Tensor:
    """Angles (views,) float64 in radians, by the dataset's attribute `units` (default: degrees)."""
    units = theta.attrs.get("units", "degrees")
    if isinstance(units, np.ndarray):  # some writers store a one-element array
        units = units.reshape(-1)[0]
    if isinstance(units, bytes):
        units = units.decode()
    units = str(units)
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
                f"{path}: rows={rows} must select some of the {count} detector rows "
                "in ascending order."
            )
        return slice(picked.start, picked.stop, picked.step)
    if not -count <= rows < count:
        raise ValueError(f"{path}: rows={rows}, but the scan has {count} detector rows.")
    return slice(rows % count, rows % count + 1)
