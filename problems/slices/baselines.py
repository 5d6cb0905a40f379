"""Classical methods for slices, at the poses of the operator: average and super-resolution."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from inverse_inr import Grid, Problem, SampledField, Solution, as_linear_map, predict
from inverse_inr.baselines import cgls_iterates
from inverse_inr.compose import LinearMap
from inverse_inr.derivatives import gradient_adjoint, grid_gradient
from inverse_inr.fidelity import LearntScale, least_squares
from inverse_inr.least_squares import LeastSquares
from inverse_inr.operators.slices.acquisition import TENTH, SliceAcquisition
from inverse_inr.problems.slices.stacks import as_slices
from inverse_inr.protocol import evaluating
from inverse_inr.ranges import Count, Positive, WholeNumber, checked
from inverse_inr.solver import Ended
from inverse_inr.stopping import hold_out, least


@torch.no_grad()
def spread(operator: SliceAcquisition, grid: Grid, pixels: Tensor, powers: Sequence[int]) -> Tensor:
    """Spread pixels over the voxels that they see: Σ_j a_jv^p x_j in each voxel v.

    a_jv is the share of voxel v that pixel j sees; powers of one are the adjoint. The sum is taken
    in chunks, without the matrix.

    Args:
        operator: The slices.
        grid: The voxels.
        pixels: (pixels, k), the columns x.
        powers: The power p of each of the k columns.

    Returns:
        (*grid.shape, k) in float64.
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
    """The mean of the pixels that see a voxel, weighted by how much they see: Aᵀ W y / Aᵀ W 1.

    Args:
        problem: A problem of slices; held-out rows are left out of the mean.

    Returns:
        The volume on the problem's grid, zero where hardly a pixel looks.

    Raises:
        TypeError: The problem is of something else.
    """
    began = time.perf_counter()
    term = problem.terms[0]
    _, operator = as_slices(problem)
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


@checked
def super_resolution(
    problem: Problem,
    *,
    weights: Sequence[Positive] = (10.0, 1.0, 0.1, 1e-2, 1e-3),
    iterations: Count = 30,
    finer: Count | None = None,
    rounds: WholeNumber | None = None,
) -> Solution:
    """Super-resolution by conjugate gradients: min_x ½ |g A x - y|²_W + ½ λ |Δx|² on the voxels.

    The gains g of the slices are found with the image by alternating least squares. A volume that
    is finer than what is shown is seen through the output's voxels, as that of any other method.

    Args:
        problem: A problem of slices.
        weights: Weights of the Laplacian, relative to the largest curvature of the data term;
            held-out pixels choose one.
        iterations: Iterations of conjugate gradients per weight.
        finer: Values along each side of a voxel; default: as many as make values at least twice as
            dense as the slices' pixels, 3 at most.
        rounds: Alternations between gains and image; 0 takes the operator's gains for true. None:
            3 where the operator learns gains, else 0.

    Returns:
        The volume on the problem's grid, or on one `finer` times as fine.

    Raises:
        TypeError: The problem is of something else.

    Source:
        Gholipour et al. 2010, without its robust weights.
    """
    began = time.perf_counter()
    term = problem.terms[0]
    _, operator = as_slices(problem)
    if finer is None:
        finer = _finer(problem.grid, operator)
    if rounds is None:
        rounds = 3 * operator.log_gain.requires_grad
    grid = problem.grid.refined(finer)
    (fit,), (watch,), note = hold_out(problem.suggested.stopping, problem.terms)
    seen = operator.on(grid)
    y, precision = least_squares(term.fidelity, term.y)
    data, unseen = (as_linear_map(seen, grid, rows=rows) for rows in (fit, watch))
    size = (
        LeastSquares([data], [y[fit]], [precision[fit]]).norm(8) ** 2
        / (12 / min(grid.spacing) ** 2) ** 2
    )
    index = operator.index
    gain = torch.ones(len(operator.poses), dtype=y.dtype, device=y.device)

    def improved(x: Tensor, weight: float) -> Tensor:
        """The image for these gains and this weight, by iterations that go on from x."""
        g = gain[index[fit]]
        smooth = LinearMap(lambda v: _laplacian(v, grid), grid, 1, y.dtype)
        system = LeastSquares(
            [data, smooth],
            [y[fit] / g - data(x), -smooth(x)],
            [precision[fit] * g.square(), torch.full((*grid.shape, 1), weight * size)],
        )
        return x + list(cgls_iterates(system, iterations))[-1]

    x = data.zeros()
    middle = sorted(weights)[len(weights) // 2]
    for _ in range(rounds):
        x = improved(x, middle)
        gain = _gains(data(x), y[fit], precision[fit], index[fit], len(gain))
    images = []
    for weight in sorted(weights, reverse=True):
        x = improved(x, weight)
        images.append(x)
    g = gain[index[watch]]
    scores = [precision[watch] * (g * unseen(x) - y[watch]).square() for x in images]
    best = least(scores)
    chosen = sorted(weights, reverse=True)[best]
    residual = y[fit] - gain[index[fit]] * data(images[best])
    return Solution(
        SampledField(images[best], grid),
        _as_found(problem, gain, residual, index[fit]),
        "super-resolution CG",
        seconds=time.perf_counter() - began,
        stopped=Ended("direct", f"weight {chosen:g} (held-out), poses as given"),
        watched=[watch],
        details={"weight": chosen, "values per voxel side": finer, **note},
    )


def _as_found(problem: Problem, gain: Tensor, residual: Tensor, index: Tensor) -> Problem:
    """The problem with the gains found, and with noise as large as the residuals of each slice.

    Both are for judging the image by its own predictions; the user's operator stays as it was.
    """
    term = problem.terms[0]
    operator, model = copy.deepcopy((term.operator, term.fidelity))
    assert isinstance(operator, SliceAcquisition)
    with torch.no_grad():
        operator.log_gain.add_(gain.log().to(operator.log_gain) / TENTH)
        if isinstance(model, LearntScale):
            every = residual.abs().median()
            for k in range(len(model.level)):
                own = residual[index == k].abs()
                typical = own.median() if len(own) else every
                # the median of |n| is 0.6745 of a normal deviation
                size = float(typical) / (0.6745 * model.scale) - model.floor
                model.level[k] = math.log(max(size, model.floor))
    changed = replace(term, operator=operator, fidelity=model)
    return replace(problem, terms=[changed])


def _finer(grid: Grid, operator: SliceAcquisition) -> int:
    """Values along a voxel's side so that two at least lie in a pixel's side, 3 at most."""
    pixel = float(operator.sizes[:, :2].min())
    return min(3, max(1, math.ceil(2 * min(grid.spacing) / pixel - 1e-6)))


def _gains(seen: Tensor, y: Tensor, precision: Tensor, index: Tensor, count: int) -> Tensor:
    """The factor of each slice by least squares, (count,); their geometric mean is one.

    A slice that sees nothing has the factor one, and factors stay within a third and three.
    """
    top = torch.zeros(count, dtype=y.dtype, device=y.device)
    top = top.index_add(0, index, precision * seen * y)
    bottom = torch.zeros_like(top).index_add(0, index, precision * seen.square())
    usable = bottom > 1e-6 * bottom.max()
    gain = torch.where(usable, top / bottom.clamp(min=1e-30), 1.0).clamp(1 / 3, 3.0)
    share = torch.bincount(index, minlength=count).to(y) / len(index)
    return gain / torch.exp(share @ gain.log())


def _laplacian(x: Tensor, grid: Grid) -> Tensor:
    return gradient_adjoint(grid_gradient(x, grid.spacing), grid.spacing)


@torch.no_grad()
def simulated_pixels(solution: Solution) -> Tensor:
    """The pixels that a solution predicts.

    Args:
        solution: A solution of a problem of slices.

    Returns:
        (pixels,) in the unit of the field.
    """
    _, operator = as_slices(solution.problem)
    with evaluating(operator):
        parts = [
            predict(operator, solution.field, rows)
            for rows in torch.arange(len(operator)).split(2**14)
        ]
    return torch.cat(parts)
