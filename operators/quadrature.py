"""Rules of integration in d dimensions and on discs, in float64; the Airy pattern; Legendre polynomials."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor


def tensor_product(t: np.ndarray, w: np.ndarray, ndim: int) -> tuple[Tensor, Tensor]:
    """A 1-D rule in d dimensions: (q^d, d) nodes, (q^d,) weights."""
    nodes = torch.cartesian_prod(*[torch.from_numpy(t)] * ndim).reshape(-1, ndim)
    weights = torch.cartesian_prod(*[torch.from_numpy(w)] * ndim).reshape(-1, ndim).prod(-1)
    return nodes, weights


def rings_of_angles(
    radius: np.ndarray, weight: np.ndarray, angles: list[int]
) -> tuple[Tensor, Tensor]:
    """Equal angles on rings, each turned a little against the last: (q, 2) nodes, (q,) weights."""
    nodes, weights = [], []
    for k, (r, w, m) in enumerate(zip(radius, weight, angles, strict=True)):
        turn = 2 * math.pi * (np.arange(m) + 0.618 * k) / m
        nodes.append(np.stack([r * np.cos(turn), r * np.sin(turn)], -1))
        weights.append(np.full(m, w / m))
    return torch.from_numpy(np.concatenate(nodes)), torch.from_numpy(np.concatenate(weights))


def polar(radius: Tensor, turns: Tensor) -> Tensor:
    angle = 2 * math.pi * turns
    return torch.stack([radius * angle.cos(), radius * angle.sin()], -1)


def equal_weights(u: Tensor) -> Tensor:
    return u.new_full((u.shape[-2],), 1 / u.shape[-2])


def bessel_j0(z: Tensor) -> Tensor:
    """J0(z) = 1/π ∫ cos(z cos t) dt over half a turn: the rectangle rule is exact to rounding, and differentiable.

    torch's own has no gradient and, like its J1, errs by 4e-7 above z = 5.
    """
    t = _half_turn(z)
    return torch.cos(z[..., None] * t.cos()).mean(-1)


def jinc(z: Tensor) -> Tensor:
    """2 J1(z) / z = 2/π ∫ cos(z cos t) sin² t dt, 1 at 0."""
    t = _half_turn(z)
    return 2 * (torch.cos(z[..., None] * t.cos()) * t.sin().square()).mean(-1)


def _half_turn(z: Tensor) -> Tensor:
    """Midpoints of enough intervals that the first aliased harmonic, J_2n(z), is below rounding."""
    n = 16 + math.ceil(0.75 * float(z.detach().abs().max())) if z.numel() else 16
    return (torch.arange(n, dtype=z.dtype, device=z.device) + 0.5) * (math.pi / n)


@lru_cache(maxsize=16)
def airy_radii(rings: int, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Radii in units of the first dark ring's, and the share of the light that each stands for."""
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
    """Radius in units of the first dark ring's, and encircled energy 1 - J0² - J1² (Rayleigh), scaled to end at 1."""
    from scipy.special import j0, j1, jn_zeros

    zeros = jn_zeros(1, rings)
    v = np.linspace(0, zeros[-1], 2048 * rings)
    energy = 1 - j0(v) ** 2 - j1(v) ** 2
    return v / zeros[0], energy / energy[-1]


def legendre(t: Tensor, degree: int) -> Tensor:
    """Legendre polynomials P_0 .. P_degree at t in [-1, 1]: (*s,) -> (*s, degree + 1)."""
    terms = [torch.ones_like(t), t]
    for k in range(1, degree):
        terms.append(((2 * k + 1) * t * terms[k] - k * terms[k - 1]) / (k + 1))
    return torch.stack(terms[: degree + 1], -1)


@lru_cache(maxsize=32)
def sobol(count: int, dimension: int, seed: int = 0) -> Tensor:
    """The same scrambled Sobol points every time, (count, dimension), float64."""
    with torch.inference_mode(False):  # remembered: they must serve training too
        return torch.quasirandom.SobolEngine(dimension, scramble=True, seed=seed).draw(
            count, dtype=torch.float64
        )
