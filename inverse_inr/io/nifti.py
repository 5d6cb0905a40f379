"""NIfTI images through nibabel.

The box is the array's own extent in mm; the affine says where it lies in the world.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from inverse_inr.domain import Box, Grid
from inverse_inr.io.files import FileFormatError, PathLike, as_real_image, atomic_write, reading
from inverse_inr.io.inferred import infer
from inverse_inr.io.provenance import CREATOR, NIFTI_COMMENT, current_record
from inverse_inr.io.sizes import DEFLATE, check_claim
from inverse_inr.ranges import checked

if TYPE_CHECKING:
    from pathlib import Path

EXPECTED = "a NIfTI image (.nii, .nii.gz)"
"""The kind of file that is read, for messages."""
MILLIMETRES = {"mm": 1.0, "cm": 10.0, "m": 1e3, "um": 1e-3, "µm": 1e-3}
"""Lengths of a box's units in mm."""
UNITLESS = ("", "px")
"""Units of a box that are written as if they were mm."""
HEADER_UNITS = {"mm": 1.0, "unknown": 1.0, "meter": 1e3, "micron": 1e-3}
"""Lengths of a NIfTI header's units in mm."""


@checked
def read_nifti(path: PathLike, *, volume: int | slice | None = None) -> tuple[Tensor, Grid]:
    """Read a 1-D to 3-D image, with the header's scaling applied.

    Axis k of the box runs from 0 to shape[k] * voxel size. The affine (float64, to world mm)
    travels with the grid as it is in the file.

    Args:
        path: The file; "a.nii.gz:2" is volume 2 of a 4-D file.
        volume: For a 4-D file, the entry of the last axis to read; or a slice, e.g. `slice(None)`,
            of entries that become channels.

    Returns:
        Values (*shape, 1), or (*shape, c) for several volumes, float32, and a grid in mm.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is damaged or of another kind, or holds several volumes and
            `volume` is not given.
        ValueError: There is no such volume.
    """
    import nibabel

    path, written = split_volume(path)
    if volume is None:
        volume = written
    with reading(path, EXPECTED, ("NIfTI", "gzip")) as file:
        image: Any = nibabel.load(file)  # pyright: ignore[reportPrivateImportUsage]
        if not isinstance(image, nibabel.Nifti1Image):  # pyright: ignore[reportPrivateImportUsage]
            raise FileFormatError(
                f"{file}: expected {EXPECTED}, "
                f"found a {type(image).__name__}, which has no lattice."
            )
        shape = _shape(image, file)
        dtype = np.dtype(image.get_data_dtype())
        ratio = DEFLATE if file.name.lower().endswith(".gz") else 1.0
        check_claim(file, shape, dtype.itemsize, ratio=ratio)
        if dtype.kind not in "iufb":
            raise FileFormatError(
                f"{file}: expected real numbers, found {dtype}. Save magnitude, or one channel."
            )
    index = _selection(volume, shape, file)
    with reading(path, EXPECTED, ("NIfTI", "gzip")):
        # only the selected volume is read; a copy, because the library may hand out a memory map
        # of the file
        array = np.array(image.dataobj[index], dtype=np.float32, order="C")
        grid = _grid(image, shape[:3], file)
    return torch.from_numpy(array.reshape(*grid.shape, -1)), grid


def split_volume(path: PathLike) -> tuple[PathLike, int | None]:
    """Split "a.nii.gz:2" into the file's name and the number of a volume.

    Args:
        path: A path as users write it.

    Returns:
        The path and the number; the path as it is and None where it names no volume.
    """
    found = re.fullmatch(r"(.*\.nii(?:\.gz)?):(-?\d+)", str(path), re.IGNORECASE | re.DOTALL)
    if found is None:
        return path, None
    return found[1], int(found[2])


@checked
def write_nifti(path: PathLike, values: Tensor, grid: Grid) -> None:
    """Write values as float32 with the grid's affine, or else a diagonal one from its box (in mm).

    Channels of a 3-D grid become the fourth axis (read them with `volume=slice(None)`). NIfTI-1
    keeps affines in float32.

    Args:
        path: The file to write.
        values: (*shape, c).
        grid: The grid of the values, of one to three axes that are lengths.

    Raises:
        ValueError: The grid has more than three axes or axes that are not lengths, a flat image has
            channels, the affine contradicts the grid's spacing, or the values do not fit the grid.
    """
    import nibabel

    array = as_real_image(values, grid, path)
    if grid.ndim > 3 or (array.shape[-1] > 1 and grid.ndim < 3):
        raise ValueError(
            f"{path}: NIfTI cannot tell {array.shape[-1]} channels of a {grid.ndim}-D grid "
            "from space. Write .npz, or one file a channel."
        )
    affine = world_affine(grid, path)
    if array.shape[-1] == 1:
        array = array[..., 0]
    image: Any = nibabel.Nifti1Image(array, affine)  # pyright: ignore[reportPrivateImportUsage]
    image.header.set_xyzt_units("mm")
    add_record(image.header)
    with atomic_write(path) as temporary:
        image.to_filename(temporary)


def add_record(header: Any) -> None:
    """Put the record of how an image was made into its header, as a comment beside `descrip`.

    Args:
        header: The nibabel header; without a record it stays as it is.
    """
    import nibabel

    record = current_record()
    if record is not None:
        header["descrip"] = f"{CREATOR}; the record is a header extension".encode()
        nifti: Any = nibabel.nifti1  # pyright: ignore[reportAttributeAccessIssue]
        header.extensions.append(nifti.Nifti1Extension(NIFTI_COMMENT, record.encode()))


def _shape(image: Any, path: Path) -> tuple[int, ...]:
    """The array's shape without the singleton axes that follow the third."""
    shape = tuple(image.shape)
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if not 1 <= len(shape) <= 4 or 0 in shape:
        raise FileFormatError(
            f"{path}: expected 1 to 4 axes of at least one voxel, found shape {tuple(image.shape)}."
        )
    return shape


def _selection(volume: int | slice | None, shape: tuple[int, ...], path: Path) -> tuple[Any, ...]:
    """Index into the file's array that leaves three axes, or four if volumes become channels."""
    count = shape[3] if len(shape) == 4 else 1
    if volume is None and count > 1:
        raise FileFormatError(
            f"{path}: expected one volume, found {count} (shape {shape}). "
            f'Name one as "{path.name}:0", or pass volume=0 '
            "(volume=slice(None): all, as channels) to read_image."
        )
    if isinstance(volume, int) and not -count <= volume < count:
        raise ValueError(f"{path}: volume={volume}, but the file of shape {shape} holds {count}.")
    if isinstance(volume, slice) and not range(count)[volume]:
        raise ValueError(f"{path}: volume={volume} selects none of the {count} volumes.")
    if len(shape) == 4:
        return (..., volume)
    return (...,)


def _grid(image: Any, shape: tuple[int, ...], path: Path) -> Grid:
    """The lattice from 0 in mm, carrying the affine to world mm."""
    from nibabel.affines import voxel_sizes

    unit = image.header.get_xyzt_units()[0]
    scale = HEADER_UNITS[unit]
    if unit == "unknown":
        infer(path, "its header names no unit of length; mm is taken.")
    _compare_forms(image, shape, scale, path)
    zooms = np.asarray(image.header.get_zooms()[: len(shape)], dtype=np.float64)
    sizes = voxel_sizes(image.affine)[: len(shape)]
    # The affine places the voxels; if pixdim merely rounds it, pixdim has the cleaner number.
    sizes = scale * np.where(np.isclose(zooms, sizes, rtol=1e-4, atol=0), zooms, sizes)
    if not (np.isfinite(image.affine).all() and (sizes > 0).all()):
        raise FileFormatError(
            f"{path}: expected positive voxel sizes, found {sizes.tolist()} mm in the affine."
        )
    affine = image.affine
    if scale != 1:
        affine = np.diag([scale, scale, scale, 1.0]) @ affine
    upper = tuple(float(n * h) for n, h in zip(shape, sizes, strict=True))
    box = Box((0.0,) * len(shape), upper, ("mm",) * len(shape))
    return Grid(box, shape).with_affine(affine.tolist())


def _compare_forms(image: Any, shape: tuple[int, ...], scale: float, path: Path) -> None:
    """Note where the sform, which is used, and the qform put the volume in two places."""
    sform, sform_code = image.get_sform(coded=True)
    try:
        qform, qform_code = image.get_qform(coded=True)
    except Exception as error:  # nibabel raises numpy's errors and its own
        infer(path, f"its qform is damaged ({error}); its sform is used.")
        return
    if not (sform_code and qform_code):
        if not (sform_code or qform_code):
            infer(path, "its sform and qform codes are 0; voxel sizes alone make its affine.")
        return
    corners = np.array([*np.ndindex(*(2,) * len(shape))]) * (np.array(shape) - 1)
    corners = np.pad(corners, [(0, 0), (0, 3 - len(shape))])
    apart = corners @ (sform - qform)[:3, :3].T + (sform - qform)[:3, 3]
    distance = scale * float(np.linalg.norm(apart, axis=-1).max())
    if distance > 0.05 * scale * float(np.linalg.norm(sform[:3, :3], axis=0).min()):
        infer(path, f"its sform is used; its qform puts corners up to {distance:.3g} mm elsewhere.")


def world_affine(grid: Grid, path: PathLike) -> np.ndarray:
    """The affine from array index to world mm: the grid's own, checked, or that of its box."""
    from nibabel.affines import voxel_sizes

    strange = [u for u in grid.box.units if u not in MILLIMETRES and u not in UNITLESS]
    if strange:
        raise ValueError(
            f"{path}: NIfTI axes are lengths ({', '.join(MILLIMETRES)}), not {strange}. Write .npz."
        )
    scale = [MILLIMETRES.get(u, 1.0) for u in grid.box.units]
    spacing = np.multiply(grid.spacing, scale)
    if grid.affine is None:
        affine = np.diag([*spacing, *([1.0] * (4 - grid.ndim))])
        affine[: grid.ndim, 3] = np.multiply(grid.box.lower, scale) + spacing / 2
        return affine
    affine = np.asarray(grid.affine, dtype=np.float64)
    if affine.shape != (4, 4):
        raise ValueError(f"{path}: the grid's affine has shape {affine.shape}; NIfTI needs (4, 4).")
    sizes = voxel_sizes(affine)[: grid.ndim]
    physical = np.array([u in MILLIMETRES for u in grid.box.units])
    if not np.allclose(sizes[physical], spacing[physical], rtol=1e-3, atol=0):
        raise ValueError(
            f"{path}: the grid's spacing is {spacing.tolist()} mm "
            f"and its affine's voxels are {sizes.tolist()} mm. An affine of another resolution?"
        )
    return affine
