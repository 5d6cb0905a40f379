"""The classical line for slices, at the poses that the operator has: weighted average, super-resolution by CG."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from inverse_inr import Grid, Problem, SampledField, Solution, as_linear_map, predict
from inverse_inr.baselines import cgls_iterates
from inverse_inr.compose import LinearMap
from inverse_inr.derivatives import gradient_adjoint, grid_gradient
from inverse_inr.fidelity import least_squares
from inverse_inr.least_squares import LeastSquares
from inverse_inr.operators.slices.acquisition import SliceAcquisition
from inverse_inr.problems.slices.stacks import as_slices
from inverse_inr.protocol import evaluating
from inverse_inr.solver import Ended
from inverse_inr.stopping import hold_out, least


@torch.no_grad()
def spread(operator: SliceAcquisition, grid: Grid, pixels: Tensor, powers: Sequence[int]) -> Tensor:
    """Σ_j a_jv^p x_j in each voxel v for columns x of (pixels, k), each with its power p: (*grid.shape, k).

    a_jv is what pixel j sees of voxel v; powers of one are the adjoint. In chunks, without the matrix.
    """
    total = np.zeros((pixels.shape[-1], grid.numel))
    values = pixels.detach().cpu().double().numpy()
    with evaluating(operator):
        for rows in torch.arange(len(operator)).split(2**14):
            row, voxel, share = operator.entries(grid, rows)
            for k, power in enumerate(powers):
                total[k] += np.bincount(voxel, share**power * values[row, k], grid.numel)
    return torch.from_numpy(total.T.copy()).reshape(*grid.shape, -1).to(pixels.device)


@torch.no_grad()
def average(problem: Problem) -> Solution:
    """Each voxel is the mean of the pixels that see it, by how much they see of it: Aᵀ W y / Aᵀ W 1."""
    began = time.perf_counter()
    term, operator = problem.terms[0], as_slices(problem)[1]
    (fit,), (watch,), note = hold_out(problem.suggested.stopping, problem.terms)
    y, precision = least_squares(term.fidelity, term.y)
    used = torch.zeros_like(y)
    used[fit] = precision[fit]
    sums = spread(operator, problem.grid, torch.stack([used * y, used], -1), (1, 1))
    image = torch.where(
        sums[..., 1] > 1e-6 * sums[..., 1].max(), sums[..., 0] / sums[..., 1].clamp(min=1e-30), 0.0
    )
    return Solution(
        SampledField(image[..., None].to(y.dtype), problem.grid),
        problem,
        "weighted average",
        seconds=time.perf_counter() - began,
        stopped=Ended("direct", "poses as given"),
        watched=[watch],
        details=dict(note),
    )


def super_resolution(
    problem: Problem,
    *,
    weights: Sequence[float] = (10.0, 1.0, 0.1, 1e-2, 1e-3),
    iterations: int = 30,
) -> Solution:
    """min_x ½ |A x - y|²_W + ½ λ |Δx|² on the voxels by conjugate gradients (Gholipour et al. 2010, not robust).

    weights: of the Laplacian, relative to the largest curvature of the data term; chosen by held-out pixels.
    """
    began = time.perf_counter()
    term, operator, grid = problem.terms[0], as_slices(problem)[1], problem.grid
    (fit,), (watch,), note = hold_out(problem.suggested.stopping, problem.terms)
    seen = operator.on(grid)
    y, precision = least_squares(term.fidelity, term.y)
    data, unseen = (as_linear_map(seen, grid, rows=rows) for rows in (fit, watch))
    smooth = LinearMap(lambda x: _laplacian(x, grid), grid, 1, y.dtype)
    size = (
        LeastSquares([data], [y[fit]], [precision[fit]]).norm(8) ** 2
        / (12 / min(grid.spacing) ** 2) ** 2
    )
    images = []
    for weight in weights:
        system = LeastSquares(
            [data, smooth],
            [y[fit], torch.zeros(*grid.shape, 1)],
            [precision[fit], torch.full((*grid.shape, 1), weight * size)],
        )
        images.append(list(cgls_iterates(system, iterations))[-1])
    scores = [precision[watch] * (unseen(x) - y[watch]).square() for x in images]
    best = least(scores)
    return Solution(
        SampledField(images[best], grid),
        problem,
        "super-resolution CG",
        seconds=time.perf_counter() - began,
        stopped=Ended("direct", f"weight {weights[best]:g} (held-out), poses as given"),
        watched=[watch],
        details={"weight": weights[best], **note},
    )


def _laplacian(x: Tensor, grid: Grid) -> Tensor:
    return gradient_adjoint(grid_gradient(x, grid.spacing), grid.spacing)


@torch.no_grad()
def simulated_pixels(solution: Solution) -> Tensor:
    """What the solution says that the pixels are, (pixels,)."""
    _, operator = as_slices(solution.problem)
    with evaluating(operator):
        parts = [
            predict(operator, solution.field, rows)
            for rows in torch.arange(len(operator)).split(2**14)
        ]
    return torch.cat(parts)
