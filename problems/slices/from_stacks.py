"""The problem of a volume from stacks in memory: geometry, box, noise model and suggestion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from inverse_inr import Box, Field, Grid, Suggestion, Term, memory
from inverse_inr.fidelity import LearntScale
from inverse_inr.operators.slices.acquisition import SliceAcquisition, Slices
from inverse_inr.operators.slices.nuisance import BiasDegree
from inverse_inr.problems.slices.baselines import average, super_resolution
from inverse_inr.problems.slices.candidates import volume_and_least_squares
from inverse_inr.problems.slices.output import draw, write
from inverse_inr.problems.slices.scales import check_scales
from inverse_inr.problems.slices.stacks import SliceProblem, Stack
from inverse_inr.ranges import Positive, checked
from inverse_inr.regularizers import L1
from inverse_inr.stopping import HeldOut

NoiseName = Literal["student_t", "gaussian"]
ProfileName = Literal["gaussian", "sinc", "rect"]


@checked
def problem_of(
    stacks: Sequence[Stack],
    *,
    resolution: Positive = 0.8,
    motion: bool = True,
    gain: bool = True,
    bias: BiasDegree = 0,
    noise: NoiseName = "student_t",
    profile: ProfileName = "gaussian",
    known_motion: bool = False,
    reference: Field | None = None,
) -> SliceProblem:
    """The problem of a volume from stacks: one term, whose rows are the usable pixels.

    Measurements are divided by their 99th percentile, so that the field is of order one (`notes`
    has the number, and files are written in the stacks' own unit). Slices without a usable pixel
    are left out.

    Args:
        stacks: The stacks, which must overlap.
        resolution: Voxel size in mm of the volume that is written.
        motion: Learn the motion of each slice.
        gain: Learn a factor for each slice.
        bias: Degree of the learnt bias field of each stack; 0 for none.
        noise: The noise model, whose scale is learnt for each slice.
        profile: The slice profile that a pixel looks through, as in `SliceAcquisition`.
        known_motion: Simulated stacks only: the slices lie at their true poses, and `motion` is not
            learnt.
        reference: The true volume in the stacks' own unit, for metrics.

    Returns:
        The problem in world coordinates (mm).

    Raises:
        ValueError: The resolution is not positive, the stacks do not overlap, most pixels are not
            positive, or the true poses are not known.
    """
    check_scales(stacks)
    _require_overlap(stacks)
    geometry, y, where = _pixels(stacks, known_motion)
    scale = float(torch.quantile(y[:: 1 + len(y) // 2**22], 0.99))
    if not scale > 0:
        raise ValueError(
            "slices: 99 % of the pixels are zero or negative. "
            "Magnitude images have positive values."
        )
    box = _box(geometry, resolution)
    voxels = math.prod(n / resolution for n in box.lengths)
    memory.require(
        f"slices: resolution={resolution} mm in a box of "
        f"{' x '.join(f'{n:.4g}' for n in box.lengths)} mm",
        32 * voxels,
    )
    draws = 8
    if profile == "sinc":  # its negative lobes make few draws noisy
        draws = None
    operator = SliceAcquisition(
        box,
        geometry,
        profile,
        draws=draws,
        motion=motion and not known_motion,
        gain=gain,
        bias=bias,
    )
    degrees = None
    if noise == "student_t":
        degrees = 4.0
    model = LearntScale(geometry.index, 0.1, degrees=degrees)
    truth = None
    if reference is not None:
        truth = partial(_scaled, reference, scale)
    notes = {
        "stacks": f"{len(stacks)}, {len(geometry.poses)} slices with {len(y)} pixels",
        "masked values that are no numbers": sum(
            int((s.mask & ~torch.isfinite(s.values)).sum()) for s in stacks
        ),
        "unit of the field": f"{scale:.6g} of the stacks' own",
    }
    remarks = [sentence for stack in stacks for sentence in stack.remarks]
    if remarks:
        notes["files"] = " ".join(dict.fromkeys(remarks))
    return SliceProblem(
        [Term(operator, y / scale, model)],
        box,
        _world_grid(box, resolution),
        reference=truth,
        notes=notes,
        average=2,
        suggested=_suggestion(box, geometry),
        stacks=list(stacks),
        where=where,
        unit=scale,
    )


def _world_grid(box: Box, resolution: float) -> Grid:
    """The voxels of the box, with the affine that leads from their index to the world."""
    grid = Grid(box, tuple(round(n / resolution) for n in box.lengths))
    affine = torch.diag(torch.tensor([*grid.spacing, 1.0], dtype=torch.float64))
    affine[:3, 3] = torch.tensor(
        [a + 0.5 * h for a, h in zip(box.lower, grid.spacing, strict=True)]
    )
    return grid.with_affine(affine.tolist())


def _scaled(field: Field, scale: float, points: Tensor) -> Tensor:
    return field(points) / scale


def _suggestion(box: Box, geometry: Slices) -> Suggestion:
    """Hash levels from 8 cells to one and a half pixels per cell, which join one after the other.

    The fine ones wait while motion is rough.
    """
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
    nothing = (1e-3 * L1(),)  # zero where no pixel looks; too weak to be seen elsewhere
    return Suggestion(
        prior="hash",
        options=options,
        regularizers=nothing,
        steps=850,
        batch=3072,
        operator_lr=0.1,
        stopping=HeldOut(fraction=0.02, every=200, limit=2048),
        baselines=methods,
        candidates=volume_and_least_squares,
        figure=draw,
        write=write,
    )


def _pixels(stacks: Sequence[Stack], known_motion: bool) -> tuple[Slices, Tensor, Tensor]:
    """Geometry and values of the usable pixels; (n, 2) stack and number of each slice left."""
    parts = [stack.slices() for stack in stacks]
    everything = Slices.join([geometry for geometry, _ in parts])
    if known_motion:
        poses = [s.true_poses for s in stacks if s.true_poses is not None]
        if len(poses) != len(stacks):
            raise ValueError("slices: known_motion is for simulated stacks, which have true_poses.")
        everything = replace(everything, poses=torch.cat(poses))
    use = torch.cat([s.flat(s.usable) for s in stacks])
    chosen = everything.select(use)
    y = torch.cat([values for _, values in parts])[use].float()
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
    """A box around the pixels, with room for half a slice and for motion, in whole voxels."""
    x = geometry.centers()
    margin = 0.5 * float(geometry.sizes[:, 2].max()) + 2 * resolution
    lower = ((x.amin(0) - margin) / resolution).floor() * resolution
    upper = ((x.amax(0) + margin) / resolution).ceil() * resolution
    return Box(tuple(lower.tolist()), tuple(upper.tolist()), ("mm",) * 3)


def _require_overlap(stacks: Sequence[Stack]) -> None:
    """Refuse stacks of which one shares no part of space with the others."""
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
                f"slices: {stacks[k].name} lies between {_point(lower)} and {_point(upper)} mm "
                "and overlaps none of the other stacks. "
                "Different sessions, or an affine that a conversion has lost?"
            )


def _point(x: Tensor) -> str:
    return "(" + ", ".join(f"{v:.0f}" for v in x.tolist()) + ")"
