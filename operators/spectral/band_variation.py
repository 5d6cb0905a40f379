"""Total variation of a cube whose bands share their edges."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr import Field, Grid, sample
from inverse_inr.ranges import Count, Positive, checked
from inverse_inr.regularizers import Regularizer


@checked
@dataclass(frozen=True)
class BandTotalVariation(Regularizer):
    """Vectorial total variation: where one band has an edge, an edge of another costs little.

        mean over pixels of sqrt(mean over bands of |∇f|²)

    The gradient is taken in space only, by forward differences, in field units per length unit.
    Each step looks at every `stride`-th band, from a random one on. Spectra are smooth, so a few
    bands show all edges.

    Args:
        grid: Pixels and bands, (*space, bands); the last axis is the wavelength.
        stride: Distance between the bands that one step looks at, at least 1.
        epsilon: Rounds the corner at zero, in the unit of the gradient.

    Raises:
        ValueError: If the grid has no axis of space, or the stride leaves no band.

    Source:
        Bresson & Chan (2008).
    """

    grid: Grid
    stride: Count = 4
    epsilon: Positive = 1e-4

    def __post_init__(self) -> None:
        if self.grid.ndim < 2 or self.stride < 1:
            raise ValueError(
                f"BandTotalVariation: a grid of shape {self.grid.shape} and stride={self.stride}; "
                "it needs axes of space, bands last, and a stride of at least 1."
            )

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        # (bands, *space, c) is contiguous where a cube is made band by band
        bands = sample(field, self.grid).movedim(-2, 0)
        stride = min(self.stride, len(bands))
        if stride > 1:
            bands = bands[int(torch.randint(stride, ())) :: stride]
        inner = [slice(0, max(1, n - 1)) for n in self.grid.shape[:-1]]
        squared = torch.zeros((), dtype=bands.dtype.to_real(), device=bands.device)
        for axis, h in enumerate(self.grid.spacing[:-1]):
            if self.grid.shape[axis] > 1:
                others = list(inner)
                others[axis] = slice(None)
                slope = bands[:, *others].diff(dim=axis + 1) / h
                squared = squared + slope.abs().square().mean(0).sum(-1)
        return (squared + self.epsilon**2).sqrt().mean() - self.epsilon
