"""Slice-to-volume reconstruction: one sharp volume from stacks of thick, moving slices.

The volume, and the motion, gain and noise of every slice are found together; no organ is assumed
and no network is trained beforehand. The box is in world coordinates (mm), so that the files that
are written lie on the stacks they came from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from inverse_inr import Box, Grid, SampledField
from inverse_inr.io import read_image
from inverse_inr.operators.slices.nuisance import BiasDegree
from inverse_inr.problems.slices.from_stacks import NoiseName as NoiseName
from inverse_inr.problems.slices.from_stacks import ProfileName as ProfileName
from inverse_inr.problems.slices.from_stacks import problem_of as problem_of
from inverse_inr.problems.slices.simulation import Artefacts, Motion, Slicing, simulate_stacks
from inverse_inr.problems.slices.stack_files import Axis, read_stacks
from inverse_inr.problems.slices.stacks import SliceProblem
from inverse_inr.ranges import Count, Positive, WholeNumber, checked


@checked
def slices(
    stacks: Sequence[str],
    *,
    masks: Sequence[str] | None = None,
    thickness: Positive | Sequence[Positive] | None = None,
    interleave: Count | Sequence[Count] | None = None,
    resolution: Positive = 0.8,
    slice_axis: Axis | Sequence[Axis] | None = None,
    volume: int | Literal["all"] | None = None,
    motion: bool = True,
    gain: bool = True,
    bias: BiasDegree = 0,
    noise: NoiseName = "student_t",
    profile: ProfileName = "gaussian",
) -> SliceProblem:
    """Reconstruct a volume from NIfTI stacks of any orientation, spacing and number.

    Args:
        stacks: Files; their affines say where they lie and must be right to a few degrees and
            millimetres. "a.nii.gz:2" is volume 2 of a series.
        masks: One image per stack, or one for all, of the pixels to use (its values above zero). It
            may lie on any grid: it is looked up in world coordinates. Default: finite values above
            zero.
        thickness: Thickness of the slices in mm, one number per stack or one for all; default: the
            spacing of the slices.
        interleave: k, where slices were acquired 0, k, 2k, ..., 1, k + 1, ... (1: in order), one
            number per stack or one for all: motion then goes on smoothly in time. Default: not
            known, each slice moves by itself.
        resolution: Voxel size in mm of the volume that is written.
        slice_axis: The axis of the files' arrays along which slices lie, one number per stack or
            one for all. Default: the axis that a NIfTI header names; otherwise the last, and a file
            whose voxels are longer along another is refused.
        volume: The volume of 4-D series (dynamics); "all" for every one as a stack of its own.
        motion: Learn the motion of each slice.
        gain: Learn a factor for each slice.
        bias: Degree of the learnt bias field of each stack, as in `SliceAcquisition`; 0 for none.
        noise: The noise model, whose scale is learnt for each slice, so that bad slices lose
            weight. "student_t" (4 degrees of freedom) also discounts bad pixels, "gaussian" does
            not.
        profile: The slice profile that a pixel looks through, as in `SliceAcquisition`.

    Returns:
        The problem in world coordinates.

    Raises:
        ValueError: Lists have other lengths, stacks do not overlap, or `read_stack` refuses a file.
    """
    if not stacks:
        raise ValueError("slices: there are no stacks. --stacks a.nii.gz b.nii.gz")
    masks_of = _of_each("masks", masks, len(stacks))
    axes = _of_each("slice axes", slice_axis, len(stacks))
    thick = _of_each("thicknesses", thickness, len(stacks))
    woven = _of_each("interleaves", interleave, len(stacks))
    read = [
        stack
        for path, mask, t, axis, k in zip(stacks, masks_of, thick, axes, woven, strict=True)
        for stack in read_stacks(
            path, mask=mask, thickness=t, slice_axis=axis, interleave=k, volume=volume
        )
    ]
    return problem_of(
        read,
        resolution=resolution,
        motion=motion,
        gain=gain,
        bias=bias,
        noise=noise,
        profile=profile,
    )


def _of_each(name: str, values: Any, count: int) -> list[Any]:
    """One value per stack, from one for all or one for each."""
    if values is None:
        return [None] * count
    if not isinstance(values, Sequence) or isinstance(values, str):
        return [values] * count
    if len(values) not in (1, count):
        raise ValueError(
            f"slices: {len(values)} {name} for {count} stacks; give one each, or one for all."
        )
    return [*values] * (count // len(values))


@checked
def simulated_slices(
    volume: str = "mni152",
    *,
    orientations: Sequence[str] = ("axial", "coronal", "sagittal"),
    slicing: Slicing = Slicing(),
    motion: Motion = Motion(),
    artefacts: Artefacts = Artefacts(),
    resolution: Positive = 2.0,
    learn_motion: bool = True,
    learn_bias: BiasDegree = 0,
    noise: NoiseName = "student_t",
    seed: WholeNumber = 0,
) -> SliceProblem:
    """Reconstruct a volume from stacks of moving slices that `simulate_stacks` makes of it.

    Args:
        volume: A file, or nilearn's "mni152".
        orientations: The orientations of the stacks, as in `simulate_stacks`.
        slicing: How the subject is cut.
        motion: How the subject moves.
        artefacts: How the pixels are disturbed.
        resolution: Voxel size in mm of the volume that is written.
        learn_motion: Learn the motion of each slice, as `motion` in `slices`.
        learn_bias: Degree of the learnt bias field of each stack, as `bias` in `slices`.
        noise: The noise model, as in `slices`.
        seed: Seed of the simulation.

    Returns:
        The problem, with the volume as its reference.

    Raises:
        ValueError: `volume_field` refuses the volume, or an orientation is unknown.
    """
    truth, box = volume_field(volume)
    stacks = simulate_stacks(
        truth, box, orientations, slicing=slicing, motion=motion, artefacts=artefacts, seed=seed
    )
    return problem_of(
        stacks,
        resolution=resolution,
        motion=learn_motion,
        bias=learn_bias,
        noise=noise,
        reference=truth,
    )


@checked
def volume_field(name: str) -> tuple[SampledField, Box]:
    """A volume in world coordinates (mm) whose largest value is one.

    Args:
        name: A file, or nilearn's "mni152" at 1 mm.

    Returns:
        The volume as a field, and its box in mm.

    Raises:
        ValueError: The file is no 3-D image of one channel, or has no diagonal affine.
    """
    values, affine = _volume(name)
    h = affine[:3, :3].diagonal()
    if not torch.equal(affine[:3, :3], torch.diag(h)) or bool((h <= 0).any()):
        raise ValueError(
            f"{name}: the volume's axes must be those of the world (a diagonal affine), "
            f"got {affine}."
        )
    lower = affine[:3, 3] - 0.5 * h
    upper = lower + h * torch.tensor(values.shape[:3])
    box = Box(tuple(lower.tolist()), tuple(upper.tolist()), ("mm",) * 3)
    grid = Grid(box, tuple(values.shape[:3])).with_affine(affine.tolist())
    return SampledField(values / values.max(), grid), box


def _volume(name: str) -> tuple[Tensor, Tensor]:
    """Values (*shape, 1) of a file or template, and its affine (4, 4) in float64."""
    if name == "mni152":
        return _template()
    values, grid = read_image(name)
    if grid.affine is None or grid.ndim != 3 or values.shape[-1] != 1:
        raise ValueError(
            f"{name}: slices are simulated from a 3-D image of one channel with an affine."
        )
    return values, torch.tensor(grid.affine, dtype=torch.float64)


def _template() -> tuple[Tensor, Tensor]:
    import numpy as np
    from nilearn.datasets import load_mni152_template

    image: Any = load_mni152_template(resolution=1)
    values = torch.from_numpy(np.asarray(image.dataobj, dtype=np.float32))[..., None]
    return values, torch.tensor(np.asarray(image.affine), dtype=torch.float64)
