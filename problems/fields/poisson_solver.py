"""Classical reconstruction of an image from its gradient: spline slopes and a sparse solver."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inverse_inr import Grid, Problem, SampledField, Solution
from inverse_inr.solver import Ended


def spline_slopes(values: Tensor, grid: Grid) -> list[Tensor]:
    """The slopes of the cubic spline through an image's pixels, midway between neighbours.

    Midway, because at the pixels' own centres the slope of a spline does not see the values there:
    those of a checker pattern are zero, and a fit to them leaves one behind.

    Args:
        values: (h, w, c), the pixels.
        grid: The grid of the image.

    Returns:
        For each axis the slopes along it, per unit of the grid's box: (h - 1, w, c), (h, w - 1, c).
    """
    from scipy.ndimage import correlate1d, spline_filter

    midway = [-1 / 8, -5 / 8, 5 / 8, 1 / 8]
    mean = [1 / 6, 4 / 6, 1 / 6]
    slopes = []
    for k, h in enumerate(grid.spacing):
        channels = []
        for channel in values.double().numpy().transpose(2, 0, 1):
            spline = spline_filter(channel, order=3, mode="reflect")
            across = correlate1d(spline, mean, axis=1 - k, mode="reflect")
            # the taps of pixels i - 1 to i + 2, whose middle lies between i and i + 1
            along = correlate1d(across, midway, axis=k, mode="reflect", origin=-1)
            channels.append(np.take(along, range(channel.shape[k] - 1), axis=k) / h)
        slopes.append(torch.from_numpy(np.stack(channels, 2)).to(values.dtype))
    return slopes


def differences(values: Tensor, grid: Grid) -> list[Tensor]:
    """The mean slopes from each pixel to the next, shaped as those of `spline_slopes`.

    Args:
        values: (h, w, c), the pixels.
        grid: The grid of the image.

    Returns:
        For each axis the differences along it, per unit of the grid's box.
    """
    return [values.diff(dim=k) / h for k, h in enumerate(grid.spacing)]


def touching(region: Tensor, axis: int) -> Tensor:
    """The pairs of neighbours along an axis of which one lies in the region at least.

    Args:
        region: (h, w) boolean.
        axis: The axis.

    Returns:
        Boolean, one shorter along the axis.
    """
    count = region.shape[axis] - 1
    return region.narrow(axis, 0, count) | region.narrow(axis, 1, count)


def poisson_solve(
    problem: Problem, region: Tensor, wanted: list[Tensor], values: Tensor
) -> Solution:
    """Recover an image inside a region from its gradient, by sparse least squares.

    Differences of neighbours are fitted to those wanted, with `values` fixed outside the region.
    The normal equations are the discrete Poisson equation of Pérez. Without fixed pixels the mean
    is that of `values`.

    Args:
        problem: The problem, for its grid.
        region: (h, w) boolean, True where the image is sought.
        wanted: Differences along each axis, as `differences` gives them.
        values: (h, w, c), the image that is kept outside the region.

    Returns:
        The image on the problem's grid.
    """
    from scipy import sparse
    from scipy.sparse.linalg import splu

    began = time.perf_counter()
    n = region.numel()
    axes = [_equations(region, wanted[k], k, h) for k, h in enumerate(problem.grid.spacing)]
    difference = sparse.vstack([matrix for matrix, _ in axes]).tocsc()
    target = np.concatenate([slopes for _, slopes in axes])
    free = region.numpy().ravel().copy()
    if free.all():
        free[0] = False  # the constant is put right below
    image = values.reshape(n, -1).double().numpy().copy()
    inside, fixed = difference[:, free], difference[:, ~free]
    solver = splu((inside.T @ inside).tocsc())
    image[free] = solver.solve(inside.T @ (target - fixed @ image[~free]))
    if region.all():
        image += values.reshape(n, -1).double().numpy().mean(0) - image.mean(0)
    out = torch.from_numpy(image).to(values).reshape(values.shape)
    return Solution(
        SampledField(out, problem.grid),
        problem,
        "sparse Poisson solver",
        seconds=time.perf_counter() - began,
        stopped=Ended("direct", "solved exactly"),
    )


def _equations(region: Tensor, slopes: Tensor, axis: int, h: float) -> tuple[Any, np.ndarray]:
    """The matrix of differences along an axis that touch the region, and their wanted values."""
    from scipy import sparse

    n = region.numel()
    index = np.arange(n).reshape(region.shape)
    used = touching(region, axis).numpy()
    a, b = (np.take(index, range(i, region.shape[axis] - 1 + i), axis=axis)[used] for i in (0, 1))
    count = np.arange(len(a))
    ones = np.ones(len(a)) / h
    entries = (np.r_[ones, -ones], (np.r_[count, count], np.r_[b, a]))
    return sparse.csr_matrix(entries, shape=(len(a), n)), slopes.double().numpy()[used]
