"""Conjugate gradients for a symmetric positive system given as a function on lists of tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

Vector = Sequence[Tensor]
"""A vector in parts, real or complex; complex numbers count as pairs of real ones."""

WINDOW = 10
"""Iterations over which the progress of the quadratic is judged."""


class Minimum(NamedTuple):
    """Where conjugate gradients ended.

    Attributes:
        x: The solution.
        residual: b - A x.
        iterations: The number of products with A.
    """

    x: list[Tensor]
    residual: list[Tensor]
    iterations: int


def inner(a: Vector, b: Vector) -> float:
    """Compute the real inner product of two vectors in parts."""
    return sum(float((x.conj() * y).real.sum()) for x, y in zip(a, b, strict=True))


def conjugate_gradients(
    matrix: Callable[[list[Tensor]], Vector],
    b: Vector,
    *,
    iterations: int,
    tolerance: float = 0.0,
    progress: float = 0.0,
    scale: Vector | None = None,
    start: Vector | None = None,
) -> Minimum:
    """Minimise ½ x·A x - b·x, without ever forming A.

    Args:
        matrix: The map x -> A x, symmetric and positive semi-definite.
        b: The right-hand side.
        iterations: The most products with A.
        tolerance: The residual, as a fraction of b in the scaled norm, that ends it.
        progress: The least gain of the quadratic an iteration, as a fraction of what was gained so
            far, over the last `WINDOW` iterations; less ends it. 0 does not ask.
        scale: A diagonal positive approximation of A, in parts as b; None for the identity.
        start: Where to begin, if that is better than zero; None for zero.

    Returns:
        The solution and its residual. A direction without curvature ends it, too.

    Source:
        Hestenes & Stiefel 1952; the rule of progress is that of Martens 2010, section 4.4.
    """
    x = [torch.zeros_like(v) for v in b]
    r = list(b)
    gains = [0.0]
    if start is not None:
        left = [v - w for v, w in zip(b, matrix(list(start)), strict=True)]
        gained = 0.5 * (inner(b, start) + inner(left, start))
        if gained > 0:
            x = list(start)
            r = left
            gains = [gained]
    z = _scaled(r, scale)
    p = z
    gamma = inner(r, z)
    enough = tolerance**2 * inner(b, _scaled(b, scale))
    done = 0
    while done < iterations and gamma > enough and gamma > 0:
        q = matrix(p)
        done += 1
        curvature = inner(p, q)
        if not curvature > 0:
            break
        alpha = gamma / curvature
        x = [a + alpha * v for a, v in zip(x, p, strict=True)]
        r = [a - alpha * v for a, v in zip(r, q, strict=True)]
        gains.append(gains[-1] + 0.5 * alpha * gamma)
        if done >= WINDOW and gains[-1] - gains[-WINDOW] < WINDOW * progress * gains[-1]:
            break
        z = _scaled(r, scale)
        before = gamma
        gamma = inner(r, z)
        p = [a + (gamma / before) * v for a, v in zip(z, p, strict=True)]
    return Minimum(x, r, done)


def _scaled(r: Vector, scale: Vector | None) -> list[Tensor]:
    if scale is None:
        return list(r)
    return [v / s for v, s in zip(r, scale, strict=True)]
