"""Classical reconstruction of an image from its gradient: spline slopes and a sparse solver."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inverse_inr import Grid, Problem, SampledField, Solution
from inverse_inr.solver import Ended


def spline_gradient(values: Tensor, grid: Grid) -> Tensor:
    """The gradient of the cubic spline through an image's pixels, at their centres.

    Args:
        values: (h, w, c), the pixels.
        grid: The grid of the image.

    Returns:
        (h, w, c, 2), per unit of the grid's box.
    """
    from scipy.ndimage import correlate1d, spline_filter

    slope = [-0.5, 0.0, 0.5]
    mean = [1 / 6, 4 / 6, 1 / 6]
    channels = []
    for channel in values.double().numpy().transpose(2, 0, 1):
        spline = spline_filter(channel, order=3, mode="reflect")
        along = [
            correlate1d(
                correlate1d(spline, slope, axis=k, mode="reflect"), mean, axis=1 - k, mode="reflect"
            )
            / h
            for k, h in enumerate(grid.spacing)
        ]
        channels.append(np.stack(along, -1))
    return torch.from_numpy(np.stack(channels, 2)).to(values.dtype)


def poisson_solve(problem: Problem, region: Tensor, wanted: Tensor, values: Tensor) -> Solution:
    """Recover an image inside a region from its gradient, by sparse least squares.

    Forward differences are fitted to mean gradients of neighbours, with `values` fixed outside the
    region. The normal equations are the discrete Poisson equation of Pérez. Without fixed pixels
    the mean is that of `values`.

    Args:
        problem: The problem, for its grid.
        region: (h, w) boolean, True where the image is sought.
        wanted: (h, w, c, 2), the gradient per unit of the grid's box.
        values: (h, w, c), the image that is kept outside the region.

    Returns:
        The image on the problem's grid.
    """
    from scipy import sparse
    from scipy.sparse.linalg import splu

    began = time.perf_counter()
    n = region.numel()
    axes = [_differences(region, wanted[..., k], k, h) for k, h in enumerate(problem.grid.spacing)]
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


def _differences(region: Tensor, slope: Tensor, axis: int, h: float) -> tuple[Any, np.ndarray]:
    """The matrix of differences along an axis that touch the region, and their wanted values."""
    from scipy import sparse

    n = region.numel()
    index = np.arange(n).reshape(region.shape)
    a, b = (np.take(index, range(i, region.shape[axis] - 1 + i), axis=axis).ravel() for i in (0, 1))
    inside = region.numpy().ravel()
    used = (inside[a] | inside[b]).nonzero()[0]
    a, b = a[used], b[used]
    count = np.arange(len(used))
    ones = np.ones(len(used)) / h
    entries = (np.r_[ones, -ones], (np.r_[count, count], np.r_[b, a]))
    flow = slope.reshape(n, -1).double().numpy()
    return sparse.csr_matrix(entries, shape=(len(used), n)), 0.5 * (flow[a] + flow[b])
