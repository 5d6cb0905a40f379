"""What slices have beside the volume: bias fields, trends of gains that a bias undoes, motion that goes on in time."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from inverse_inr import Box
from inverse_inr.operators.quadrature import legendre
from inverse_inr.operators.slices.geometry import Slices

USUAL = 0.3
"""Log gain, in tenths, beyond which a slice no longer counts by its square in the trend of its stack."""
STIFFNESS = 10.0
"""Of motion in time: pixels of a slice that err together, as those of a wrong pose do, count as fewer than they are."""


def bias_terms(box: Box, points: Tensor, degree: int) -> Tensor:
    """Products of Legendre polynomials along the axes, of total degree 1 to `degree`, at (p, 3) points: (p, terms)."""
    t = 2 * (points - points.new_tensor(box.lower)) / points.new_tensor(box.lengths) - 1
    along = legendre(t, degree)  # (p, 3, degree + 1)
    powers = [p for p in itertools.product(range(degree + 1), repeat=3) if 1 <= sum(p) <= degree]
    terms = [along[:, 0, a] * along[:, 1, b] * along[:, 2, c] for a, b, c in powers]
    return torch.stack(terms, -1) if terms else points.new_zeros(len(points), 0)


def trends(slices: Slices, share: Tensor, degree: int) -> Tensor:
    """Polynomials up to `degree` of where slices nominally lie along their own stack's normal: (n, stacks, degree + 1).

    The first is one, the mean of the others is zero; all are zero in slices of other stacks. None for degree 0.
    """
    stacks = int(slices.stack.max()) + 1
    columns = share.new_zeros(len(slices.poses), stacks, degree + 1 if degree else 0)
    for k in slices.stack.unique().tolist() if degree else ():
        own = slices.stack == k
        along = slices.poses[own, :3, 3].double() @ slices.poses[own, :3, 2].double().mean(0)
        half = 0.5 * float(along.max() - along.min())
        columns[own, k] = legendre((along - along.min()) / max(half, 1e-9) - 1, degree)
        weights = share[own] / share[own].sum().clamp(min=1e-300)
        columns[own, k, 1:] -= weights @ columns[own, k, 1:]
    return columns


def trend(level: Tensor, columns: Tensor, share: Tensor, iterations: int = 5) -> Tensor:
    """What a Huber fit of `columns` to `level` puts on those that are not constant, by reweighted least squares."""
    flat, weights = columns.flatten(1), share
    ridge = 1e-9 * torch.eye(
        flat.shape[1], dtype=flat.dtype, device=flat.device
    )  # stacks of few slices: all is trend
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
    """What speaks against motion that does not go on in time, in nats, a sum over slices acquired successively.

        stiffness Σ (√(1 + |e|²/σ²) - 1)        e_s = m_s - (1 - a) m_before - a m_after

    e is the deviation of a slice from the straight line in time between the one before it and the one after it, of
    turns and of shifts. σ is what the slices themselves say, the median of |e| counted by pixels (σ² = median²/2.366
    for a normal e in 3-D), at least `floor`. Far beyond σ the force no longer grows: slices with many pixels that were
    hit by a jump stay where they are, and those with few follow the others.

    motion (n, 6) in mm; three, between  as of `Slices.successive`; pixels (n,) in each slice, or shares
    """
    before, own, after = motion[three].unflatten(-1, (2, 3)).unbind(1)  # (m, 2, 3)
    share = between.to(motion)[:, None, None]
    squared = (own - (1 - share) * before - share * after).square().sum(-1)
    weights = pixels[three].amin(-1)
    variance = (
        torch.stack([_median(column, weights) for column in squared.detach().unbind(-1)]) / 2.366
    )
    return STIFFNESS * ((1 + squared / variance.clamp(min=floor**2)).sqrt() - 1).sum()


def _median(values: Tensor, weights: Tensor) -> Tensor:
    """The smallest value that, with those below it, has half of the weight."""
    order = values.argsort()
    heavier = weights[order].cumsum(0)
    return values[order[torch.searchsorted(heavier, 0.5 * heavier[-1])]]
