"""Slice-to-volume reconstruction: one sharp volume from stacks of thick slices between which the subject has moved.

Volume, motion and gain of every slice and its noise are found together; no organ is assumed and no network is trained.
The box is in world coordinates (mm), so that what is written lies on the stacks it came from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor

from inverse_inr import Box, Field, Grid, SampledField, Suggestion, Term
from inverse_inr.fidelity import LearntScale
from inverse_inr.operators.slices.acquisition import SliceAcquisition, Slices
from inverse_inr.problems.slices.baselines import average, super_resolution
from inverse_inr.problems.slices.output import draw, write
from inverse_inr.problems.slices.simulation import Artefacts, Motion, Slicing, simulate_stacks
from inverse_inr.problems.slices.stacks import SliceProblem, Stack, read_stack
from inverse_inr.regularizers import L1
from inverse_inr.stopping import HeldOut

NoiseName = Literal["student_t", "gaussian"]


def slices(
    stacks: Sequence[str],
    *,
    masks: Sequence[str] | None = None,
    thickness: Sequence[float] | None = None,
    interleave: Sequence[int] | None = None,
    resolution: float = 0.8,
    slice_axis: int = 2,
    motion: bool = True,
    gain: bool = True,
    bias: int = 0,
    noise: NoiseName = "student_t",
    profile: str = "gaussian",
) -> SliceProblem:
    """A volume from NIfTI stacks of any orientation, spacing and number.

    stacks      files; their affines say where they lie and must be right to a few degrees and millimetres
    masks       one a stack, of the pixels to use (on any grid); default: finite values above zero
    thickness   of the slices in mm, one number a stack or one for all; default: the spacing of the slices
    interleave  k where slices were acquired 0, k, 2k, ..., 1, k + 1, ... (1: in order), one number a stack or one for
                all: motion then goes on smoothly in time. Default: not known, each slice moves by itself.
    resolution  voxel size in mm of the volume that is written
    slice_axis  axis of the files' arrays along which slices lie
    motion, gain, bias, profile  what is learnt and through what a pixel looks: as of `SliceAcquisition`
    noise       of a scale learnt for each slice, so that bad slices lose weight: "student_t" (4 degrees of freedom:
                bad pixels too), "gaussian"
    Raises ValueError for lists of other lengths, stacks that do not overlap, and what `read_stack` refuses.
    """
    if not stacks:
        raise ValueError("slices: there are no stacks. --stacks a.nii.gz b.nii.gz")
    masks_of: Sequence[str | None] = [None] * len(stacks) if masks is None else masks
    if len(masks_of) != len(stacks):
        raise ValueError(
            f"slices: {len(masks_of)} masks for {len(stacks)} stacks; give one for each."
        )
    thick, woven = (
        _of_each(n, v, len(stacks))
        for n, v in (("thicknesses", thickness), ("interleaves", interleave))
    )
    read = [
        read_stack(path, mask=mask, thickness=t, slice_axis=slice_axis, interleave=k)
        for path, mask, t, k in zip(stacks, masks_of, thick, woven, strict=True)
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


def _of_each(name: str, values: Sequence[Any] | None, count: int) -> list[Any]:
    """One value a stack. Raises ValueError for neither one nor `count` of them."""
    if values is None:
        return [None] * count
    if len(values) not in (1, count):
        raise ValueError(
            f"slices: {len(values)} {name} for {count} stacks; give one each, or one for all."
        )
    return [*values] * (count // len(values))


def simulated_slices(
    volume: str = "mni152",
    *,
    orientations: Sequence[str] = ("axial", "coronal", "sagittal"),
    slicing: Slicing = Slicing(),
    motion: Motion = Motion(),
    artefacts: Artefacts = Artefacts(),
    resolution: float = 2.0,
    learn_motion: bool = True,
    learn_bias: int = 0,
    noise: NoiseName = "student_t",
    seed: int = 0,
) -> SliceProblem:
    """Stacks of moving slices simulated from a volume (a file, or nilearn's "mni152") by `simulate_stacks`.

    slicing, motion, artefacts  how the subject is cut, how it moves, and what is wrong with the pixels
    resolution                  voxel size in mm of the volume that is written
    learn_motion, learn_bias, noise  what the model learns, and its noise: as `motion`, `bias` and `noise` of `slices`
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


def volume_field(name: str) -> tuple[SampledField, Box]:
    """A volume in world coordinates whose values end at one. Raises ValueError for an affine that is not diagonal."""
    import numpy as np

    from inverse_inr.io import read_image

    if name == "mni152":
        from nilearn.datasets import load_mni152_template

        image = load_mni152_template(resolution=1)
        values = torch.from_numpy(np.asarray(image.dataobj, dtype=np.float32))[..., None]  # pyright: ignore
        affine = torch.tensor(np.asarray(image.affine), dtype=torch.float64)  # pyright: ignore
    else:
        values, grid = read_image(name)
        if grid.affine is None or grid.ndim != 3 or values.shape[-1] != 1:
            raise ValueError(
                f"{name}: slices are simulated from a 3-D image of one channel with an affine."
            )
        affine = torch.tensor(grid.affine, dtype=torch.float64)
    h = affine[:3, :3].diagonal()
    if not torch.equal(affine[:3, :3], torch.diag(h)) or bool((h <= 0).any()):
        raise ValueError(
            f"{name}: the volume's axes must be those of the world (a diagonal affine), got {affine}."
        )
    lower = affine[:3, 3] - 0.5 * h
    upper = lower + h * torch.tensor(values.shape[:3])
    box = Box(tuple(lower.tolist()), tuple(upper.tolist()), ("mm",) * 3)
    grid = Grid(box, tuple(values.shape[:3])).with_affine(affine.tolist())
    return SampledField(values / values.max(), grid), box


def problem_of(
    stacks: Sequence[Stack],
    *,
    resolution: float = 0.8,
    motion: bool = True,
    gain: bool = True,
    bias: int = 0,
    noise: NoiseName = "student_t",
    profile: str = "gaussian",
    known_motion: bool = False,
    reference: Field | None = None,
) -> SliceProblem:
    """The problem of some stacks: one term, whose rows are the usable pixels.

    Measurements are divided by their 99th percentile, so that the field is of order one (`notes` has the number, and
    what is written is multiplied again). Slices without a usable pixel are left out.
    known_motion  simulated stacks only: the slices lie at their true poses, and `motion` is not learnt
    """
    if not resolution > 0:
        raise ValueError(f"slices: resolution={resolution} must be positive (mm).")
    _require_overlap(stacks)
    geometry, y, where = _pixels(stacks, known_motion)
    scale = float(torch.quantile(y[:: 1 + len(y) // 2**22], 0.99))
    if not scale > 0:
        raise ValueError(
            "slices: 99 % of the pixels are zero or negative. Magnitude images have positive values."
        )
    box = _box(geometry, resolution)
    shape = tuple(round(n / resolution) for n in box.lengths)
    grid = Grid(box, shape)
    affine = torch.diag(torch.tensor([*grid.spacing, 1.0], dtype=torch.float64))
    affine[:3, 3] = torch.tensor(
        [a + 0.5 * h for a, h in zip(box.lower, grid.spacing, strict=True)]
    )
    grid = grid.with_affine(affine.tolist())
    draws = None if profile == "sinc" else 8  # its negative lobes make few draws noisy
    operator = SliceAcquisition(
        box,
        geometry,
        profile,
        draws=draws,
        motion=motion and not known_motion,
        gain=gain,
        bias=bias,
    )
    model = LearntScale(geometry.index, 0.1, degrees=4.0 if noise == "student_t" else None)
    truth = None if reference is None else partial(_scaled, reference, scale)
    notes = {
        "stacks": f"{len(stacks)}, {len(geometry.poses)} slices with {len(y)} pixels",
        "masked values that are no numbers": sum(
            int((s.mask & ~torch.isfinite(s.values)).sum()) for s in stacks
        ),
        "unit of the field": f"{scale:.6g} of the stacks' own",
    }
    return SliceProblem(
        [Term(operator, y / scale, model)],
        box,
        grid,
        reference=truth,
        notes=notes,
        average=2,
        suggested=_suggestion(box, geometry),
        stacks=list(stacks),
        where=where,
        unit=scale,
    )


def _scaled(field: Field, scale: float, points: Tensor) -> Tensor:
    return field(points) / scale


def _suggestion(box: Box, geometry: Slices) -> Suggestion:
    """Levels from 8 cells to one and a half pixels a cell, let in one after the other while motion is rough."""
    finest = max(9.0, max(box.lengths) / (1.5 * float(geometry.sizes[:, :2].min())))
    options = {
        "levels": 6,
        "coarsest": 8,
        "finest": finest,
        "features": 4,
        "width": 32,
        "depth": 1,
        "log2_table": 21,
        "coarse_to_fine": 0.2,
    }
    methods = {"weighted average": average, "super-resolution CG": super_resolution}
    nothing = (1e-3 * L1(),)  # where no pixel looks there is nothing; too weak to be seen elsewhere
    return Suggestion(
        prior="hash",
        options=options,
        regularizers=nothing,
        steps=850,
        batch=3072,
        operator_lr=0.1,
        stopping=HeldOut(fraction=0.02, every=200, limit=2048),
        baselines=methods,
        figure=draw,
        write=write,
    )


def _pixels(stacks: Sequence[Stack], known_motion: bool) -> tuple[Slices, Tensor, Tensor]:
    """Geometry of the usable pixels, their values, and stack and number of each slice that is left, (n, 2)."""
    parts = [stack.slices() for stack in stacks]
    everything = Slices.join([geometry for geometry, _ in parts])
    if known_motion:
        poses = [s.true_poses for s in stacks if s.true_poses is not None]
        if len(poses) != len(stacks):
            raise ValueError("slices: known_motion is for simulated stacks, which have true_poses.")
        everything = replace(everything, poses=torch.cat(poses))
    use = torch.cat([s.flat(s.usable) for s in stacks])
    chosen, y = everything.select(use), torch.cat([values for _, values in parts])[use].float()
    kept = torch.bincount(chosen.index, minlength=len(chosen.poses)) > 0
    number = torch.cat([torch.arange(s.values.shape[2]) for s in stacks])
    where = torch.stack([everything.stack, number], -1)[kept]
    geometry = Slices(
        chosen.poses[kept],
        chosen.sizes[kept],
        (kept.cumsum(0) - 1)[chosen.index],
        chosen.positions,
        chosen.stack[kept],
        chosen.times()[kept],
    )
    return geometry, y, where


def _box(geometry: Slices, resolution: float) -> Box:
    """Around the pixels, with room for half a slice and for motion, in whole voxels."""
    x = geometry.centers()
    margin = 0.5 * float(geometry.sizes[:, 2].max()) + 2 * resolution
    lower = ((x.amin(0) - margin) / resolution).floor() * resolution
    upper = ((x.amax(0) + margin) / resolution).ceil() * resolution
    return Box(tuple(lower.tolist()), tuple(upper.tolist()), ("mm",) * 3)


def _require_overlap(stacks: Sequence[Stack]) -> None:
    """Raises ValueError where the pixels of a stack share no part of space with those of the others."""
    extents = []
    for stack in stacks:
        geometry, _ = stack.slices()
        x = geometry.select(stack.flat(stack.usable)).centers()
        extents.append((x.amin(0), x.amax(0)))
    for k, (lower, upper) in enumerate(extents):
        others = [e for j, e in enumerate(extents) if j != k]
        if others and not any(
            bool((torch.maximum(lower, a) < torch.minimum(upper, b)).all()) for a, b in others
        ):
            raise ValueError(
                f"slices: {stacks[k].name} lies between {_point(lower)} and {_point(upper)} mm and overlaps none "
                "of the other stacks. Different sessions, or an affine that a conversion has lost?"
            )


def _point(x: Tensor) -> str:
    return "(" + ", ".join(f"{v:.0f}" for v in x.tolist()) + ")"
