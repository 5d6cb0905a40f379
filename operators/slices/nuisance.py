"""Nuisances of slices: bias fields, trends of gains, and motion that is uneven in time."""

from __future__ import annotations

import itertools
from typing import Annotated

import torch
from torch import Tensor

from inverse_inr import Box
from inverse_inr.operators.quadrature import legendre
from inverse_inr.operators.slices.geometry import Slices
from inverse_inr.ranges import Range

BiasDegree = Annotated[int, Range(least=0, most=12)]
"""The degree of a bias field, which is smooth; 0 for none."""

USUAL = 0.3
"""Log gain, in tenths, beyond which a slice counts less than by its square in a trend."""

STIFFNESS = 10.0
"""Weight of the penalty on motion that is uneven in time.

Pixels of a slice with a wrong pose err together, so they count as fewer than they are.
"""

MEDIAN_SQUARED = 2.366
"""Squared median length of a standard normal vector in 3-D, which turns medians into variances."""


def bias_terms(box: Box, points: Tensor, degree: int) -> Tensor:
    """Products of Legendre polynomials along the axes, of total degree 1 to `degree`.

    Args:
        box: The box on which the polynomials are orthogonal.
        points: (p, 3) in the unit of the box.
        degree: Largest total degree; 0 gives no terms.

    Returns:
        (p, terms).
    """
    t = 2 * (points - points.new_tensor(box.lower)) / points.new_tensor(box.lengths) - 1
    along = legendre(t, degree)  # (p, 3, degree + 1)
    powers = [p for p in itertools.product(range(degree + 1), repeat=3) if 1 <= sum(p) <= degree]
    if not powers:
        return points.new_zeros(len(points), 0)
    terms = [along[:, 0, a] * along[:, 1, b] * along[:, 2, c] for a, b, c in powers]
    return torch.stack(terms, -1)


def trends(slices: Slices, share: Tensor, degree: int) -> Tensor:
    """Polynomials of the slices' nominal places along the normal of their own stack.

    Args:
        slices: The slices.
        share: (n,) share of all pixels in each slice.
        degree: Largest degree; 0 gives no columns.

    Returns:
        (n, stacks, degree + 1). The first polynomial is one, and the mean of the others is zero.
        All are zero in slices of other stacks.
    """
    stacks = int(slices.stack.max()) + 1
    if degree == 0:
        return share.new_zeros(len(slices.poses), stacks, 0)
    columns = share.new_zeros(len(slices.poses), stacks, degree + 1)
    for k in slices.stack.unique().tolist():
        own = slices.stack == k
        along = slices.poses[own, :3, 3].double() @ slices.poses[own, :3, 2].double().mean(0)
        half = 0.5 * float(along.max() - along.min())
        columns[own, k] = legendre((along - along.min()) / max(half, 1e-9) - 1, degree)
        weights = share[own] / share[own].sum().clamp(min=1e-300)
        columns[own, k, 1:] -= weights @ columns[own, k, 1:]
    return columns


def trend(level: Tensor, columns: Tensor, share: Tensor, iterations: int = 5) -> Tensor:
    """The part of `level` that a Huber fit explains by polynomials that are not constant.

    The fit is by reweighted least squares.

    Args:
        level: (n,) log gain of each slice, in tenths.
        columns: (n, stacks, degree + 1) from `trends`.
        share: (n,) share of all pixels in each slice.
        iterations: Number of reweightings.

    Returns:
        (n,).
    """
    flat = columns.flatten(1)
    weights = share
    # the ridge is for stacks of few slices, in which all is trend
    ridge = 1e-9 * torch.eye(flat.shape[1], dtype=flat.dtype, device=flat.device)
    found = level.new_zeros(flat.shape[1])
    for _ in range(iterations):
        gram = flat.mT @ (weights[:, None] * flat)
        found = torch.linalg.solve(
            gram + gram.diagonal().max() * ridge, flat.mT @ (weights * level)
        )
        weights = share / (level - flat @ found).detach().abs().clamp(min=USUAL)
    return torch.einsum("nsd,sd->n", columns[..., 1:], found.reshape(columns.shape[1:])[:, 1:])


def uneven_motion(
    motion: Tensor, three: Tensor, between: Tensor, pixels: Tensor, floor: float = 0.02
) -> Tensor:
    """Penalty on motion that is not smooth in time, a sum over slices acquired successively.

        stiffness Σ (√(1 + |e|²/σ²) - 1)        e_s = m_s - (1 - a) m_before - a m_after

    e is the deviation of a slice, in its turn and in its shift, from the straight line in time
    between the slice before it and the slice after it. σ comes from the slices themselves: it is
    the median of |e| counted by pixels (σ² = median²/2.366 for a normal e in 3-D), at least
    `floor`. Far beyond σ the force no longer grows: slices with many pixels that were hit by a jump
    stay where they are, and those with few follow the others.

    Args:
        motion: (n, 6) turn and shift of each slice, in mm.
        three: (m, 3) triples from `Slices.successive`.
        between: (m,) place in time of the middle slice, from `Slices.successive`.
        pixels: (n,) pixels in each slice, or shares of them.
        floor: Smallest σ, in mm.

    Returns:
        A scalar in nats.
    """
    before, own, after = motion[three].unflatten(-1, (2, 3)).unbind(1)  # (m, 2, 3)
    share = between.to(motion)[:, None, None]
    squared = (own - (1 - share) * before - share * after).square().sum(-1)
    weights = pixels[three].amin(-1)
    medians = [_median(column, weights) for column in squared.detach().unbind(-1)]
    variance = torch.stack(medians) / MEDIAN_SQUARED
    return STIFFNESS * ((1 + squared / variance.clamp(min=floor**2)).sqrt() - 1).sum()


def _median(values: Tensor, weights: Tensor) -> Tensor:
    """The smallest value that, with those below it, has half of the weight."""
    order = values.argsort()
    heavier = weights[order].cumsum(0)
    return values[order[torch.searchsorted(heavier, 0.5 * heavier[-1])]]
