"""`Amortized`: families whose fields an encoder makes of the measurements, in one pass."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from inverse_inr.families.encoders import (
    Convolutions,
    Encoder,
    Parameters,
    Standardised,
    encoded,
    encoder_recipe,
)
from inverse_inr.families.family import Family
from inverse_inr.families.tasks import Task
from inverse_inr.priors import Prior


class Amortized(Family):
    """The common part of families with an encoder of the back-projected measurements.

    Args:
        encoder: Makes features (b, features, *shape) of images (b, channels, *shape).
        prior: A name of the catalogue of priors.
        options: Options of the prior.
    """

    rates: ClassVar[Mapping[str, float]] = {"encoder": 1e-3, "hyper": 1e-3}
    level: Tensor

    def __init__(self, encoder: Encoder, prior: str, options: Mapping[str, Any] | None) -> None:
        super().__init__(prior, options)
        self.made_by = encoder_recipe(encoder)
        self.encoder: nn.Module = nn.Identity()
        self.choice: Convolutions | Parameters | None = None
        if isinstance(encoder, Convolutions | Parameters):
            self.choice = encoder
        else:
            self.encoder = copy.deepcopy(encoder)

    def recipe(self) -> dict[str, Any]:
        return {"encoder": self.made_by, "prior": self.prior, "options": self.options}

    def _extend(self, template: Prior, generator: torch.Generator) -> Prior:
        channels = self.image_channels(template)
        self.level = nn.Buffer(torch.zeros((), dtype=torch.float64))
        if isinstance(self.choice, Parameters):
            self.encoder = self.choice.build(generator)
        elif self.choice is not None:
            self.encoder = self.choice.build(template.box.ndim, channels, generator)
        return template

    def image_channels(self, template: Prior) -> int:
        """Number of channels, real, of the image that the encoder sees."""
        return template.channels * (1 + self.is_complex)

    def feature_count(self, template: Prior) -> int:
        """Number of features that the encoder gives, found by an empty image of the grid."""
        if isinstance(self.choice, Parameters):
            return self.choice.features
        assert self.grid is not None
        channels = self.image_channels(template)
        shape = self.grid.shape
        if self.choice is not None:
            shape = (8,) * template.box.ndim
        with torch.no_grad():
            return self.encoder(torch.zeros(1, channels, *shape)).shape[1]

    @property
    def begun(self) -> bool:
        return bool(self.level)

    def begin(self, tasks: Sequence[Task]) -> None:
        if self.begun:
            return  # what the training began with
        if isinstance(self.choice, Parameters):
            assert isinstance(self.encoder, Standardised)
            self.encoder.begin(torch.stack([self.choice.of(task.problem) for task in tasks]))
            self.level.fill_(1.0)
            return
        squares = [float(task.image().double().square().mean()) for task in tasks]
        self.level.fill_(max(sum(squares) / len(squares), 1e-60) ** 0.5)

    def images(self, tasks: Sequence[Task]) -> list[Tensor]:
        """Give what the encoder sees of each task, (channels, *shape).

        It is the back-projected measurements in the unit of the family, or the problem's parameters
        as one pixel.
        """
        if isinstance(self.choice, Parameters):
            ones = (1,) * self.known.box.ndim
            values = [self.choice.of(task.problem) for task in tasks]
            return [value.to(self.known.lower.device).reshape(-1, *ones) for value in values]
        return [task.image() / float(self.level) for task in tasks]

    def features(self, tasks: Sequence[Task]) -> list[Tensor]:
        """Encode the measurements of tasks: (features, *shape) each."""
        return encoded(self.encoder, self.images(tasks))
