"""Diffusion with a coefficient that varies, by finite volumes: solved, and differentiated by it.

    -∇·(k ∇u) = s in the square,   u = 0 on its rim,   k = exp m, m linear between nodes

Between two nodes k is exp of the mean of their m. With D the differences along an axis and M those
means, K = Σ D' diag(k) D, and u = K⁻¹ s.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import torch

from inverse_inr import Box, Grid
from inverse_inr.ranges import Count, checked


class Diffusion:
    """The square [0, 1]² with (cells + 1)² nodes, and diffusion on it.

    Args:
        cells: Cells along each axis.
        source: (nodes,) values of s at the nodes, flat.

    Attributes:
        nodes: A grid whose pixel centres are the nodes.
    """

    @checked
    def __init__(self, cells: Count, source: np.ndarray) -> None:
        from scipy import sparse

        count = cells + 1
        half = 0.5 / cells
        self.nodes = Grid(Box((-half, -half), (1 + half, 1 + half)), (count, count))
        here, beyond = sparse.eye(cells, count), sparse.eye(cells, count, 1)
        step = (beyond - here) * cells
        mean = (beyond + here) / 2
        # half a cell belongs to nodes on the rim, where fluxes run along it
        eye = sparse.eye(count)
        self.steps: Any = sparse.vstack([sparse.kron(step, eye), sparse.kron(eye, step)]).tocsr()
        self.means: Any = sparse.vstack([sparse.kron(mean, eye), sparse.kron(eye, mean)]).tocsr()
        inner = np.zeros((count, count), dtype=bool)
        inner[1:-1, 1:-1] = True
        self.inner = inner.ravel()
        self.source = source

    @cached_property
    def inner_steps(self) -> Any:
        """Differences of fields that are zero on the rim, by their inner nodes."""
        return self.steps[:, self.inner].tocsc()

    def solve(self, m: np.ndarray) -> tuple[np.ndarray, Any]:
        """Solve for u.

        Args:
            m: (nodes,) logarithms of k.

        Returns:
            (nodes,) values of u, and the factorised matrix of the inner nodes.
        """
        from scipy import sparse
        from scipy.sparse.linalg import splu

        k = np.exp(self.means @ m)
        d = self.inner_steps
        factors = splu((d.T @ sparse.diags(k) @ d).tocsc())
        u = np.zeros(len(m))
        u[self.inner] = factors.solve(self.source[self.inner])
        return u, factors

    def slopes(self, m: np.ndarray, u: np.ndarray, factors: Any, seen: Any) -> np.ndarray:
        """Differentiate linear measurements of u by m, by one adjoint solution for each.

        Args:
            m: (nodes,) logarithms of k.
            u: (nodes,) the solution for them.
            factors: The factorised matrix.
            seen: (rows, nodes) sparse matrix of the measurements.

        Returns:
            (rows, nodes).
        """
        from scipy import sparse

        adjoint = factors.solve(np.asarray(seen[:, self.inner].T.todense()))
        flux = np.exp(self.means @ m) * (self.steps @ u)
        # K u = s: K δu = - D' diag(D u) diag(k) M δm
        pushed = sparse.diags(flux) @ (self.inner_steps @ adjoint)
        return -(self.means.T @ pushed).T

    def sample(self, points: torch.Tensor) -> Any:
        """The sparse matrix (rows, nodes) of bilinear interpolation at points (rows, 2)."""
        from scipy import sparse

        from inverse_inr import interpolation_weights

        index, weight = interpolation_weights(self.nodes, points.double())
        ends = np.arange(0, index.numel() + 1, index.shape[1])
        entries = (weight.numpy().ravel(), index.numpy().ravel(), ends)
        return sparse.csr_matrix(entries, shape=(len(points), self.nodes.numel))
