"""Similar patches: what one place of an image says about another, by a guide.

    R(f) = 1/n Σ_i Σ_j w_ij |f(x_i) − f(x_j)|²

The inner sum is over the `neighbours` most similar patches j of each pixel i. The guide may be a
first reconstruction of the same measurements (Gilboa & Osher 2008, Nonlocal operators with
applications to image processing). What similar patches have in common beyond their values is in
`patch_models`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from inverse_inr.devices import CPU
from inverse_inr.domain import Grid
from inverse_inr.evaluation import Field, sample
from inverse_inr.hooks import MadeLater
from inverse_inr.kernels.patches import similar_patches
from inverse_inr.ranges import checked
from inverse_inr.regularizers.weighted import Regularizer


class NonLocal(Regularizer):
    """Mean over pixels i of Σ_j w_ij |f(x_i) - f(x_j)|², over similar patches j of a guide.

    Args:
        guide: A field: another modality, a classical or an earlier reconstruction. It is seen once,
            at the pixels of `grid`.
        grid: The pixels.
        options: Options of `similar_patches`.

    Source:
        Gilboa & Osher 2008.
    """

    @checked
    def __init__(self, guide: Field, grid: Grid, **options: Any) -> None:
        self.guide = guide
        self.grid = grid
        self.options = options
        self._graph: tuple[Tensor, Tensor] | None = None

    def graph(self, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
        """Neighbours and weights of each pixel, (n, k) each, as `similar_patches` gives them.

        They are a pure function of the guide, made when first asked for.

        Args:
            device: The device on which they are kept from now on; where the guide is if None.
        """
        if self._graph is None:
            guide = self.guide
            if isinstance(guide, MadeLater):
                guide = guide.on_device(device or CPU)
            with torch.no_grad():
                self._graph = similar_patches(sample(guide, self.grid), **self.options)
        if device is not None and self._graph[0].device != device:
            neighbours, weights = self._graph
            self._graph = (neighbours.to(device), weights.to(device))
        return self._graph

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        values = sample(field, self.grid).flatten(0, -2)
        neighbours, weights = self.graph(values.device)
        apart = (values[:, None] - values[neighbours]).abs().square().sum(-1)
        return (weights.to(apart.dtype) * apart).sum(1).mean()
