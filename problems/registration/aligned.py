"""Figures and files of a registration, and the classical ways to align two images."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from inverse_inr import Problem, SampledField, Solution, predict, priors, solve
from inverse_inr.io import write_image, write_nifti, write_npz
from inverse_inr.operators import deform_jacobian
from inverse_inr.ranges import Positive, WholeNumber, checked
from inverse_inr.solver import Ended

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor


def unregistered(problem: Problem) -> Solution:
    """No displacement, to show how far apart the images are.

    Args:
        problem: A problem of `register`.

    Returns:
        A displacement of zero everywhere.
    """
    zero = torch.zeros(*problem.grid.shape, problem.channels)
    return Solution(
        SampledField(zero, problem.grid),
        problem,
        "no registration",
        stopped=Ended("direct", "nothing done"),
    )


def optical_flow(problem: Problem) -> Solution:
    """TV-L1 optical flow of scikit-image, for images of the same contrast.

    Args:
        problem: A problem of `register`.

    Returns:
        The displacement in the unit of the box.

    Source:
        Zach, Pock & Bischof 2007.
    """
    from skimage.registration import optical_flow_tvl1

    began = time.perf_counter()
    fixed = problem.terms[0].y.reshape(problem.grid.shape).double().numpy()
    moving = through(unregistered(problem)).double().numpy()
    flow: np.ndarray = np.asarray(optical_flow_tvl1(fixed, moving))
    values = torch.from_numpy(flow).movedim(0, -1).float() * torch.tensor(problem.grid.spacing)
    return Solution(
        SampledField(values, problem.grid),
        problem,
        "TV-L1 flow",
        seconds=time.perf_counter() - began,
        stopped=Ended("direct", "scikit-image's defaults"),
    )


@checked
def b_spline(problem: Problem, spacing: Positive = 8.0, seed: WholeNumber = 0) -> Solution:
    """Fit the displacement of a cubic B-spline grid to the same problem, by L-BFGS.

    Args:
        problem: A problem of `register`.
        spacing: Distance between nodes of the grid in pixels.
        seed: Seed of the fit.

    Returns:
        The displacement in the unit of the box.

    Source:
        Rueckert et al. 1999.
    """
    cells = max(2.0, round(max(problem.grid.shape) / spacing))
    prior = priors.create(
        "grid", problem.box, problem.channels, cells=cells, order=3, head="vector", seed=seed
    )
    solution = solve(problem, prior, optimizer="lbfgs", points=256, seed=seed, callbacks=[])
    return replace(solution, method="B-spline grid")


@torch.no_grad()
def through(solution: Solution) -> Tensor:
    """The moving image, seen through the displacement.

    Args:
        solution: A solution of a problem of `register`.

    Returns:
        (*shape), on the fixed image's grid.
    """
    return predict(solution.problem.terms[0].operator, solution.field).reshape(
        solution.problem.grid.shape
    )


def registration_figure(problem: Problem, solutions: Sequence[Solution]) -> Figure:
    """Draw the fixed image, the difference that each method leaves, and det ∇φ of the last.

    Args:
        problem: A problem of `register`.
        solutions: Its solutions.

    Returns:
        The figure; of a volume it shows middle slices.
    """
    from matplotlib.figure import Figure

    def middle(image: Tensor) -> np.ndarray:
        if image.ndim == 3:
            image = image[..., image.shape[2] // 2]
        return image.detach().numpy()

    fixed = problem.terms[0].y.reshape(problem.grid.shape)
    figure = Figure(figsize=(2.6 * (len(solutions) + 2), 3.0), layout="constrained")
    axes = figure.subplots(1, len(solutions) + 2)
    axes[0].imshow(middle(fixed), cmap="gray")
    axes[0].set_title("fixed", fontsize="medium")
    rest = [through(s) - fixed for s in solutions]
    span = _span(rest[0])
    for ax, solution, left in zip(axes[1:-1], solutions, rest, strict=True):
        ax.imshow(middle(left), cmap="RdBu", vmin=-span, vmax=span)
        ax.set_title(
            f"{solution.method}\nrms {float(left.square().mean().sqrt()):.4f}", fontsize="medium"
        )
    shown = axes[-1].imshow(middle(determinants(solutions[-1])), cmap="PuOr", vmin=0, vmax=2)
    axes[-1].set_title("det ∇φ", fontsize="medium")
    figure.colorbar(shown, ax=axes[-1], shrink=0.7)
    for ax in axes:
        ax.set_axis_off()
    return figure


def _span(difference: Tensor) -> float:
    """The range of a difference that is drawn; torch takes no quantile of more than 2^24 values."""
    size = difference.abs()
    if size.numel() < 2**24:
        return float(size.quantile(0.995))
    return float(size.max())


def determinants(solution: Solution) -> Tensor:
    """The local change of volume det ∇φ of the deformation φ(x) = x + u(x), at the pixels.

    Args:
        solution: A solution of a problem of `register`.

    Returns:
        (*shape); a value below 0 means that the deformation folds.
    """
    grid = solution.problem.grid
    points = grid.points().reshape(-1, grid.ndim)
    parts = [
        torch.linalg.det(deform_jacobian(solution.field, p)).detach() for p in points.split(8192)
    ]
    return torch.cat(parts).reshape(grid.shape)


def write_registration(solution: Solution, folder: Path) -> list[Path]:
    """Write the moving image aligned, and the displacement.

    Args:
        solution: A solution of a problem of `register`.
        folder: The folder, which exists.

    Returns:
        aligned.png and displacement.npz in 2-D, aligned.nii.gz and displacement.nii.gz in 3-D.
    """
    grid = solution.problem.grid
    image = through(solution)[..., None]
    displacement = solution.sample(grid)
    if grid.ndim == 3:
        paths = [folder / "aligned.nii.gz", folder / "displacement.nii.gz"]
        write_nifti(paths[0], image, grid)
        write_nifti(paths[1], displacement, grid)
    else:
        paths = [folder / "aligned.png", folder / "displacement.npz"]
        write_image(paths[0], image, grid)
        write_npz(paths[1], displacement, grid)
    return paths
