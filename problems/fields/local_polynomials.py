"""Polynomials fitted to the values at a few nodes nearby: values and slopes at any place.

    p(x) = Σ_m c_m ((x - x_0) / h)^m,     min_c Σ_j w_j (p(x_j) - u_j)²,     w = exp(-|x_j - x_0|² / h²)

For nodes that no lattice orders, as inside a region with curved rims.
"""

from __future__ import annotations

import numpy as np

NEIGHBOURS = {2: 12, 3: 18}
"""Nodes that a polynomial is fitted to, by its degree; those of degree 2 and 3 have 6 and 10
coefficients."""


def weights_at(
    nodes: np.ndarray, places: np.ndarray, degree: int, directions: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Find which nodes give the value or a slope at each place, and with which weights.

    Args:
        nodes: (n, 2), where values are known.
        places: (m, 2).
        degree: Degree of the polynomials, 2 or 3.
        directions: (m, 2), for the derivative along them; None for the value.

    Returns:
        Numbers of nodes and weights, (m, k) each.
    """
    from scipy.spatial import cKDTree

    count = min(NEIGHBOURS[degree], len(nodes))
    distance, index = cKDTree(nodes).query(places, count)
    reach = distance[:, -1:, None]
    offsets = (nodes[index] - places[:, None]) / reach
    powers = [(i, j) for i in range(degree + 1) for j in range(degree + 1 - i)]
    columns = [offsets[..., 0] ** i * offsets[..., 1] ** j for i, j in powers]
    root = np.exp(-2 * (distance / distance[:, -1:]) ** 2)[..., None]
    inverse = np.linalg.pinv(root * np.stack(columns, -1), rcond=1e-9)
    inverse = inverse * np.swapaxes(root, 1, 2)
    if directions is None:
        return index, inverse[:, powers.index((0, 0))]
    slopes = np.stack([inverse[:, powers.index(p)] for p in ((1, 0), (0, 1))], -1) / reach
    return index, (slopes * directions[:, None]).sum(-1)
