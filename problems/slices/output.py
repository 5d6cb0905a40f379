"""Files and figures of a reconstruction from slices.

They show the volume, its uncertainty, poses and weights, simulated slices and three planes.
"""

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
"""The world axis across each plane that is drawn."""

COLUMNS = (
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
    *(f"pose_{i}{j}" for i in range(3) for j in range(4)),
)
"""The columns of poses.csv, one line per slice."""


def write(solution: Solution, folder: Path) -> list[Path]:
    """Write the volume, its uncertainty, the poses and the simulated stacks.

    Args:
        solution: A solution of a problem of slices.
        folder: The folder, which exists.

    Returns:
        volume.nii.gz and uncertainty.nii.gz in the stacks' unit, poses.csv, and one file per stack
        in simulated/.
    """
    problem, _ = as_slices(solution.problem)
    names = ("volume.nii.gz", "uncertainty.nii.gz", "poses.csv")
    volume, error, poses = (folder / name for name in names)
    predicted = simulated_pixels(solution)
    deviation, covered = uncertainty(solution, predicted)
    image = torch.where(covered[..., None], solution.sample(), 0.0)
    write_nifti(volume, problem.unit * image, problem.grid)
    write_nifti(error, problem.unit * deviation[..., None], problem.grid)
    _write_poses(poses, problem)
    return [volume, error, poses, *_write_simulated(problem, predicted, folder / "simulated")]


def _write_simulated(problem: SliceProblem, predicted: Tensor, folder: Path) -> list[Path]:
    """One file per stack, with the pixels that the solution predicts."""
    folder.mkdir(exist_ok=True)
    paths = []
    at = 0
    for k, stack in enumerate(problem.stacks):
        use = stack.flat(stack.usable)
        pixels = torch.zeros(use.shape)
        pixels[use] = problem.unit * predicted[at : at + int(use.sum())].cpu().float()
        at += int(use.sum())
        name = stack.name.removesuffix(".gz").removesuffix(".nii")
        paths.append(folder / f"{k}_{name}.nii.gz")
        stack.write(paths[-1], stack.volume(pixels))
    return paths


@torch.no_grad()
def uncertainty(solution: Solution, predicted: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Standard error of each voxel, and where the slices say anything of it.

    With a_j the part that pixel j sees of a voxel, w_j its slice's weight and r_j its residual at a
    gain of one,

        s² = (Σ a w r² / Σ a w) · Σ a² w² / (Σ a w)²

    This is the local mean squared disagreement over the effective number of pixels: the error of a
    weighted mean. It does not see errors that all slices share, as those of the prior or of the
    profile.

    Args:
        solution: A solution of a problem of slices.
        predicted: (pixels,) of `simulated_pixels`, where they are known already.

    Returns:
        The standard error in the unit of the field, NaN where no slice looks, and a boolean that is
        True where slices look; both (*grid.shape).
    """
    term = solution.problem.terms[0]
    _, operator = as_slices(solution.problem)
    if predicted is None:
        predicted = simulated_pixels(solution)
    weight = slice_weights(solution.problem)[operator.index].to(predicted)
    gain = operator.gains()[operator.index].to(predicted)
    squared = ((predicted - term.y.to(predicted)) / gain).square()
    # a_j has the gain, and is divided by it
    columns = torch.stack([weight / gain, weight * squared / gain, (weight / gain).square()], -1)
    sums = spread(operator, solution.problem.grid, columns, (1, 1, 2))
    seen, disagreement, second = sums.unbind(-1)
    covered = seen > 0.02 * seen[seen > 0].median()
    variance = disagreement / seen * second / seen.square()
    return torch.where(covered, variance.sqrt(), torch.nan).float(), covered


def slice_weights(problem: Problem) -> Tensor:
    """The weight of each slice: min(1, (median s / s)²), with s its noise divided by its gain.

    Args:
        problem: A problem of slices.

    Returns:
        (slices,), 1 for a slice that is as good as the median or better.
    """
    model = problem.terms[0].fidelity
    _, operator = as_slices(problem)
    if not isinstance(model, LearntScale):
        return torch.ones(len(operator.poses))
    sigma = model.sigma().detach() / operator.gains().detach()
    return (sigma.median() / sigma).square().clamp(max=1)


@torch.no_grad()
def _write_poses(path: Path, problem: SliceProblem) -> None:
    """One line per slice: its motion from the nominal pose, gain, noise, weight and pose.

    The pose leads from the slice's frame to the world, in mm.
    """
    model = problem.terms[0].fidelity
    _, operator = as_slices(problem)
    poses = operator.moved()
    turn = rotation_vector(compose(poses, inverse(operator.poses.double()))[:, :3, :3]).rad2deg()
    shift = poses[:, :3, 3] - operator.poses[:, :3, 3]
    sigma = torch.ones(len(poses))
    if isinstance(model, LearntScale):
        sigma = model.sigma()
    counts = torch.bincount(operator.index, minlength=len(poses))
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
        table.writerow(COLUMNS)
        for (stack, number), count, row in zip(
            problem.where.tolist(), counts.tolist(), numbers.tolist(), strict=True
        ):
            table.writerow(
                [stack, problem.stacks[stack].name, number, count, *(f"{v:.7g}" for v in row)]
            )


def draw(problem: Problem, solutions: Sequence[Solution]) -> Figure | None:
    """Draw three planes through the middle of what the slices saw.

    Args:
        problem: The problem of slices.
        solutions: Its solutions, one row each; the truth is the first row where it is known.

    Returns:
        The figure.
    """
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
    if not top > 0:
        top = 1.0
    axes = plotting.gallery(rows, value_range=(0.0, top))
    return axes.flat[0].figure


def _plane(volume: Tensor, axis: int, k: int) -> Tensor:
    """One plane as seen in the clinic: up (or front) is at the top."""
    return volume[..., 0].select(axis, k).T.flip(0)
