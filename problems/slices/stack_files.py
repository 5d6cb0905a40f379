"""Reading a stack of slices and its mask from files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inverse_inr import Grid
from inverse_inr.io import read_image
from inverse_inr.io.files import FileFormatError, PathLike
from inverse_inr.problems.slices.stacks import Stack, check_affine


def read_stack(
    path: PathLike,
    *,
    mask: PathLike | None = None,
    thickness: float | None = None,
    slice_axis: int = 2,
    interleave: int | None = None,
) -> Stack:
    """Read one stack from a file.

    Args:
        path: A NIfTI file, or another volume with an affine.
        mask: An image whose values above zero are used; on another grid it is looked up at the
            nearest voxel in world coordinates. Default: finite values above zero.
        thickness: Thickness of a slice in mm; default: the spacing of the slices (no gaps).
        slice_axis: The axis of the file's array along which slices lie.
        interleave: The order of acquisition, as in `Stack`.

    Returns:
        The stack, its slices along the last axis.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file cannot be read.
        ValueError: The file has no affine, or the mask does not overlap the stack.
    """
    values, grid = _read_volume(path)
    affine = torch.tensor(grid.affine, dtype=torch.float64)
    check_affine(str(path), affine)
    order = [k for k in range(3) if k != slice_axis % 3] + [slice_axis % 3]
    if mask is None:
        inside = values > 0
    else:
        inside = _read_mask(mask, values.shape, affine, str(path))
    affine = affine[:, [*order, 3]]
    spacing = float(torch.linalg.vector_norm(affine[:3, 2]))
    return Stack(
        values.permute(order),
        affine,
        inside.permute(order),
        thickness or spacing,
        Path(path).name,
        interleave=interleave,
    )


def _read_volume(path: PathLike) -> tuple[Tensor, Grid]:
    _require_affine(path)
    values, grid = read_image(path)
    if grid.ndim != 3 or values.shape[-1] != 1:
        raise ValueError(
            f"{path}: a stack has three axes, "
            f"this image {grid.ndim} and {values.shape[-1]} channels."
        )
    if grid.affine is None:
        raise ValueError(
            f"{path} has no affine: nothing says where the stack lies. Convert it to NIfTI."
        )
    return values[..., 0], grid


def _require_affine(path: PathLike) -> None:
    """Refuse a NIfTI header with neither an sform nor a qform: nibabel would make one up."""
    if not str(path).lower().endswith((".nii", ".nii.gz")) or not Path(path).is_file():
        return
    import nibabel

    try:
        header: Any = nibabel.load(path).header  # pyright: ignore[reportPrivateImportUsage]
    except Exception as error:
        # nibabel raises numpy's errors and its own; read_image explains a file that is no NIfTI
        if type(error).__name__ in ("ImageFileError", "EOFError", "BadGzipFile", "OSError"):
            return
        raise FileFormatError(
            f"{path}: the header cannot be read ({error}). Is its affine singular?"
        ) from None
    if int(header["sform_code"]) == 0 and int(header["qform_code"]) == 0:
        raise ValueError(
            f"{path} has no affine (sform and qform code are 0), "
            "so nothing says where the stack lies. Set the sform "
            "of each stack, or convert again from DICOM."
        )


def _read_mask(path: PathLike, shape: Sequence[int], affine: Tensor, stack: str) -> Tensor:
    """The pixels of a stack that a mask covers, looked up in world coordinates if needed."""
    values, grid = _read_volume(path)
    own = torch.tensor(grid.affine, dtype=torch.float64)
    if tuple(values.shape) == tuple(shape) and torch.allclose(own, affine, atol=1e-3):
        return values > 0
    index = torch.cartesian_prod(*[torch.arange(n, dtype=torch.float64) for n in shape])
    across = torch.linalg.solve(own, affine)
    voxel = (index @ across[:3, :3].mT + across[:3, 3]).round().long()
    top = torch.tensor(values.shape)
    inside = ((voxel >= 0) & (voxel < top)).all(-1)
    voxel = torch.minimum(voxel.clamp(min=0), top - 1)
    found = inside & (values[voxel.unbind(-1)] > 0)
    if not found.any():
        raise ValueError(
            f"{path}: no voxel of this mask lies on a pixel of {stack}. The mask of another stack?"
        )
    return found.reshape(tuple(shape))
