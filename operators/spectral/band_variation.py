"""Total variation of a cube whose bands share their edges."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr import Field, Grid, sample
from inverse_inr.regularizers import Regularizer


@dataclass(frozen=True)
class BandTotalVariation(Regularizer):
    """Mean over pixels of sqrt(mean over bands of |∇f|²), the gradient in space only; the last axis of `grid` is bands.

    Vectorial total variation (Bresson & Chan 2008): where one band has an edge, another's costs little. By forward
    differences, in field units per length unit. A step looks at every `stride`-th band, from a random one: spectra are
    smooth, so a few bands tell all edges. `epsilon` rounds the corner at zero.
    Raises ValueError for a grid without space, or a stride that leaves no band.
    """

    grid: Grid
    stride: int = 4
    epsilon: float = 1e-4

    def __post_init__(self) -> None:
        if self.grid.ndim < 2 or not 1 <= self.stride:
            raise ValueError(
                f"BandTotalVariation: a grid of shape {self.grid.shape} and stride={self.stride}; it needs axes of "
                "space, bands last, and a stride of at least 1."
            )

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        bands = sample(field, self.grid).movedim(
            -2, 0
        )  # (bands, *space, c): contiguous where a cube is made band by band
        stride = min(self.stride, len(bands))
        bands = bands[int(torch.randint(stride, ())) :: stride] if stride > 1 else bands
        inner = tuple(slice(0, max(1, n - 1)) for n in self.grid.shape[:-1])
        squared = torch.zeros((), dtype=bands.dtype.to_real(), device=bands.device)
        for axis, h in enumerate(self.grid.spacing[:-1]):
            if self.grid.shape[axis] > 1:
                others = tuple(slice(None) if k == axis else part for k, part in enumerate(inner))
                slope = bands[:, *others].diff(dim=axis + 1) / h
                squared = squared + slope.abs().square().mean(0).sum(-1)
        return (squared + self.epsilon**2).sqrt().mean() - self.epsilon
