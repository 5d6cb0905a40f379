"""Integration rules in d dimensions and on discs, the Airy pattern and Legendre polynomials.

The rules are in float64.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from inverse_inr.ranges import Range

GaussNodes = Annotated[int, Range(least=1, most=256)]
"""Nodes of a Gauss rule; a few are exact for all that a field resolves."""


def tensor_product(t: np.ndarray, w: np.ndarray, ndim: int) -> tuple[Tensor, Tensor]:
    """Extend a 1-D integration rule to several dimensions.

    Args:
        t: (q,) nodes of the 1-D rule.
        w: (q,) weights of the 1-D rule.
        ndim: The number of dimensions d.

    Returns:
        Nodes (q^d, d) and weights (q^d,).
    """
    nodes = torch.cartesian_prod(*[torch.from_numpy(t)] * ndim).reshape(-1, ndim)
    weights = torch.cartesian_prod(*[torch.from_numpy(w)] * ndim).reshape(-1, ndim).prod(-1)
    return nodes, weights


def rings_of_angles(
    radius: np.ndarray, weight: np.ndarray, angles: list[int]
) -> tuple[Tensor, Tensor]:
    """Place equal angles on rings, each ring turned a little against the last.

    Args:
        radius: Radius of each ring.
        weight: Weight of each ring, shared equally by its nodes.
        angles: Number of nodes on each ring.

    Returns:
        Nodes (q, 2) and weights (q,).
    """
    nodes = []
    weights = []
    for k, (r, w, m) in enumerate(zip(radius, weight, angles, strict=True)):
        turn = 2 * math.pi * (np.arange(m) + 0.618 * k) / m
        nodes.append(np.stack([r * np.cos(turn), r * np.sin(turn)], -1))
        weights.append(np.full(m, w / m))
    return torch.from_numpy(np.concatenate(nodes)), torch.from_numpy(np.concatenate(weights))


def polar(radius: Tensor, turns: Tensor) -> Tensor:
    """Turn polar coordinates into Cartesian ones.

    Args:
        radius: (*s,) distances from the origin.
        turns: (*s,) angles in whole turns.

    Returns:
        (*s, 2) points in the unit of `radius`.
    """
    angle = 2 * math.pi * turns
    return torch.stack([radius * angle.cos(), radius * angle.sin()], -1)


def equal_weights(u: Tensor) -> Tensor:
    """The weights (q,) of a mean over the nodes `u` (*s, q, d): 1 / q each."""
    return u.new_full((u.shape[-2],), 1 / u.shape[-2])


def bessel_j0(z: Tensor) -> Tensor:
    """The Bessel function J0(z) = 1/π ∫ cos(z cos t) dt over half a turn.

    The rectangle rule is exact to rounding here, and differentiable. torch's own J0 has no gradient
    and, like its J1, errs by 4e-7 above z = 5.

    Args:
        z: (*s,) real arguments.

    Returns:
        (*s,) values.
    """
    t = _half_turn(z)
    return torch.cos(z[..., None] * t.cos()).mean(-1)


def jinc(z: Tensor) -> Tensor:
    """The amplitude of the Airy pattern, 2 J1(z) / z = 2/π ∫ cos(z cos t) sin² t dt; 1 at 0.

    Args:
        z: (*s,) real arguments.

    Returns:
        (*s,) values.
    """
    t = _half_turn(z)
    return 2 * (torch.cos(z[..., None] * t.cos()) * t.sin().square()).mean(-1)


def _half_turn(z: Tensor) -> Tensor:
    """Midpoints of enough intervals that the first aliased harmonic, J_2n(z), is below rounding."""
    n = 16
    if z.numel():
        n += math.ceil(0.75 * float(z.detach().abs().max()))
    return (torch.arange(n, dtype=z.dtype, device=z.device) + 0.5) * (math.pi / n)


@lru_cache(maxsize=16)
def airy_radii(rings: int, order: int) -> tuple[np.ndarray, np.ndarray]:
    """An integration rule for the Airy pattern along its radius.

    Args:
        rings: Number of bright zones, the central disc included.
        order: Gauss-Legendre nodes per zone.

    Returns:
        Radii in units of that of the first dark ring, and the share of the light that each stands
        for.
    """
    from scipy.special import j1, jn_zeros

    zeros = jn_zeros(1, rings)
    edges = np.concatenate([[0.0], zeros])
    t, w = np.polynomial.legendre.leggauss(order)
    half = np.diff(edges)[:, None] / 2
    v = (edges[:-1, None] + half * (t + 1)).ravel()
    weight = (half * w).ravel() * 2 * j1(v) ** 2 / v  # dE/dv, E the encircled energy
    return v / zeros[0], weight / weight.sum()


@lru_cache(maxsize=16)
def airy_table(rings: int) -> tuple[np.ndarray, np.ndarray]:
    """The encircled energy of the Airy pattern, 1 - J0² - J1² (Rayleigh), scaled to end at 1.

    Args:
        rings: Number of bright zones, the central disc included.

    Returns:
        Radii in units of that of the first dark ring, and the energy within each.
    """
    from scipy.special import j0, j1, jn_zeros

    zeros = jn_zeros(1, rings)
    v = np.linspace(0, zeros[-1], 2048 * rings)
    energy = 1 - j0(v) ** 2 - j1(v) ** 2
    return v / zeros[0], energy / energy[-1]


def legendre(t: Tensor, degree: int) -> Tensor:
    """Legendre polynomials P_0 to P_degree.

    Args:
        t: (*s,) arguments in [-1, 1].
        degree: The highest degree.

    Returns:
        (*s, degree + 1) values.
    """
    terms = [torch.ones_like(t), t]
    for k in range(1, degree):
        terms.append(((2 * k + 1) * t * terms[k] - k * terms[k - 1]) / (k + 1))
    return torch.stack(terms[: degree + 1], -1)


@lru_cache(maxsize=32)
def sobol(count: int, dimension: int, seed: int = 0) -> Tensor:
    """Scrambled Sobol points in the unit cube, the same ones every time.

    Args:
        count: The number of points.
        dimension: The number of coordinates.
        seed: The seed of the scrambling.

    Returns:
        (count, dimension), float64.
    """
    with torch.inference_mode(False):  # remembered: they must serve training too
        engine = torch.quasirandom.SobolEngine(dimension, scramble=True, seed=seed)
        return engine.draw(count, dtype=torch.float64)
