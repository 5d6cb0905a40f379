"""`stored_array`: open an array of HDF5, zarr or npy that stays in its file."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import numpy as np
import torch

from inverse_inr.io.files import FileFormatError, PathLike, existing_file
from inverse_inr.io.stored.sources import Hdf5File, NpyFile, Source
from inverse_inr.io.stored.tensor import Blocks, StoredTensor, block_values, kept_blocks
from inverse_inr.io.stored.zarr import ZarrFolder
from inverse_inr.ranges import WholeNumber, checked

EXPECTED = "an array as .npy, zarr or HDF5"
"""The files that are read in blocks, for messages."""
FLOATS = {"f4": torch.float32, "f8": torch.float64, "c8": torch.complex64, "c16": torch.complex128}
"""The types that keep their precision; other numbers are read as float32."""


@checked
def stored_array(
    path: PathLike, dataset: str | None = None, *, trailing: WholeNumber = 0
) -> StoredTensor:
    """Open an array as measurements `y` that stay in their file, however many they are.

    Rows are read in blocks of about 65 thousand, which a thread fetches before the step that needs
    them. HDF5 may be chunked and compressed; zarr of versions 2 and 3 raw, or packed by zlib or
    gzip. The file must stay as it is: one that is altered, cut or closed raises FileFormatError.

    Args:
        path: A .npy file, a folder of zarr, or HDF5 with a dataset.
        dataset: The dataset of HDF5.
        trailing: Number of last axes that belong to each row; the others are flattened to rows.

    Returns:
        The tensor, (rows, *trailing axes). Whole numbers and half precision are read as float32.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is damaged, has no such dataset, or is packed in a way that needs
            another library.
        ValueError: The array has no axis for rows.

    Example:
        `y = stored_array("scan.h5", "lines")`
    """
    source = _opened(Path(path), dataset)
    axes = len(source.shape) - trailing
    if axes < 1 or 0 in source.shape:
        source.close()
        raise ValueError(
            f"{path}: with trailing={trailing}, an array of shape {source.shape} holds no rows."
        )
    shape = (math.prod(source.shape[:axes]), *source.shape[axes:])
    values = block_values(source, math.prod(shape[1:]))
    dtype = FLOATS.get(np.dtype(source.dtype).str[1:], torch.float32)
    reopen = partial(stored_array, path, dataset, trailing=trailing)
    return StoredTensor(Blocks(source, values, kept_blocks(), reopen), shape, dtype)


def _opened(path: Path, dataset: str | None) -> Source:
    if dataset is not None:
        return Hdf5File(existing_file(path, EXPECTED), dataset)
    if path.is_dir() or path.suffix == ".zarr":
        return ZarrFolder(path)
    file = existing_file(path, EXPECTED)
    if file.suffix.lower() != ".npy":
        raise FileFormatError(f"{path}: expected .npy or a folder of zarr, or HDF5 with dataset=.")
    source = NpyFile(file)
    if source.dtype.kind not in "iufcb":
        source.close()
        raise FileFormatError(f"{path}: expected numbers, found {source.dtype}.")
    return source
