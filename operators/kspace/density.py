"""The density of a trajectory: how much area of k-space each sample stands for."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from torch import Tensor

from inverse_inr import Grid, Gridding
from inverse_inr.ranges import FiniteTensor, Range, checked

Iterations = Annotated[int, Range(least=1, most=1000)]
"""Iterations of the weights, which settle within some dozens."""


@checked
def radial_density(trajectory: FiniteTensor) -> Tensor:
    """Area of k-space per sample of evenly spread spokes: π |k| Δk / spokes.

    It is the ramp of filtered back-projection.

    Args:
        trajectory: (spokes, samples, 2) in cycles per unit.

    Returns:
        (spokes, samples) in cycles² per unit².

    Raises:
        ValueError: The trajectory is no finite (spokes, samples, 2).
    """
    if trajectory.ndim != 3 or trajectory.shape[1] < 2 or not trajectory.numel():
        raise ValueError(
            f"radial_density: a trajectory of shape {tuple(trajectory.shape)}; (spokes, samples, "
            "2) was expected, two samples at least."
        )
    k = trajectory.double()
    step = (k[:, 1:2] - k[:, :1]).norm(dim=-1)
    return math.pi / len(k) * step * torch.maximum(k.norm(dim=-1), step / 4)


@checked
def density_compensation(
    trajectory: FiniteTensor, grid: Grid, *, iterations: Iterations = 20
) -> Tensor:
    """Weights w of the samples, in area of k-space: Σ w g(k) ≈ ∫ g dk for what the box can hold.

    The iteration is w <- w / C w, where C convolves samples with the Fejér kernel of the box, the
    positive one that twice the box holds. The weights sum to the area that the samples cover.

    Args:
        trajectory: (*shape, d) in cycles per unit of the box.
        grid: The grid of the image.
        iterations: Number of iterations, at most 1000.

    Returns:
        (*shape), float64.

    Source:
        Pipe & Menon, MRM 41, 1999.
    """
    if trajectory.ndim < 2 or trajectory.shape[-1] != grid.ndim or not trajectory.numel():
        raise ValueError(
            f"density_compensation: a trajectory of shape {tuple(trajectory.shape)} for a grid of "
            f"{grid.ndim} axes; (*shape, {grid.ndim}) was expected."
        )
    k = trajectory.detach().double().cpu().reshape(-1, grid.ndim)
    wide = tuple(2 * n - 1 for n in grid.shape)
    gridding = Gridding(wide, (k * torch.tensor(grid.spacing)).numpy(), dtype=torch.float64)
    # the taper is a box's autocorrelation, whose transform is positive; so C w is positive too
    taper = torch.ones((), dtype=torch.float64)
    for n in grid.shape:
        taper = taper[..., None] * (1 - torch.arange(1 - n, n, dtype=torch.float64).abs() / n)
    image = torch.zeros(wide, dtype=torch.complex128, requires_grad=True)
    with torch.enable_grad():
        seen = gridding(image)
    w = torch.ones(len(k), dtype=torch.float64)
    for _ in range(iterations):
        back = torch.autograd.grad(seen, image, w.to(image.dtype), retain_graph=True)[0]
        spread = gridding(back * taper).detach().real
        w = w / spread.clamp(min=1e-9 * float(spread.max()))
    return (w * _covered_area(k, grid) / w.sum()).reshape(trajectory.shape[:-1])


def _covered_area(k: Tensor, grid: Grid) -> float:
    """Area of the circle (ball) that reaches the furthest sample, or of the whole square.

    It is the square if samples fill its corners.
    """
    reach = float(k.norm(dim=-1).max())
    if reach > 1.01 * max(grid.nyquist):
        return math.prod(2 * n for n in grid.nyquist)
    if grid.ndim == 2:
        return math.pi * reach**2
    return 4 / 3 * math.pi * reach**3
