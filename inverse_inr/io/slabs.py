"""Volumes of any size, written slab by slab: npy, HDF5, zarr and NIfTI.

Zarr is written in its own plain form, version 2 without compression, which needs no library: a
folder with a description and one raw file a slab (https://zarr-specs.readthedocs.io, version 2).
"""

from __future__ import annotations

import gzip
import json
import math
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from inverse_inr.domain import Grid
from inverse_inr.io.files import PathLike, atomic_write
from inverse_inr.io.nifti import add_record, world_affine
from inverse_inr.io.provenance import DATASET as RECORD
from inverse_inr.io.provenance import current_record
from inverse_inr.ranges import Count, checked

SUFFIXES = (".npy", ".h5", ".hdf5", ".zarr", ".nii", ".nii.gz")
"""The files that can be written slab by slab."""
DATASET = "image"
"""The dataset of HDF5 that holds the volume."""
EXCHANGE = "exchange/data"
"""A second name of that dataset: where DXchange (De Carlo et al. 2014) keeps what is shown."""


class Slabs(NamedTuple):
    """A file that takes a volume in slabs, in order.

    Attributes:
        axis: The axis along which the slabs follow each other.
        put: Takes the next slab, (*slab.shape, channels). A lone channel has no axis in the file.
    """

    axis: int
    put: Callable[[Tensor], None]


@contextmanager
@checked
def open_slabs(
    path: PathLike,
    grid: Grid,
    channels: Count,
    dtype: torch.dtype,
    layers: Count,
    beside: Mapping[str, Tensor] | None = None,
) -> Iterator[Slabs]:
    """Open a file for a volume that comes in slabs; it appears whole or not at all.

    Args:
        path: The file, whose suffix is one of `SUFFIXES`; for zarr a folder. An older one is
            replaced.
        grid: The grid of the whole volume; its spacing, place and unit are written too, except in
            npy.
        channels: Number of channels of the volume.
        dtype: The type of its values.
        layers: Layers of each slab but the last; the chunks of zarr.
        beside: Further tensors by name, which HDF5 alone keeps: what was learnt.

    Yields:
        The file.

    Raises:
        ValueError: The suffix is another, or the format cannot hold such a volume.
        FileNotFoundError: The folder does not exist.
    """
    name = Path(path).name.lower()
    suffix = next((s for s in reversed(SUFFIXES) if name.endswith(s)), None)
    if suffix is None:
        raise ValueError(
            f"{path}: a volume is written slab by slab to {', '.join(SUFFIXES)}; "
            f"for other files sample it whole: write_image(path, solution.sample(grid), grid)."
        )
    shape = grid.shape if channels == 1 else (*grid.shape, channels)
    numbers = torch.empty((), dtype=dtype).numpy().dtype
    if suffix == ".zarr":
        with atomic_folder(path, _is_zarr, "zarr array") as folder:
            about = {**_place(grid), **_texts(grid)}
            yield Slabs(0, _zarr(folder, shape, numbers, layers, about))
        return
    if suffix.startswith(".nii"):
        header = _nifti_header(path, grid, channels, numbers)
        with atomic_write(path) as temporary, _opened(temporary, suffix) as file:
            header.write_to(file)
            file.write(b"\0" * (int(header["vox_offset"]) - file.tell()))
            # the first axis runs fastest there
            yield Slabs(grid.ndim - 1, lambda v: _append(file, v[..., 0], "F"))
        return
    with atomic_write(path) as temporary:
        if suffix == ".npy":
            with temporary.open("wb") as file:
                about = {"descr": numbers.str, "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_2_0(file, about)
                yield Slabs(0, lambda v: _append(file, v, "C"))
            return
        import h5py

        with h5py.File(temporary, "w") as store:
            data = store.create_dataset(DATASET, shape, numbers)
            data.attrs.update(_place(grid))
            store[EXCHANGE] = data
            store["implements"] = "exchange"
            for name, tensor in (beside or {}).items():
                store[name] = _array(tensor)
            for name, text in _texts(grid).items():
                store[name] = text
            yield Slabs(0, _into_dataset(data, shape))


def _array(values: Tensor, order: Any = "C") -> np.ndarray:
    return np.asarray(values.detach().cpu().resolve_conj().resolve_neg().numpy(), order=order)


def _append(file: IO[bytes], values: Tensor, order: str) -> None:
    file.write(_array(values).tobytes(order))  # pyright: ignore[reportArgumentType]


def _into_dataset(data: Any, shape: tuple[int, ...]) -> Callable[[Tensor], None]:
    done = 0

    def put(values: Tensor) -> None:
        nonlocal done
        data[done : done + len(values)] = _array(values).reshape(-1, *shape[1:])
        done += len(values)

    return put


@contextmanager
def atomic_folder(path: PathLike, replaceable: Callable[[Path], bool], kind: str) -> Iterator[Path]:
    """Fill a folder under another name first, so that readers see the old one or the whole new one.

    Args:
        path: The folder; an empty one may be there already.
        replaceable: Tells of a folder that holds something whether it may be replaced.
        kind: What may be replaced, for the message: "zarr array".

    Yields:
        The temporary folder to write to.

    Raises:
        FileNotFoundError: The folder that is to hold it is missing.
        FileExistsError: There is something that may not be replaced.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{path}: cannot write; the folder {target.parent} does not exist.")
    if target.exists() and not (target.is_dir() and (_empty(target) or replaceable(target))):
        raise FileExistsError(f"{path}: cannot write; it exists and is no {kind}.")
    temporary = target.parent / f".{target.name[:32]}.{secrets.token_hex(6)}"
    before = target.parent / f".{target.name[:32]}.{secrets.token_hex(6)}"
    temporary.mkdir()
    try:
        yield temporary
        if target.exists():
            target.rename(before)  # it is removed when the new one stands in its place
        temporary.rename(target)
    finally:
        if before.exists() and not target.exists():
            before.rename(target)
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(before, ignore_errors=True)


def _empty(folder: Path) -> bool:
    return not any(folder.iterdir())


def _is_zarr(folder: Path) -> bool:
    return (folder / ".zarray").is_file()


def _zarr(
    folder: Path, shape: tuple[int, ...], numbers: np.dtype[Any], layers: int, place: dict[str, Any]
) -> Callable[[Tensor], None]:
    chunks = (min(layers, shape[0]), *shape[1:])
    about = {
        "zarr_format": 2,
        "shape": shape,
        "chunks": chunks,
        "dtype": numbers.str,
        "compressor": None,
        "fill_value": 0,
        "order": "C",
        "filters": None,
    }
    (folder / ".zarray").write_text(json.dumps(about, indent=1))
    (folder / ".zattrs").write_text(json.dumps(place, indent=1))
    count = 0

    def put(values: Tensor) -> None:
        nonlocal count
        array = _array(values).reshape(-1, *shape[1:])
        # a chunk has its whole size, also where the array ends before
        missing = chunks[0] - len(array)
        array = np.pad(array, [(0, missing), *[(0, 0)] * (array.ndim - 1)])
        name = ".".join([str(count), *["0"] * (len(shape) - 1)])
        (folder / name).write_bytes(array.tobytes())
        count += 1

    return put


@contextmanager
def _opened(path: Path, suffix: str) -> Iterator[IO[bytes]]:
    if suffix == ".nii.gz":
        # level 1: of floats, more costs time and gains little
        with gzip.open(path, "wb", compresslevel=1) as packed:
            yield packed  # pyright: ignore[reportReturnType]
        return
    with path.open("wb") as file:
        yield file


def _nifti_header(path: PathLike, grid: Grid, channels: int, numbers: np.dtype[Any]) -> Any:
    import nibabel

    if channels > 1 or grid.ndim > 3:
        raise ValueError(
            f"{path}: NIfTI keeps {channels} channels of {grid.ndim} axes one after the other, "
            "which slabs cannot fill. Write .h5, .zarr or .npy, or one file a channel."
        )
    if numbers.kind != "f":
        raise ValueError(f"{path}: a NIfTI volume holds real numbers, not {numbers}.")
    affine = world_affine(grid, path)
    header: Any = nibabel.Nifti1Header()  # pyright: ignore[reportPrivateImportUsage]
    header.set_data_shape(grid.shape)
    header.set_data_dtype(numbers)
    header.set_xyzt_units("mm")
    header.set_sform(affine, code=2)
    header.set_qform(affine, code=0, strip_shears=True)
    header["magic"] = b"n+1"
    add_record(header)
    header["vox_offset"] = 352 + header.extensions.get_sizeondisk()  # after 348 bytes and a flag
    return header


def _texts(grid: Grid) -> dict[str, str]:
    """What is known beside the voxels, as JSON by name."""
    texts = {}
    if grid.metadata is not None:
        texts["metadata"] = json.dumps(grid.metadata)
    record = current_record()
    if record is not None:
        texts[RECORD] = record
    return texts


def _place(grid: Grid) -> dict[str, Any]:
    """Where the voxels lie, as attributes."""
    place: dict[str, Any] = {
        "spacing": list(grid.spacing),
        "lower": list(grid.box.lower),
        "upper": list(grid.box.upper),
        "units": list(grid.box.units),
    }
    if grid.affine is not None:
        place["affine"] = [list(row) for row in grid.affine]
    if not all(map(math.isfinite, place["spacing"])):
        raise ValueError(f"The grid's spacing {place['spacing']} is not finite.")
    return place
