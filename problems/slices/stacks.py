"""Stacks of slices: as NIfTI files with masks, in any orientation, or simulated from a volume by a documented recipe.

A stack's affine says where it lies in the world (mm, x to the right, y to the front, z up), the volume's box is in
world coordinates too. Slices are along the last axis of a stack's array.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inverse_inr import Box, Grid, Problem
from inverse_inr.io import read_image, write_nifti
from inverse_inr.io.files import FileFormatError, PathLike
from inverse_inr.operators.rigid import join
from inverse_inr.operators.slices.acquisition import SliceAcquisition
from inverse_inr.operators.slices.geometry import Slices, order_of_acquisition


@dataclass(frozen=True)
class Stack:
    """Parallel slices of one acquisition.

    values     (rows, columns, slices)
    affine     (4, 4) float64, index to world mm; its columns must be orthogonal
    mask       boolean like values: the pixels to use
    thickness  of a slice in mm; the affine's third column is their spacing, which may leave gaps
    interleave  k where slices were acquired in the order 0, k, 2k, ..., 1, k + 1, ..., 1 one after the other; None:
               not known, and nothing is then assumed of motion in time
    true_poses  (slices, 4, 4) and outlier (slices,) boolean, where simulated
    Raises ValueError for an affine that is singular or sheared, no pixel to use, thickness <= 0.
    """

    values: Tensor
    affine: Tensor
    mask: Tensor
    thickness: float
    name: str = "stack"
    true_poses: Tensor | None = None
    outlier: Tensor | None = None
    interleave: int | None = None

    def __post_init__(self) -> None:
        if self.values.ndim != 3 or self.mask.shape != self.values.shape:
            raise ValueError(
                f"{self.name}: values must be (rows, columns, slices) and the mask like them, got "
                f"{tuple(self.values.shape)} and {tuple(self.mask.shape)}."
            )
        if not self.thickness > 0:
            raise ValueError(
                f"{self.name}: the slice thickness must be positive, got {self.thickness} mm."
            )
        if self.interleave is not None and self.interleave < 1:
            raise ValueError(
                f"{self.name}: interleave={self.interleave} must be 1 (in order) or more, or None."
            )
        _check_affine(self.name, self.affine)
        if not self.usable.any():
            raise ValueError(
                f"{self.name}: no pixel can be used; the mask is empty, or NaN wherever it is not."
            )

    @property
    def usable(self) -> Tensor:
        """Masked pixels that are numbers."""
        return self.mask & torch.isfinite(self.values)

    @property
    def spacing(self) -> Tensor:
        """Distance of pixels along the rows and columns, and of slices, in mm: (3,)."""
        return torch.linalg.vector_norm(self.affine[:3, :3], dim=0)

    def nominal_poses(self) -> Tensor:
        """(slices, 4, 4): the third axis of a slice's frame is the normal that makes it right-handed."""
        first, second = ((self.affine[:3, k] / self.spacing[k]) for k in (0, 1))
        rotation = torch.stack([first, second, torch.linalg.cross(first, second)], -1)
        n0, n1, n2 = self.values.shape
        middle = self.affine.new_tensor([0.5 * (n0 - 1), 0.5 * (n1 - 1), 0.0, 1.0]).repeat(n2, 1)
        middle[:, 2] = torch.arange(n2)
        return join(rotation.expand(n2, 3, 3), (middle @ self.affine.mT)[:, :3])

    def slices(self) -> tuple[Slices, Tensor]:
        """Geometry of all pixels, slice by slice, and their values (pixels,) in that order."""
        n0, n1, n2 = self.values.shape
        pixel = self.spacing[:2].tolist()
        geometry = Slices.of_stack(self.nominal_poses(), (n0, n1), pixel, self.thickness)
        if self.interleave is not None:
            geometry = replace(geometry, time=order_of_acquisition(n2, self.interleave).argsort())
        return geometry, self.flat(self.values)

    @staticmethod
    def flat(values: Tensor) -> Tensor:
        """(rows, columns, slices) -> pixels slice by slice."""
        return values.movedim(-1, 0).reshape(-1)

    def volume(self, pixels: Tensor) -> Tensor:
        """The opposite of `flat`."""
        n0, n1, n2 = self.values.shape
        return pixels.reshape(n2, n0, n1).movedim(0, -1)

    def write(self, path: PathLike, values: Tensor | None = None) -> None:
        """NIfTI, float32, with the stack's affine; other `values` of the same shape in place of its own."""
        values = self.values if values is None else values
        h = self.spacing.tolist()
        box = Box(
            (0.0,) * 3, tuple(n * s for n, s in zip(values.shape, h, strict=True)), ("mm",) * 3
        )
        write_nifti(
            path,
            values[..., None].float(),
            Grid(box, tuple(values.shape)).with_affine(self.affine.tolist()),
        )


def _check_affine(name: str, affine: Tensor) -> None:
    if affine.shape != (4, 4) or not bool(torch.isfinite(affine).all()):
        raise ValueError(
            f"{name}: the affine must be a finite (4, 4) matrix, got {affine.tolist()}."
        )
    lengths = torch.linalg.vector_norm(affine[:3, :3], dim=0)
    if bool((lengths < 1e-6).any()):
        raise ValueError(
            f"{name}: the affine is singular: its voxel sizes are {lengths.tolist()} mm."
        )
    unit = affine[:3, :3] / lengths
    off = float((unit.mT @ unit - torch.eye(3, dtype=affine.dtype)).abs().max())
    if off > 1e-2:
        raise ValueError(
            f"{name}: the affine is {'singular' if abs(float(torch.linalg.det(unit))) < 1e-3 else 'sheared'}: two of "
            f"its axes have a cosine of {off:.3g}. Slices must be parallel planes one behind the other."
        )


@dataclass(frozen=True, eq=False)
class SliceProblem(Problem):
    """One term, whose rows are the usable pixels of `stacks`, slice by slice.

    where  (slices, 2) stack and number of each slice of the operator: those without a usable pixel are left out
    unit   of the field, in the stacks' own
    """

    stacks: Sequence[Stack] = ()
    where: Tensor = field(default_factory=lambda: torch.zeros(0, 2, dtype=torch.long))
    unit: float = 1.0

    def of_slices(self, values: Sequence[Tensor | None]) -> Tensor:
        """What is known of all slices of each stack, e.g. `true_poses`, for those of the operator.

        Raises ValueError where a stack does not know it.
        """
        if any(v is None for v in values):
            raise ValueError(
                "SliceProblem: only simulated stacks know their true poses and outliers."
            )
        return torch.stack([values[s][k] for s, k in self.where.tolist()])  # pyright: ignore[reportOptionalSubscript]

    def true_poses(self) -> Tensor:
        return self.of_slices([s.true_poses for s in self.stacks])

    def outliers(self) -> Tensor:
        return self.of_slices([s.outlier for s in self.stacks])


def as_slices(problem: Problem) -> tuple[SliceProblem, SliceAcquisition]:
    """The problem and its operator. Raises TypeError for a problem of something else."""
    operator = problem.terms[0].operator
    if not (isinstance(problem, SliceProblem) and isinstance(operator, SliceAcquisition)):
        raise TypeError(
            f"{type(operator).__name__} in a {type(problem).__name__}: these methods are for slices."
        )
    return problem, operator


# --- files ----------------------------------------------------------------------------------------------------------


def read_stack(
    path: PathLike,
    *,
    mask: PathLike | None = None,
    thickness: float | None = None,
    slice_axis: int = 2,
    interleave: int | None = None,
) -> Stack:
    """One stack from a file; thickness is by default the spacing of slices (no gaps).

    mask        an image whose values above zero are used; on another grid it is looked up at the nearest voxel in
                world coordinates. Default: finite values above zero.
    slice_axis  axis of the file's array along which slices lie
    interleave  of their acquisition, as of `Stack`
    Raises FileNotFoundError, FileFormatError; ValueError for a file without an affine, a mask that does not overlap.
    """
    values, grid = _read_volume(path)
    affine = torch.tensor(grid.affine, dtype=torch.float64)
    _check_affine(str(path), affine)
    order = [k for k in range(3) if k != slice_axis % 3] + [slice_axis % 3]
    inside = (values > 0) if mask is None else _read_mask(mask, values.shape, affine, str(path))
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
            f"{path}: a stack has three axes, this image {grid.ndim} and {values.shape[-1]} channels."
        )
    if grid.affine is None:
        raise ValueError(
            f"{path} has no affine: nothing says where the stack lies. Convert it to NIfTI."
        )
    return values[..., 0], grid


def _require_affine(path: PathLike) -> None:
    """Raises ValueError where a NIfTI header has neither an sform nor a qform: nibabel would make one up."""
    if not str(path).lower().endswith((".nii", ".nii.gz")) or not Path(path).is_file():
        return
    import nibabel

    try:
        header: Any = nibabel.load(path).header  # pyright: ignore[reportPrivateImportUsage]
    except Exception as error:  # nibabel raises numpy's and its own; read_image says better what is no NIfTI at all
        if type(error).__name__ in ("ImageFileError", "EOFError", "BadGzipFile", "OSError"):
            return
        raise FileFormatError(
            f"{path}: the header cannot be read ({error}). Is its affine singular?"
        ) from None
    if int(header["sform_code"]) == 0 and int(header["qform_code"]) == 0:
        raise ValueError(
            f"{path} has no affine (sform and qform code are 0), so nothing says where the stack lies. Set the sform "
            "of each stack, or convert again from DICOM."
        )


def _read_mask(path: PathLike, shape: Sequence[int], affine: Tensor, stack: str) -> Tensor:
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
