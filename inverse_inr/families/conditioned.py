"""`Conditioned`: a field that sees the measurements' features where it is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from inverse_inr.domain import Box, Grid
from inverse_inr.families.amortized import Amortized
from inverse_inr.families.encoders import Encoder
from inverse_inr.families.fields import State
from inverse_inr.families.tasks import Task
from inverse_inr.priors import Prior, create
from inverse_inr.priors.encodings import Encoding
from inverse_inr.ranges import checked
from inverse_inr.sampled import interpolation_weights

FEATURES = "encoding.features"
"""The parameter in which the fields of a family differ."""


class FeaturesAt(Encoding):
    """Coordinates together with features that are linear between the pixels of a grid.

    Args:
        inner: The encoding of coordinates and features together.
        grid: Pixels of the features, in normalised coordinates.
        count: Number of features.
    """

    smoothness = 0

    def __init__(self, inner: Encoding, grid: Grid, count: int) -> None:
        super().__init__()
        self.inner = inner
        self.grid = grid
        self.size = inner.size
        self.features = nn.Parameter(torch.zeros(count, *grid.shape))

    def forward(self, x: Tensor) -> Tensor:
        index, weight = interpolation_weights(self.grid, x)
        near = self.features.flatten(1).T[index]
        seen = (near * weight.to(near.dtype)[..., None]).sum(-2)
        return self.inner(torch.cat([x, seen], -1))


class Conditioned(Amortized):
    """f(x, features of the measurements at x): one decoder for all, an encoder's features of each.

    The decoder is the network of a prior with as many axes more as there are features. It can be
    asked anywhere, and costs no more for a finer grid of the features.

    Args:
        encoder: Makes features of the image that the back-projected measurements are:
            `Convolutions(...)`, or an nn.Module from (b, channels, *shape) to
            (b, features, *shape) without change of shape.
        prior: A name of the catalogue of priors, of one that takes any number of axes.
        options: Options of the prior.

    Source:
        Chen et al. 2021 (LIIF); Khan & Fang 2022 (IOSNet); Chen et al. 2023, arXiv:2312.01061.
    """

    kind = "conditioned"

    @checked
    def __init__(
        self, encoder: Encoder, prior: str = "siren", options: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(encoder, prior, options)

    def _extend(self, template: Prior, generator: torch.Generator) -> Prior:
        super()._extend(template, generator)
        count = self.feature_count(template)
        box, grid = template.box, self.grid
        assert grid is not None
        wide = Box(
            box.lower + (-1.0,) * count, box.upper + (1.0,) * count, box.units + ("",) * count
        )
        decoder = create(template.recipe.name, wide, **template.recipe.options)
        corners = torch.tensor([grid.box.lower, grid.box.upper], dtype=torch.float64)
        low, high = (tuple(corner.tolist()) for corner in box.normalize(corners))
        pixels = Grid(Box(low, high), grid.shape)
        made = Prior(
            box,
            FeaturesAt(decoder.encoding, pixels, count),
            lambda outputs: decoder.network,
            channels=decoder.channels,
            head=decoder.head.names,
            bandwidth=template.bandwidth,
            learning_rate=decoder.learning_rate,
            rates=decoder.rates,
        )
        made.recipe = replace(made.recipe, name=f"{template.name} on features")
        # what an encoder makes of each problem is no part of what is shared
        assert isinstance(made.encoding, FeaturesAt)
        made.encoding.features.requires_grad_(False)
        return made

    def states(self, tasks: Sequence[Task], *, learning: bool, steps: int | None = None) -> State:
        own = self.known.get_parameter(FEATURES)
        with torch.set_grad_enabled(learning):
            found = self.features(tasks)
        for features in found:
            if features.shape != own.shape:
                raise ValueError(
                    f"Conditioned: the encoder gives features of shape {tuple(features.shape)} for "
                    f"this problem; the family's are {tuple(own.shape)}. Another grid?"
                )
        return {FEATURES: torch.stack(found)}
