"""`Conditioned`: a field that sees the measurements' features where it is asked."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from inverse_inr.families.amortized import Amortized
from inverse_inr.families.encoders import Encoder, Parameters
from inverse_inr.families.fields import State
from inverse_inr.families.linear import LinearEstimate
from inverse_inr.families.pixels import FEATURES, seeing, together
from inverse_inr.families.tasks import Task
from inverse_inr.priors import Prior
from inverse_inr.ranges import checked

SHARE = 0.1
"""Unit of what is added to a linear estimate, relative to the images themselves."""


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
        base: A linear estimate that the field starts from: the encoder sees it beside the
            back-projected measurements, and the decoder gives what is to be added to it. For linear
            operators; the head is then the linear one.
        offsets: Whether the decoder sees the features of the pixel that a point is in, and the
            place within that pixel, instead of features that are linear between pixels. For details
            finer than the encoder's pixels; the field can then jump from pixel to pixel.

    Raises:
        ValueError: There is a base, and an encoder that sees parameters or a head that is none.

    Source:
        Chen et al. 2021 (LIIF); Khan & Fang 2022 (IOSNet); Chen et al. 2023, arXiv:2312.01061.
    """

    kind = "conditioned"

    @checked
    def __init__(
        self,
        encoder: Encoder,
        prior: str = "siren",
        options: Mapping[str, Any] | None = None,
        *,
        base: LinearEstimate | None = None,
        offsets: bool = False,
    ) -> None:
        super().__init__(encoder, prior, options)
        self.offsets = offsets
        if base is not None and isinstance(encoder, Parameters):
            raise ValueError("Conditioned: base= needs an image, but Parameters sees none.")
        self.base = copy.deepcopy(base)

    def recipe(self) -> dict[str, Any]:
        told = None
        if self.base is not None:
            told = self.base.recipe()
        return {**super().recipe(), "base": told, "offsets": self.offsets}

    def image_channels(self, template: Prior) -> int:
        added = 0
        if self.base is not None:
            added = template.channels
        return super().image_channels(template) + added

    def _extend(self, template: Prior, generator: torch.Generator) -> Prior:
        super()._extend(template, generator)
        assert self.grid is not None
        count = self.feature_count(template)
        if self.base is None:
            return seeing(template, self.grid, count, offsets=self.offsets)
        if template.head.names != ["linear"] or self.is_complex:
            raise ValueError("Conditioned: base= is added to real values of head='linear'.")
        size = SHARE * self.base.size
        return seeing(
            template,
            self.grid,
            count,
            added=template.channels,
            size=size,
            offsets=self.offsets,
        )

    def images(self, tasks: Sequence[Task]) -> list[Tensor]:
        seen = super().images(tasks)
        if self.base is None:
            return seen
        unit = self.base.size
        return [torch.cat([s, e / unit]) for s, e in zip(seen, self._bases(tasks), strict=True)]

    def states(self, tasks: Sequence[Task], *, learning: bool, steps: int | None = None) -> State:
        with torch.set_grad_enabled(learning):
            features = self.features(tasks)
            if self.base is not None:
                pairs = zip(features, self._bases(tasks), strict=True)
                features = [torch.cat([f, e]) for f, e in pairs]
            return {FEATURES: together("Conditioned", features)}

    def _bases(self, tasks: Sequence[Task]) -> list[Tensor]:
        """The linear estimate of each task, found once: (channels, *shape)."""
        assert self.base is not None
        for task in tasks:
            if task.base is None:
                task.base = self.base.estimate(task.problem).movedim(-1, 0).to(task.image())
        return [task.base for task in tasks if task.base is not None]
