"""Polynomials fitted to the values at a few nodes nearby: values and slopes at any place.

    min_c Σ_j w_j (Σ_m c_m ((x_j - x_0) / h)^m - u_j)²,     w = exp(-4 |x_j - x_0|² / h²)

h is the distance of the farthest of these nodes from the place x_0. For nodes that no lattice
orders, as inside a region with curved rims.
"""

from __future__ import annotations

from typing import Any

import numpy as np

NEIGHBOURS = {2: 12, 3: 18}
"""Number of nodes that a polynomial is fitted to, by its degree."""


def value_weights(
    nodes: np.ndarray, places: np.ndarray, degree: int
) -> tuple[np.ndarray, np.ndarray]:
    """Find which nodes give the value at each place, and with which weights.

    Args:
        nodes: (n, 2), where values are known.
        places: (m, 2).
        degree: Degree of the polynomials, 2 or 3.

    Returns:
        Numbers of nodes and weights, (m, k) each.
    """
    powers = [(i, j) for i in range(degree + 1) for j in range(degree + 1 - i)]
    index, _, inverse = _fitted(nodes, places, powers, NEIGHBOURS[degree])
    return index, inverse[:, powers.index((0, 0))]


def slope_weights(
    nodes: np.ndarray, places: np.ndarray, directions: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Find the slopes at places of parabolas that go through the values there.

    Args:
        nodes: (n, 2), where values are known.
        places: (m, 2), where they are known as well.
        directions: (m, 2), along which slopes are taken.

    Returns:
        Numbers of nodes, and weights of the differences of their values from the place's, (m, k)
        each.
    """
    powers = [(1, 0), (0, 1), (2, 0), (1, 1), (0, 2)]
    index, reach, inverse = _fitted(nodes, places, powers, NEIGHBOURS[2])
    slopes = inverse[:, 0] * directions[:, :1] + inverse[:, 1] * directions[:, 1:]
    return index, slopes / reach


def _fitted(
    nodes: np.ndarray, places: np.ndarray, powers: list[tuple[int, int]], count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers of the nodes (m, k), h (m, 1), and the map to coefficients (m, powers, k)."""
    from scipy.spatial import KDTree

    tree: Any = KDTree(nodes)
    distance, index = tree.query(places, min(count, len(nodes)))
    reach = distance[:, -1:]
    x, y = np.moveaxis((nodes[index] - places[:, None]) / reach[..., None], -1, 0)
    root = np.exp(-2 * (distance / reach) ** 2)[..., None]
    columns = np.stack([x**i * y**j for i, j in powers], -1)
    inverse = np.linalg.pinv(root * columns, rcond=1e-9) * np.swapaxes(root, 1, 2)
    return index, reach, inverse
