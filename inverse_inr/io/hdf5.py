"""HDF5: plain datasets, and what all readers of HDF5 share. Scans stand in `scans`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inverse_inr.io.files import FileFormatError, PathLike, atomic_write, nearest_first, reading
from inverse_inr.io.provenance import DATASET, current_record
from inverse_inr.memory import require
from inverse_inr.ranges import checked


@checked
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
        found = numeric_dataset(file, dataset)
        require(f"{path}: {dataset}", float(found.size) * found.dtype.itemsize)
        array = np.asarray(found[()])
        return torch.from_numpy(np.array(array, dtype=array.dtype.newbyteorder("="), order="C"))


@checked
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
        add_record(file)


def add_record(file: Any) -> None:
    """Put the record of how an image was made into an open `h5py.File`, where there is one."""
    record = current_record()
    if record is not None:
        file[DATASET] = record


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


def numeric_dataset(file: Any, name: str) -> Any:
    """Find a dataset of numbers.

    Args:
        file: The open `h5py.File`.
        name: The name of the dataset, e.g. "group/name".

    Returns:
        The `h5py.Dataset`.

    Raises:
        FileFormatError: There is no such dataset (the message lists those there are), or it holds
            no numbers.
    """
    import h5py

    found = file.get(name)
    if not isinstance(found, h5py.Dataset):
        what = "a group" if isinstance(found, h5py.Group) else "nothing"
        listed = ", ".join(nearest_first(name, dataset_names(file))[:20]) or "none"
        raise FileFormatError(
            f"{file.filename}: expected dataset {name!r}, found {what} there. Datasets: {listed}."
        )
    if found.shape is None or found.dtype.kind not in "iufcb":
        raise FileFormatError(
            f"{file.filename}: expected numbers in {name!r}, found dtype {found.dtype}."
        )
    return found


def dataset_names(file: Any) -> list[str]:
    """List the names of all datasets of an open `h5py.File`."""
    import h5py

    names: list[str] = []

    def keep(name: str, node: object) -> None:
        if isinstance(node, h5py.Dataset):
            names.append(name)

    file.visititems(keep)
    return names
