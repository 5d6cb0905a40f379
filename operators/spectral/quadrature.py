"""Integrals over wavelength: Gauss rules of a tabulated response, and weights of a cube's bands."""

from __future__ import annotations

import numpy as np


def gauss_rule(
    knots: np.ndarray, response: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the Gauss rule of a response that is linear between its knots.

    Discretised Lanczos, then the eigenvalues of the Jacobi matrix. Positive and negative parts of
    the response have `count` nodes each.

    Args:
        knots: (n,) wavelengths, rising.
        response: (n,), the weight function at the knots.
        count: Nodes per sign. The rule is exact for polynomials of degree 2 count - 1.

    Returns:
        Nodes (q,) in the unit of the knots, and weights (q,), negative where the response is.

    Source:
        Gautschi, Orthogonal Polynomials, 2.2.3; Golub & Welsch (1969).
    """
    # exact for the linear response times degree 2 count - 1
    t, w = np.polynomial.legendre.leggauss(count + 1)
    places = []
    masses = []
    crossings = _with_zeros(knots, response)
    half = np.diff(crossings)[:, None] / 2
    x = (crossings[:-1, None] + half * (t + 1)).ravel()
    mass = (half * w).ravel() * np.interp(x, knots, response)
    for sign in (1.0, -1.0):
        part = np.clip(sign * mass, 0, None)
        if part.any():
            place, weight = _gauss(x[part > 0], part[part > 0], count)
            places.append(place)
            masses.append(sign * weight)
    return np.concatenate(places), np.concatenate(masses)


def _with_zeros(knots: np.ndarray, response: np.ndarray) -> np.ndarray:
    """The knots, and the places between them at which the response crosses zero."""
    a = response[:-1]
    b = response[1:]
    cross = a * b < 0
    at = knots[:-1][cross] + np.diff(knots)[cross] * (a / np.where(cross, a - b, 1))[cross]
    return np.sort(np.concatenate([knots, at]))


def _gauss(x: np.ndarray, mass: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The Gauss rule of a discrete positive measure, by Lanczos with full reorthogonalisation."""
    count = min(count, len(x))
    middle = 0.5 * (x.min() + x.max())
    width = max(0.5 * np.ptp(x), 1e-300)
    u = (x - middle) / width
    q = np.sqrt(mass / mass.sum())
    basis = [q]
    diagonal = []
    beside = []
    for k in range(count):
        v = u * basis[k]
        diagonal.append(float(v @ basis[k]))
        for _ in range(2):
            v -= np.stack(basis).T @ (np.stack(basis) @ v)
        size = float(np.linalg.norm(v))
        if k + 1 == count or size < 1e-14:
            break
        beside.append(size)
        basis.append(v / size)
    jacobi = np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)
    value, vector = np.linalg.eigh(jacobi)
    return middle + width * value, mass.sum() * vector[0] ** 2


def band_weights(bands: np.ndarray, knots: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Return ∫ R_c φ_b dλ, with which a cube's bands give each channel.

    φ_b is linear between band centres and constant beyond the outer two. The integral is exact:
    both factors are linear on the pieces between all their knots, where Simpson's rule is exact.

    Args:
        bands: (bands,) centres, rising, in the unit of the knots.
        knots: (n,) wavelengths, rising.
        response: (n, channels), linear between the knots and zero outside.

    Returns:
        (bands, channels).
    """
    inner = bands[(bands > knots[0]) & (bands < knots[-1])]
    edges = np.unique(np.concatenate([knots, inner]))
    middle = 0.5 * (edges[:-1] + edges[1:])
    h = np.diff(edges)[:, None, None] / 6

    def product(at: np.ndarray) -> np.ndarray:
        hats = np.stack([np.interp(at, bands, row) for row in np.eye(len(bands))], -1)
        table = np.stack([np.interp(at, knots, column) for column in response.T], -1)
        return hats[:, :, None] * table[:, None]

    return (h * (product(edges[:-1]) + 4 * product(middle) + product(edges[1:]))).sum(0)
