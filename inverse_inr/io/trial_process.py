"""Look through an HDF5 file in a process that may die of it. Run as a script, never imported.

The library of HDF5 is C: a damaged file can end the interpreter, overwrite its memory, or keep it
busy for ever. `trial.py` sends paths, one JSON text a line; the answer to each is one line, once
all of the file's objects and the beginning of its data were read.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import sys
from typing import Any

OBJECTS = 5000
"""Objects that are looked at."""
WHOLE = 2**25
"""Bytes of a dataset up to which it is read whole."""
TOTAL = 2**27
"""Bytes that are read of all datasets."""


def look_through(path: str) -> None:
    """Read attributes and data of a file, up to the limits above.

    Args:
        path: The file.
    """
    import h5py

    nodes: list[Any] = []

    def keep(_: str, node: Any) -> bool | None:
        nodes.append(node)
        if len(nodes) >= OBJECTS:
            return True
        return None

    left = TOTAL
    with h5py.File(path, "r") as file:
        file.visititems(keep)
        for node in (file, *nodes):
            for name in node.attrs:
                with contextlib.suppress(Exception):
                    node.attrs[name]
            if isinstance(node, h5py.Dataset):
                with contextlib.suppress(Exception):
                    left -= read(node, left)


def read(dataset: Any, left: int) -> int:
    """Read a dataset, whole or its first entry.

    Args:
        dataset: The dataset.
        left: Bytes that may still be read.

    Returns:
        Bytes that were read.
    """
    import numpy as np

    if dataset.size and dataset.nbytes <= min(WHOLE, left):
        return np.asarray(dataset[()]).nbytes
    if dataset.size:
        np.asarray(dataset[(0,) * dataset.ndim])
    return 0


def tidy_memory() -> None:
    """Let the allocator walk through its lists: it ends the process where they were overwritten."""
    with contextlib.suppress(AttributeError, OSError):  # not every system has it
        ctypes.CDLL(None).malloc_trim(0)


if __name__ == "__main__":
    for line in sys.stdin:
        # what the library says in words, it will say again to the one who asked
        with contextlib.suppress(Exception):
            look_through(json.loads(line))
        tidy_memory()
        print("done", flush=True)
