"""Line integrals of a sampled image as a sparse matrix, by Joseph's method (Joseph 1982).

Each ray steps along the axis that it is most aligned with and interpolates linearly across the
other.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from inverse_inr import Grid, SparseMatrix

MEMORY_LIMIT = 2.0e9
"""Most bytes that the matrix and its transpose may take together."""
SUBRAYS = 2
"""Least number of rays that are averaged over a detector bin."""
SHARED_SPREAD = 1.6
"""Matrix entries of several sub-rays relative to those of one: neighbours share most pixels."""


class Rays(Protocol):
    """A 2-D beam that says where the rays of its detector bins run.

    Attributes:
        angles: (views,) in radians; their dtype is that of the matrix.
        subrays: Rays that are averaged over each detector bin.
    """

    angles: Tensor
    subrays: int

    def __len__(self) -> int: ...

    def rays(self, rows: Tensor, subrays: int | None = None) -> tuple[Tensor, Tensor]:
        """Origins and unit directions of the sub-rays of `rows`: both (b, subrays, 2)."""
        ...


def joseph_matrix(beam: Rays, grid: Grid) -> SparseMatrix:
    """Build the matrix of any 2-D ray transform, bins averaged over sub-rays.

    Args:
        beam: The ray transform.
        grid: The 2-D grid of the image.

    Returns:
        A sparse matrix (rows, pixels).

    Raises:
        MemoryError: The matrix would take more than MEMORY_LIMIT bytes; nothing is built then.
    """
    subrays = max(SUBRAYS, beam.subrays)
    spread = 1 if subrays == 1 else SHARED_SPREAD
    size = len(beam) * max(grid.shape) * 2 * spread * SparseMatrix.BYTES_PER_NONZERO
    if size > MEMORY_LIMIT:
        raise MemoryError(
            f"{type(beam).__name__} with {len(beam)} rows on a {grid.shape} grid: "
            f"the sparse matrix would take about {size / 1e9:.1f} GB, "
            f"over the limit of {MEMORY_LIMIT / 1e9:.1f} GB. "
            "Use the rays themselves (no .on), "
            "or raise inverse_inr.operators.ct.joseph.MEMORY_LIMIT."
        )
    rays = beam.rays(torch.arange(len(beam)), subrays)
    origin, direction = (v.detach().double().cpu().numpy() for v in rays)
    rows = np.repeat(np.arange(len(beam)), subrays)
    parts = [
        _march(origin.reshape(-1, 2), direction.reshape(-1, 2), rows, grid, axis) for axis in (0, 1)
    ]
    r, c, v = (np.concatenate(p) for p in zip(*parts, strict=True))
    return SparseMatrix(r, c, v / subrays, (len(beam), grid.numel), beam.angles.dtype)


def _march(
    origin: np.ndarray, direction: np.ndarray, rows: np.ndarray, grid: Grid, axis: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns and values of the matrix for the rays whose main axis is `axis`."""
    h = np.array(grid.spacing)
    shape = grid.shape
    slope = direction / h  # pixels per unit length
    main = np.abs(slope[:, axis]) > np.abs(slope[:, 1 - axis])
    main |= (np.abs(slope[:, 0]) == np.abs(slope[:, 1])) & (axis == 0)
    o = ((origin - np.array(grid.box.lower)) / h - 0.5)[main]
    d = slope[main]
    rows = rows[main]
    i = np.arange(shape[axis])
    t = (i - o[:, axis, None]) / d[:, axis, None]  # (rays, steps)
    across = o[:, 1 - axis, None] + t * d[:, 1 - axis, None]
    low = np.floor(across).astype(np.int64)
    fraction = across - low
    length = 1 / np.abs(d[:, axis, None])  # of the ray inside one pixel layer
    stride = (shape[1], 1)
    pieces = []
    for j, weight in ((low, 1 - fraction), (low + 1, fraction)):
        ok = (j >= 0) & (j < shape[1 - axis]) & (weight > 0)
        column = i * stride[axis] + j * stride[1 - axis]
        row = np.broadcast_to(rows[:, None], j.shape)
        pieces.append((row[ok], column[ok], (weight * length)[ok]))
    r, c, v = (np.concatenate(p) for p in zip(*pieces, strict=True))
    return r, c, v
