"""What a reconstruction from slices writes: volume, uncertainty, poses and weights, simulated slices, three planes."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from inverse_inr import Problem, Solution, sample
from inverse_inr.fidelity import LearntScale
from inverse_inr.io import atomic_write, write_nifti
from inverse_inr.operators.rigid import compose, inverse, rotation_vector
from inverse_inr.problems.slices.baselines import simulated_pixels, spread
from inverse_inr.problems.slices.stacks import SliceProblem, as_slices

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PLANES = {"sagittal": 0, "coronal": 1, "axial": 2}


def write(solution: Solution, folder: Path) -> list[Path]:
    """volume.nii.gz and uncertainty.nii.gz in the stacks' unit, poses.csv, simulated/ with one file a stack."""
    problem, _ = as_slices(solution.problem)
    grid, paths = (
        problem.grid,
        [folder / n for n in ("volume.nii.gz", "uncertainty.nii.gz", "poses.csv")],
    )
    predicted = simulated_pixels(solution)
    error, covered = uncertainty(solution, predicted)
    write_nifti(
        paths[0], problem.unit * torch.where(covered[..., None], solution.sample(), 0.0), grid
    )
    write_nifti(paths[1], problem.unit * error[..., None], grid)
    _write_poses(paths[2], problem)
    (folder / "simulated").mkdir(exist_ok=True)
    at = 0
    for k, stack in enumerate(problem.stacks):
        use = stack.flat(stack.usable)
        pixels = torch.zeros(use.shape)
        pixels[use] = problem.unit * predicted[at : at + int(use.sum())].cpu().float()
        at += int(use.sum())
        name = stack.name.removesuffix(".gz").removesuffix(".nii")
        paths.append(folder / "simulated" / f"{k}_{name}.nii.gz")
        stack.write(paths[-1], stack.volume(pixels))
    return paths


@torch.no_grad()
def uncertainty(solution: Solution, predicted: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Standard error of each voxel, and where the slices say anything of it: both (*grid.shape).

    With a_j the part that pixel j sees of a voxel, w_j its slice's weight and r_j its residual at a gain of one,

        s² = (Σ a w r² / Σ a w) · Σ a² w² / (Σ a w)²

    the local mean squared disagreement over the effective number of pixels: the error of a weighted mean. What all
    slices share, an error of the prior or of the profile, it does not see. NaN where no slice looks.
    """
    term, operator = solution.problem.terms[0], as_slices(solution.problem)[1]
    predicted = simulated_pixels(solution) if predicted is None else predicted
    weight, gain = (
        v[operator.index].to(predicted) for v in (slice_weights(solution.problem), operator.gains())
    )
    squared = ((predicted - term.y.to(predicted)) / gain).square()
    columns = torch.stack(
        [weight / gain, weight * squared / gain, (weight / gain).square()], -1
    )  # a_j has the gain
    seen, disagreement, second = spread(operator, solution.problem.grid, columns, (1, 1, 2)).unbind(
        -1
    )
    covered = seen > 0.02 * seen[seen > 0].median()
    variance = disagreement / seen * second / seen.square()
    return torch.where(covered, variance.sqrt(), torch.nan).float(), covered


def slice_weights(problem: Problem) -> Tensor:
    """Of each slice, 1 for one as good as the median or better: min(1, (median s / s)²), s noise by gain."""
    model, operator = problem.terms[0].fidelity, as_slices(problem)[1]
    if not isinstance(model, LearntScale):
        return torch.ones(len(operator.poses))
    sigma = model.sigma().detach() / operator.gains().detach()
    return (sigma.median() / sigma).square().clamp(max=1)


@torch.no_grad()
def _write_poses(path: Path, problem: SliceProblem) -> None:
    """One line a slice: motion from the nominal pose, pose (slice's frame to world), gain, deviation, weight."""
    operator, model = as_slices(problem)[1], problem.terms[0].fidelity
    poses = operator.moved()
    turn = rotation_vector(compose(poses, inverse(operator.poses.double()))[:, :3, :3]).rad2deg()
    shift = poses[:, :3, 3] - operator.poses[:, :3, 3]
    sigma = model.sigma() if isinstance(model, LearntScale) else torch.ones(len(poses))
    counts = torch.bincount(operator.index, minlength=len(poses))
    head = [
        "stack",
        "file",
        "slice",
        "pixels",
        "rotation_x_deg",
        "rotation_y_deg",
        "rotation_z_deg",
        "shift_x_mm",
        "shift_y_mm",
        "shift_z_mm",
        "gain",
        "noise",
        "weight",
    ]
    head += [f"pose_{i}{j}" for i in range(3) for j in range(4)]
    numbers = torch.cat(
        [
            turn,
            shift,
            operator.gains()[:, None],
            problem.unit * sigma[:, None],
            slice_weights(problem)[:, None],
            poses[:, :3].flatten(1),
        ],
        -1,
    )
    with atomic_write(path) as temporary, Path(temporary).open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(head)
        for (stack, number), count, row in zip(
            problem.where.tolist(), counts.tolist(), numbers.tolist(), strict=True
        ):
            table.writerow(
                [stack, problem.stacks[stack].name, number, count, *(f"{v:.7g}" for v in row)]
            )


def draw(problem: Problem, solutions: Sequence[Solution]) -> Figure | None:
    """Three planes through the middle of what the slices saw; a row a method, the truth first where there is one."""
    from inverse_inr import plotting

    centers = as_slices(problem)[1].poses[:, :3, 3]
    middle = [
        min(n - 1, max(0, int((float(c) - a) / h)))
        for c, a, h, n in zip(
            centers.mean(0),
            problem.grid.box.lower,
            problem.grid.spacing,
            problem.grid.shape,
            strict=True,
        )
    ]
    volumes = {s.method: s.sample(problem.grid) for s in solutions}
    if problem.reference is not None:
        volumes = {"truth": sample(problem.reference, problem.grid, average=2)} | volumes
    rows = [
        {f"{name}, {plane}": _plane(v, k, middle[k]) for plane, k in PLANES.items()}
        for name, v in volumes.items()
    ]
    shown = torch.cat([p.flatten() for p in rows[-1].values()])
    top = float(shown.quantile(0.995))
    axes = plotting.gallery(rows, value_range=(0.0, top if top > 0 else 1.0))
    return axes.flat[0].figure


def _plane(volume: Tensor, axis: int, k: int) -> Tensor:
    """As seen in the clinic: up (or front) is at the top."""
    return volume[..., 0].select(axis, k).T.flip(0)
