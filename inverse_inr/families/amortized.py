"""`Amortized`: families whose fields an encoder makes of the measurements, in one pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from inverse_inr.families.encoders import (
    Convolutions,
    Encoder,
    encoded,
    encoder_recipe,
    image_of,
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
        self.choice = encoder
        self.encoder = nn.Identity() if isinstance(encoder, Convolutions) else encoder
        self._images: WeakKeyDictionary[Task, Tensor] = WeakKeyDictionary()

    def __deepcopy__(self, memo: dict[int, Any]) -> Amortized:
        import copy

        made = type(self).__new__(type(self))
        memo[id(self)] = made
        for name, value in self.__dict__.items():
            made.__dict__[name] = (
                WeakKeyDictionary() if name == "_images" else copy.deepcopy(value, memo)
            )
        return made

    def recipe(self) -> dict[str, Any]:
        return {"encoder": self.made_by, "prior": self.prior, "options": self.options}

    def _extend(self, template: Prior, generator: torch.Generator) -> Prior:
        channels = template.channels * (1 + self.is_complex)
        self.level = nn.Buffer(torch.ones((), dtype=torch.float64))
        if isinstance(self.choice, Convolutions):
            self.encoder = self.choice.build(template.box.ndim, channels, generator)
        return template

    def feature_count(self, template: Prior) -> int:
        """Number of features that the encoder gives, found by an empty image."""
        channels = template.channels * (1 + self.is_complex)
        with torch.no_grad():
            return self.encoder(torch.zeros(1, channels, *(8,) * template.box.ndim)).shape[1]

    def begin(self, tasks: Sequence[Task]) -> None:
        squares = [float(self._image(task).double().square().mean()) for task in tasks]
        self.level.fill_(max(sum(squares) / len(squares), 1e-60) ** 0.5)

    def features(self, tasks: Sequence[Task]) -> list[Tensor]:
        """Encode the measurements of tasks: (features, *shape) each."""
        images = [self._image(task) / float(self.level) for task in tasks]
        return encoded(self.encoder, images)

    def _image(self, task: Task) -> Tensor:
        if task not in self._images:
            self._images[task] = image_of(task).detach()
        return self._images[task]
