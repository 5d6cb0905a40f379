"""`read_kspace`: one image's k-space from a file, whose suffix and content tell its format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from inverse_inr.io.files import FileFormatError, PathLike, SelectionError, nearest_first
from inverse_inr.io.hdf5 import open_hdf5
from inverse_inr.io.kspace.arrays import of_array, read_array
from inverse_inr.io.kspace.fastmri import read_fastmri
from inverse_inr.io.kspace.ismrmrd import ismrmrd_groups, read_ismrmrd
from inverse_inr.io.kspace.raw import RawKSpace
from inverse_inr.io.kspace.soundness import check_heaps
from inverse_inr.ranges import checked


@checked
@np.errstate(over="ignore", invalid="ignore")  # values that are not finite are refused below
def read_kspace(
    path: PathLike | Tensor,
    *,
    slice: int | None = None,
    contrast: int | None = None,
    set: int | None = None,
    phase: int | None = None,
    repetition: int | None = None,
    average: int | None = None,
    partition: int | None = None,
    encoding_space: int | None = None,
    coil_axis: int | None = None,
    axes: str | Sequence[str] | None = None,
    dataset: str | None = None,
    noise_scan: PathLike | None = None,
) -> RawKSpace:
    """Read the k-space of one image: NumPy, fastMRI HDF5 or ISMRMRD HDF5.

    A counter is chosen by its value in the file, or from the end by a negative number. Without a
    choice the middle slice is read, and the first contrast, set, cardiac phase, repetition and
    encoding space; averages are averaged and partitions are the third axis of a volume. `notes`
    say what there was to choose from.

    Args:
        path: The file, or the array itself.
        slice: The slice.
        contrast: The contrast (echo) of an ISMRMRD file.
        set: The set of an ISMRMRD file.
        phase: The cardiac phase of an ISMRMRD file.
        repetition: The repetition of an ISMRMRD file.
        average: One average of an ISMRMRD file alone.
        partition: One partition (kspace_encode_step_2) alone, as an image.
        encoding_space: The encoding space of an ISMRMRD file.
        coil_axis: The axis of the coils in an array whose other axes are space.
        axes: Names of all axes of an array, such as "slice coil x y": "coil", "x", "y", "z",
            and the counters.
        dataset: The group of an ISMRMRD file with several, or the array of an HDF5 file of
            another layout, which is read as a .npy array is.
        noise_scan: Another ISMRMRD file, whose noise scans measure the receivers.

    Returns:
        The k-space.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is damaged, contradicts itself or holds no k-space, its axes are
            unclear, or its energy is not at the centre.
        SelectionError: A keyword asks for what the file does not hold.
    """
    wanted = {
        "slice": slice,
        "contrast": contrast,
        "set": set,
        "phase": phase,
        "repetition": repetition,
        "average": average,
        "partition": partition,
        "encoding_space": encoding_space,
    }
    others = {"coil_axis": coil_axis, "axes": axes, "dataset": dataset, "noise_scan": noise_scan}
    if isinstance(path, Tensor):
        name = "the samples"
        _refuse(name, "an array", others | wanted, ("dataset", "noise_scan", "encoding_space"))
        return of_array(name, path.detach().cpu().numpy(), wanted, coil_axis, axes)
    if Path(path).suffix.lower() == ".npy":
        _refuse(path, "a .npy array", others | wanted, ("dataset", "noise_scan", "encoding_space"))
        return read_array(path, wanted, coil_axis, axes)
    with open_hdf5(path) as file:
        check_heaps(path)
        groups = ismrmrd_groups(file)
        named = dataset if dataset not in groups else None
        if named is None and "kspace" in file and (axes is not None or coil_axis is not None):
            named = "kspace"
        if named is not None:
            _refuse(path, "an array", others | wanted, ("noise_scan", "encoding_space"))
            return of_array(path, _array(path, file, named), wanted, coil_axis, axes)
        if "kspace" in file:
            unknown = [name for name in others | wanted if name != "slice"]
            _refuse(path, "a fastMRI file", others | wanted, unknown)
            return read_fastmri(path, file, wanted)
        if groups:
            _refuse(path, "an ISMRMRD file", others, ("coil_axis", "axes"))
            return read_ismrmrd(path, file, wanted, dataset, noise_scan)
        names = ", ".join(sorted(file)) or "nothing"
    raise FileFormatError(
        f"{path}: expected 'kspace' (fastMRI) or 'dataset/data' (ISMRMRD), found {names}."
    )


def _array(path: PathLike, file: Any, name: str) -> np.ndarray:
    """The array called `name`."""
    import h5py

    found = file.get(name)
    if isinstance(found, h5py.Dataset):
        return np.asarray(found[()])
    names: list[str] = []

    def keep(name: str, node: object) -> None:
        if isinstance(node, h5py.Dataset):
            names.append(name)

    file.visititems(keep)
    listed = ", ".join(nearest_first(name, [*ismrmrd_groups(file), *names])[:12]) or "none"
    raise SelectionError(f"{path}: dataset={name!r}, but the file holds {listed}.")


def _refuse(path: PathLike, kind: str, given: Mapping[str, object], unknown: Sequence[str]) -> None:
    for name in unknown:
        if given[name] is not None:
            raise SelectionError(f"{path}: {name}={given[name]!r}, but {kind} has no {name}.")
