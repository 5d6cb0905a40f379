"""Stacks of slices in any orientation, and the problem of a volume from them.

A stack's affine says where it lies in the world (mm, x to the right, y to the front, z up); the
volume's box is in world coordinates too. Slices are along the last axis of a stack's array.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from inverse_inr import Box, Grid, Problem
from inverse_inr.io import write_nifti
from inverse_inr.io.files import PathLike
from inverse_inr.operators.rigid import join
from inverse_inr.operators.slices.acquisition import SliceAcquisition
from inverse_inr.operators.slices.geometry import Slices, order_of_acquisition
from inverse_inr.ranges import Count, Positive, checked


@checked
@dataclass(frozen=True)
class Stack:
    """Parallel slices of one acquisition.

    Args:
        values: (rows, columns, slices).
        affine: (4, 4) float64, from index to world in mm; its columns must be orthogonal.
        mask: (rows, columns, slices) boolean, the pixels to use.
        thickness: Thickness of a slice in mm. The affine's third column is the spacing of the
            slices, which may leave gaps.
        name: The stack's name in messages and files.
        true_poses: (slices, 4, 4) true poses in mm, where simulated.
        outlier: (slices,) boolean, the slices that are useless, where simulated.
        interleave: k, where slices were acquired in the order 0, k, 2k, ..., 1, k + 1, ...; 1 for
            one after the other. None: not known, and nothing is then assumed of motion in time.
        remarks: What was inferred when the stack was read, in sentences.

    Raises:
        ValueError: The affine is singular or sheared, no pixel can be used, the thickness is not
            positive, or the interleave is below 1.
    """

    values: Tensor
    affine: Tensor
    mask: Tensor
    thickness: Positive
    name: str = "stack"
    true_poses: Tensor | None = None
    outlier: Tensor | None = None
    interleave: Count | None = None
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.values.ndim != 3 or self.mask.shape != self.values.shape:
            raise ValueError(
                f"{self.name}: values must be (rows, columns, slices) and the mask like them, got "
                f"{tuple(self.values.shape)} and {tuple(self.mask.shape)}."
            )
        check_affine(self.name, self.affine)
        if not self.usable.any():
            raise ValueError(
                f"{self.name}: no pixel can be used; the mask is empty, or NaN wherever it is not."
            )

    @property
    def usable(self) -> Tensor:
        """The pixels of the mask that are numbers, (rows, columns, slices) boolean."""
        return self.mask & torch.isfinite(self.values)

    @property
    def spacing(self) -> Tensor:
        """Distance in mm of pixels along both axes of a slice, and of slices: (3,)."""
        return torch.linalg.vector_norm(self.affine[:3, :3], dim=0)

    def nominal_poses(self) -> Tensor:
        """The pose of each slice by the affine, from the slice's frame to the world.

        The third axis of a slice's frame is the normal that makes the frame right-handed.

        Returns:
            (slices, 4, 4) in mm.
        """
        first, second = ((self.affine[:3, k] / self.spacing[k]) for k in (0, 1))
        rotation = torch.stack([first, second, torch.linalg.cross(first, second)], -1)
        n0, n1, n2 = self.values.shape
        middle = self.affine.new_tensor([0.5 * (n0 - 1), 0.5 * (n1 - 1), 0.0, 1.0]).repeat(n2, 1)
        middle[:, 2] = torch.arange(n2)
        return join(rotation.expand(n2, 3, 3), (middle @ self.affine.mT)[:, :3])

    def slices(self) -> tuple[Slices, Tensor]:
        """The geometry of all pixels, slice by slice, and their values in that order.

        Returns:
            The geometry and values (pixels,).
        """
        n0, n1, n2 = self.values.shape
        pixel = self.spacing[:2].tolist()
        geometry = Slices.of_stack(self.nominal_poses(), (n0, n1), pixel, self.thickness)
        if self.interleave is not None:
            geometry = replace(geometry, time=order_of_acquisition(n2, self.interleave).argsort())
        return geometry, self.flat(self.values)

    @staticmethod
    def flat(values: Tensor) -> Tensor:
        """The pixels of an array, slice by slice.

        Args:
            values: (rows, columns, slices).

        Returns:
            (pixels,).
        """
        return values.movedim(-1, 0).reshape(-1)

    def volume(self, pixels: Tensor) -> Tensor:
        """The array of pixels that are given slice by slice: the opposite of `flat`.

        Args:
            pixels: (pixels,).

        Returns:
            (rows, columns, slices).
        """
        n0, n1, n2 = self.values.shape
        return pixels.reshape(n2, n0, n1).movedim(0, -1)

    def write(self, path: PathLike, values: Tensor | None = None) -> None:
        """Write the stack as NIfTI in float32, with its affine.

        Args:
            path: The file, .nii or .nii.gz.
            values: Values (rows, columns, slices) to write in place of the stack's own.
        """
        if values is None:
            values = self.values
        h = self.spacing.tolist()
        box = Box(
            (0.0,) * 3, tuple(n * s for n, s in zip(values.shape, h, strict=True)), ("mm",) * 3
        )
        write_nifti(
            path,
            values[..., None].float(),
            Grid(box, tuple(values.shape)).with_affine(self.affine.tolist()),
        )


def check_affine(name: str, affine: Tensor) -> None:
    """Refuse an affine that cannot be a stack's.

    Args:
        name: The stack's name in messages.
        affine: (4, 4), from index to world in mm.

    Raises:
        ValueError: The affine is not finite, singular or sheared.
    """
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
        fault = "sheared"
        if abs(float(torch.linalg.det(unit))) < 1e-3:
            fault = "singular"
        raise ValueError(
            f"{name}: the affine is {fault}: two of its axes have a cosine of {off:.3g}. "
            "Slices must be parallel planes one behind the other."
        )


@dataclass(frozen=True, eq=False)
class SliceProblem(Problem):
    """A problem with one term, whose rows are the usable pixels of `stacks`, slice by slice.

    Args:
        stacks: The stacks that were measured.
        where: (slices, 2), the stack and the number in it of each slice of the operator. Slices
            without a usable pixel are left out.
        unit: The field's unit in the stacks' own: values of the field times `unit` are theirs.
    """

    stacks: Sequence[Stack] = ()
    where: Tensor = field(default_factory=lambda: torch.zeros(0, 2, dtype=torch.long))
    unit: float = 1.0

    def of_slices(self, values: Sequence[Tensor | None]) -> Tensor:
        """Pick, from facts about all slices of each stack, those of the operator's slices.

        Args:
            values: (slices, ...) for each stack, e.g. its `true_poses`, or None.

        Returns:
            (slices of the operator, ...).

        Raises:
            ValueError: A stack does not know it.
        """
        known = [v for v in values if v is not None]
        if len(known) < len(values):
            raise ValueError(
                "SliceProblem: only simulated stacks know their true poses and outliers."
            )
        return torch.stack([known[s][k] for s, k in self.where.tolist()])

    def true_poses(self) -> Tensor:
        """The true pose of each slice of the operator, (slices, 4, 4) in mm, where simulated."""
        return self.of_slices([s.true_poses for s in self.stacks])

    def outliers(self) -> Tensor:
        """Whether each slice of the operator was simulated as useless, (slices,) boolean."""
        return self.of_slices([s.outlier for s in self.stacks])


def as_slices(problem: Problem) -> tuple[SliceProblem, SliceAcquisition]:
    """The problem and its operator, for methods that are for slices only.

    Args:
        problem: Any problem.

    Returns:
        The same problem and its `SliceAcquisition`.

    Raises:
        TypeError: The problem is of something else.
    """
    operator = problem.terms[0].operator
    if not (isinstance(problem, SliceProblem) and isinstance(operator, SliceAcquisition)):
        raise TypeError(
            f"{type(operator).__name__} in a {type(problem).__name__}: "
            "these methods are for slices."
        )
    return problem, operator
