"""Line integrals of a sampled image as a sparse matrix, by Joseph's method (Joseph 1982).

Each ray steps along the axis that it is most aligned with and interpolates linearly across the
other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import Tensor

from inverse_inr import Grid, SparseMatrix

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

MEMORY_LIMIT = 2.0e9
"""Most bytes that the matrix and its transpose may take together."""
SUBRAYS = 2
"""Least number of rays that are averaged over a detector bin."""
ENTRIES_AT_ONCE = 2**20
"""Entries that are made together; each takes about 60 bytes until it is part of the matrix."""
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
    from scipy.sparse import vstack

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
    at_once = max(1, ENTRIES_AT_ONCE // (2 * subrays * max(grid.shape)))
    rows = torch.arange(len(beam)).split(at_once)
    # nothing keeps the blocks once they are one matrix
    matrix = vstack([_block(beam, some, subrays, grid) for some in rows], "csr")
    return SparseMatrix.of(matrix, beam.angles.dtype)


def _block(beam: Rays, rows: Tensor, subrays: int, grid: Grid) -> csr_matrix:
    """The matrix of some rows, (b, pixels): entries sorted, those of one pixel summed."""
    from scipy.sparse import csr_matrix

    rays = beam.rays(rows, subrays)
    origin, direction = (v.detach().double().cpu().numpy().reshape(-1, 2) for v in rays)
    h = np.array(grid.spacing)
    origin = (origin - np.array(grid.box.lower)) / h - 0.5  # in pixels
    slope = direction / h  # pixels per unit length
    first = np.abs(slope[:, 0]) >= np.abs(slope[:, 1])
    kind = np.float64 if beam.angles.dtype == torch.float64 else np.float32
    total = csr_matrix((len(rows), grid.numel), dtype=kind)
    for axis, main in ((0, first), (1, ~first)):
        if not main.any():
            continue
        column, value = _march(origin[main], slope[main], grid.shape, axis)
        counts = main.reshape(len(rows), subrays).sum(1) * column[0].size
        packed = csr_matrix(
            (
                (value / subrays).ravel().astype(kind),
                column.ravel(),
                np.concatenate([[0], np.cumsum(counts)]),
            ),
            (len(rows), grid.numel),
        )
        # transposed twice, entries are sorted in linear time; duplicates lie side by side between
        between = packed.T.tocsr()
        between.has_sorted_indices = True
        between.sum_duplicates()
        between.eliminate_zeros()
        total = total + between.T.tocsr()
    return total


def _march(
    origin: np.ndarray, slope: np.ndarray, shape: tuple[int, ...], axis: int
) -> tuple[np.ndarray, np.ndarray]:
    """Step rays along one axis, and see the two pixels around each step.

    Args:
        origin: (rays, 2), in pixels.
        slope: (rays, 2), in pixels per unit length.
        shape: Pixels of the image.
        axis: The axis along which all these rays step.

    Returns:
        Flat pixels and lengths inside them, (rays, steps, 2); lengths are 0 outside the image.
    """
    across = 1 - axis
    i = np.arange(shape[axis])
    rise = (slope[:, across] / slope[:, axis])[:, None]
    place = origin[:, across, None] + (i - origin[:, axis, None]) * rise  # (rays, steps)
    low = np.floor(place)
    length = 1 / np.abs(slope[:, axis, None])  # of the ray inside one pixel layer
    upper = (place - low) * length
    value = np.stack([length - upper, upper], -1)
    pixel = np.stack([low, low + 1], -1)
    value[(pixel < 0) | (pixel > shape[across] - 1)] = 0
    pixel = pixel.clip(0, shape[across] - 1).astype(np.int32)
    stride = (shape[1], 1)
    return pixel * stride[across] + (i * stride[axis]).astype(np.int32)[:, None], value
