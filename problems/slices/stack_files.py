"""Reading a stack of slices and its mask from files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from torch import Tensor

from inverse_inr import Grid
from inverse_inr.io import inferences, read_image, split_volume
from inverse_inr.io.files import FileFormatError, PathLike
from inverse_inr.problems.slices.stacks import Stack, check_affine
from inverse_inr.ranges import Count, Positive, Range, checked

Axis = Annotated[int, Range(least=-3, most=2)]
"""One of the three axes of an array, from the last where it is negative."""


@checked
def read_stacks(
    path: PathLike,
    *,
    mask: PathLike | None = None,
    thickness: Positive | None = None,
    slice_axis: Axis | None = None,
    interleave: Count | None = None,
    volume: int | Literal["all"] | None = None,
) -> list[Stack]:
    """Read the stacks of one file: one, or all volumes of a series.

    Args:
        path: A NIfTI file, a folder of DICOM slices, or another volume with an affine.
        mask: An image whose values above zero are used; on another grid it is looked up at the
            nearest voxel in world coordinates. Default: finite values above zero.
        thickness: Thickness of a slice in mm; default: the spacing of the slices (no gaps).
        slice_axis: The axis of the file's array along which slices lie. Default: the one that a
            NIfTI header names, otherwise the last one, unless voxels are longer along another.
        interleave: The order of acquisition, as in `Stack`.
        volume: The volume of a 4-D series; "all" for every one as a stack of its own.

    Returns:
        The stacks, their slices along the last axis.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file cannot be read.
        ValueError: The file has no affine, the mask does not overlap the stack, a series has no
            such volume or none is chosen, or it is not clear along which axis slices lie.
    """
    with inferences() as inferred:
        values, grid = _read_volume(path, volume)
    affine = torch.tensor(grid.affine, dtype=torch.float64)
    check_affine(str(path), affine)
    axis = _slice_axis(path, affine, slice_axis)
    if slice_axis is None and axis != 2:
        inferred.append(f"{path}: slices lie along axis {axis}, as its header says.")
    order = [k for k in range(3) if k != axis] + [axis]
    several = values.shape[-1] > 1
    inside = None
    if mask is not None:
        inside, remark = _read_mask(mask, values.shape[:3], affine, str(path))
        inferred.append(remark)
    turned = affine[:, [*order, 3]]
    spacing = float(torch.linalg.vector_norm(turned[:3, 2]))
    stacks = []
    for k in range(values.shape[-1]):
        own = values[..., k]
        used = inside if inside is not None else own > 0
        stacks.append(
            Stack(
                own.permute(order),
                turned,
                used.permute(order),
                spacing if thickness is None else thickness,
                _named(path, k) if several else Path(path).name,
                interleave=interleave,
                remarks=tuple(inferred),
            )
        )
    return stacks


def read_stack(path: PathLike, **options: Any) -> Stack:
    """Read one stack from a file.

    Args:
        path: The file, as in `read_stacks`.
        **options: Keywords of `read_stacks`.

    Returns:
        The stack.

    Raises:
        ValueError: As in `read_stacks`, or the file holds several stacks.
    """
    found = read_stacks(path, **options)
    if len(found) > 1:
        raise ValueError(f"{path} holds {len(found)} stacks; read_stacks reads them all.")
    return found[0]


def _named(path: PathLike, k: int) -> str:
    """The name of volume k of a series: "a_2.nii.gz"."""
    name = Path(path).name
    at = name.lower().find(".nii")
    return f"{name[:at]}_{k}{name[at:]}"


def _slice_axis(path: PathLike, affine: Tensor, given: int | None) -> int:
    """The axis along which slices lie: as given, as the header says, or the last where it fits."""
    if given is not None:
        return given % 3
    named = _header_slice_axis(path)
    if named is not None:
        return named
    lengths = torch.linalg.vector_norm(affine[:3, :3], dim=0)
    longest = int(lengths.argmax())
    if float(lengths[longest]) > 1.05 * float(lengths[2]):
        sizes = " x ".join(f"{v:.4g}" for v in lengths.tolist())
        raise ValueError(
            f"{path}: voxels of {sizes} mm are longest along axis {longest}, not along the last, "
            f"where slices lie by default. Say slice_axis={longest}, or slice_axis=2 if it is so."
        )
    return 2


def _header_slice_axis(path: PathLike) -> int | None:
    """The axis of slices that a NIfTI header names (dim_info), None where it names none."""
    file = Path(split_volume(path)[0])
    if not file.name.lower().endswith((".nii", ".nii.gz")):
        return None
    import nibabel

    header: Any = nibabel.load(file).header  # pyright: ignore[reportPrivateImportUsage]
    return header.get_dim_info()[2]


def _read_volume(path: PathLike, volume: int | Literal["all"] | None) -> tuple[Tensor, Grid]:
    """Values (*shape, volumes) and their grid, which has an affine."""
    file, written = split_volume(path)
    _require_affine(file)
    if written is not None and volume is not None:
        raise ValueError(f"{path} names volume {written}, and volume={volume} is given too.")
    chosen = written if volume is None else volume
    options: dict[str, Any] = {}
    if str(file).lower().endswith((".nii", ".nii.gz")):
        options["volume"] = slice(None) if chosen in (None, "all") else chosen
    elif chosen is not None:
        raise ValueError(f"{path}: volume={chosen} is for a 4-D NIfTI file.")
    values, grid = read_image(file, **options)
    count = values.shape[-1]
    if count > 1 and chosen is None:
        raise ValueError(
            f"{path}: a stack has three axes; this is a series of {count} volumes of {grid.shape} "
            f'voxels. volume=0 takes the first of each file, "{Path(file).name}:0" that of this '
            "one, volume='all' each as a stack of its own."
        )
    if grid.ndim != 3:
        raise ValueError(f"{path}: a stack has three axes, this image {grid.ndim}.")
    if grid.affine is None:
        raise ValueError(
            f"{path} has no affine: nothing says where the stack lies. Convert it to NIfTI."
        )
    return values, grid


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


def _read_mask(
    path: PathLike, shape: Sequence[int], affine: Tensor, stack: str
) -> tuple[Tensor, str]:
    """The pixels of a stack that a mask covers, looked up in world coordinates if needed.

    Returns:
        The mask, boolean, and in words what it covers.
    """
    volumes, grid = _read_volume(path, None)
    values = volumes[..., 0]
    own = torch.tensor(grid.affine, dtype=torch.float64)
    found = values > 0
    where = "on its own grid"
    if tuple(values.shape) != tuple(shape) or not torch.allclose(own, affine, atol=1e-3):
        index = torch.cartesian_prod(*[torch.arange(n, dtype=torch.float64) for n in shape])
        across = torch.linalg.solve(own, affine)
        voxel = (index @ across[:3, :3].mT + across[:3, 3]).round().long()
        top = torch.tensor(values.shape)
        inside = ((voxel >= 0) & (voxel < top)).all(-1)
        voxel = torch.minimum(voxel.clamp(min=0), top - 1)
        found = (inside & (values[voxel.unbind(-1)] > 0)).reshape(tuple(shape))
        where = "looked up at the nearest voxel in world coordinates"
    if not found.any():
        raise ValueError(
            f"{path}: no voxel of this mask lies on a pixel of {stack}. The mask of another stack?"
        )
    share = 100 * float(found.double().mean())
    return found, f"{stack}: {path} covers {share:.3g} % of its pixels, {where}."
