"""Video snapshots: one exposure through a mask that changes (snapshot compressive imaging)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from inverse_inr import Grid, OnGrid, Query, RowOperator
from inverse_inr.operators.quadrature import GaussNodes
from inverse_inr.operators.rows import (
    ArrayFunction,
    beside_operator,
    pixel_centers,
    without_lone_channel,
)
from inverse_inr.ranges import FiniteTensor, checked


class CodedVideo(RowOperator):
    """A video snapshot; rows are the pixels of one frame.

        y(x) = Σ_t code(x, t) · mean of f(x, ·) over frame t

    Several Gauss-Legendre `instants` see each frame, so that motion inside it blurs as it does on
    the detector. Several snapshots are several terms.

    Args:
        codes: (*grid.shape), usually 0 and 1.
        grid: Its last axis is time, and its pixels along that axis are the frames of one exposure.
        instants: Times at which each frame is seen.

    Raises:
        ValueError: For codes of another shape, NaN or Inf, codes that are all zero, or `instants`
            below 1.

    Source:
        Llull et al. 2013, eq. 1.
    """

    codes: Tensor

    @checked
    def __init__(self, codes: FiniteTensor, grid: Grid, *, instants: GaussNodes = 1) -> None:
        if tuple(codes.shape) != grid.shape or grid.ndim < 2:
            raise ValueError(
                f"CodedVideo: codes have shape {tuple(codes.shape)}, "
                f"the grid {grid.shape} (time last)."
            )
        if not codes.is_floating_point():
            codes = codes.to(torch.get_default_dtype())
        if not codes.any():
            raise ValueError("CodedVideo: codes must not be all zero.")
        super().__init__(grid.shape[:-1])
        self.grid = grid
        self.codes = nn.Buffer(codes.detach().clone())
        node, weight = np.polynomial.legendre.leggauss(instants)
        self._node = node.tolist()
        self._weight = (weight / 2).tolist()

    def forward(self, rows: Tensor) -> Query:
        """Look at the instants of every frame at the pixels of `rows`."""
        rows = rows.to(self.codes.device)
        frames = self.grid.shape[-1]
        pixels = rows[:, None] * frames + torch.arange(frames, device=rows.device)
        middle = pixel_centers(self.grid, pixels)
        within = torch.zeros(
            len(self._node), self.grid.ndim, dtype=torch.float64, device=rows.device
        )
        within[:, -1] = 0.5 * self.grid.spacing[-1] * within.new_tensor(self._node)
        codes = self.codes.reshape(-1, frames)[rows]

        def measure(values: Tensor) -> Tensor:
            instants = torch.einsum("btqc,q->btc", values, values.new_tensor(self._weight))
            return without_lone_channel(
                torch.einsum("btc,bt->bc", instants, codes.to(values.dtype))
            )

        return Query(middle[:, :, None] + within, measure)  # (b, frames, instants, d)

    @beside_operator
    def on(self, grid: Grid) -> OnGrid:
        """The same snapshot of a sampled video (*space, frames[, c]), with one value per frame.

        Args:
            grid: The grid of the codes.

        Raises:
            ValueError: For another grid than that of the codes.
        """
        if grid != self.grid:
            raise ValueError(
                f"CodedVideo.on: codes belong to a grid of shape {self.grid.shape}, "
                f"not {grid.shape}."
            )
        return OnGrid(ArrayFunction(_snapshot, self.codes), grid, self.shape)


def _snapshot(video: Tensor, codes: Tensor) -> Tensor:
    codes = codes.to(video.dtype)
    if video.ndim == codes.ndim:
        return (codes * video).sum(-1)
    return (codes[..., None] * video).sum(-2)
