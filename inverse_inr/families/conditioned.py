"""`Conditioned`: a field that sees the measurements' features where it is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from inverse_inr.families.amortized import Amortized
from inverse_inr.families.encoders import Encoder
from inverse_inr.families.fields import State
from inverse_inr.families.pixels import FEATURES, seeing, together
from inverse_inr.families.tasks import Task
from inverse_inr.priors import Prior
from inverse_inr.ranges import checked


class Conditioned(Amortized):
    """f(x, features of the measurements at x): one decoder for all, an encoder's features of each.

    The decoder is the network of a prior with as many axes more as there are features. It can be
    asked anywhere, and costs no more for a finer grid of the features.

    Args:
        encoder: Makes features of the image that the back-projected measurements are:
            `Convolutions(...)`, `Parameters(...)`, or an nn.Module from (b, channels, *shape) to
            (b, features, *other), whose pixels fill the same box.
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
        assert self.grid is not None
        return seeing(template, self.grid, self.feature_count(template))

    def states(self, tasks: Sequence[Task], *, learning: bool, steps: int | None = None) -> State:
        with torch.set_grad_enabled(learning):
            return {FEATURES: together("Conditioned", self.features(tasks))}
