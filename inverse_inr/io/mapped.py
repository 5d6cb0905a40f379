"""Arrays that stay on disk: mapped to memory, and read where they are looked at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from inverse_inr.io.files import FileFormatError, PathLike, existing_file, reading
from inverse_inr.io.hdf5 import numeric_dataset, open_hdf5
from inverse_inr.ranges import checked

EXPECTED = "an array as .npy or HDF5"
"""The files that are mapped, for messages."""


@checked
def map_array(path: PathLike, dataset: str | None = None) -> Tensor:
    """Map an array of a file to memory, as measurements `y` that are larger than it.

    The tensor reads from the file whatever of it is looked at, and the system forgets it when
    memory is short. What is written to the tensor never reaches the file.

    Args:
        path: A .npy file, or HDF5 with a dataset that lies in one block.
        dataset: The dataset of HDF5.

    Returns:
        The tensor, in the file's shape and type.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is damaged, has no such dataset, or keeps it in pieces, compressed
            or in another byte order.

    Example:
        `y = map_array("scan.h5", "lines").flatten()`
    """
    file = existing_file(path, EXPECTED)
    if dataset is not None:
        return _of_hdf5(file, dataset)
    if file.suffix.lower() != ".npy":
        raise FileFormatError(f"{path}: expected .npy, or HDF5 with dataset=.")
    with reading(file, EXPECTED, ("npy",)):
        array = np.load(file, mmap_mode="c", allow_pickle=False)
    return _tensor(array, file)


def _of_hdf5(path: Path, dataset: str) -> Tensor:
    with open_hdf5(path) as file:
        found = numeric_dataset(file, dataset)
        start = found.id.get_offset()
        if found.chunks is not None or start is None:
            raise FileFormatError(
                f"{path}: {dataset} is kept in pieces (chunks, perhaps compressed) and cannot be "
                "mapped. Read it whole: read_hdf5; or write it in one block."
            )
        shape, dtype = found.shape, found.dtype
    if start + int(np.prod(shape)) * dtype.itemsize > path.stat().st_size:
        raise FileFormatError(f"{path}: {dataset} reaches beyond the file's end. A truncated copy?")
    return _tensor(np.memmap(path, dtype, "c", start, shape), path)


def _tensor(array: np.ndarray, path: Path) -> Tensor:
    if not array.dtype.isnative:
        raise FileFormatError(f"{path}: {array.dtype} is of another byte order than the machine's.")
    if array.dtype.kind not in "iufcb" or not array.size:
        raise FileFormatError(f"{path}: expected numbers, found {array.dtype} of {array.shape}.")
    return torch.from_numpy(array)
