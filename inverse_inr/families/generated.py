"""`Generated`: a network sees the measurements and makes the weights of the field."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from inverse_inr.families.amortized import Amortized
from inverse_inr.families.encoders import Encoder, Parameters
from inverse_inr.families.fields import State
from inverse_inr.families.pixels import FEATURES, seeing, together
from inverse_inr.families.tasks import Task
from inverse_inr.priors import Prior
from inverse_inr.ranges import checked

START = 1e-2
"""Size of what the generator adds at first, relative to the start's own weights."""


class Generated(Amortized):
    """A hypernetwork: θ = θ₀ + s H(mean, deviation of the encoder's features).

    θ₀ is shared, s the size of each tensor of θ₀ when the training begins, H a linear map.

    Args:
        encoder: Makes features of the image that the back-projected measurements are:
            `Convolutions(...)`, `Parameters(...)`, or an nn.Module from (b, channels, *shape) to
            (b, features, *shape).
        prior: A name of the catalogue of priors.
        options: Options of the prior.
        sees_image: Whether the field is also given the back-projected measurements at each point,
            as further coordinates: f_θ(x, image at x).

    Raises:
        ValueError: The field is to see an image, and the encoder sees parameters.

    Source:
        Ha et al. 2017 (HyperNetworks); Zhang et al. 2021, arXiv:2112.10541; Wu et al. 2023
        (HyperINR), arXiv:2304.04188.
    """

    kind = "generated"

    @checked
    def __init__(
        self,
        encoder: Encoder,
        prior: str = "siren",
        options: Mapping[str, Any] | None = None,
        *,
        sees_image: bool = False,
    ) -> None:
        super().__init__(encoder, prior, options)
        if sees_image and isinstance(encoder, Parameters):
            raise ValueError("Generated: sees_image=True, but an encoder of Parameters has none.")
        self.sees_image = sees_image

    def recipe(self) -> dict[str, Any]:
        return {**super().recipe(), "sees_image": self.sees_image}

    def _extend(self, template: Prior, generator: torch.Generator) -> Prior:
        super()._extend(template, generator)
        inputs = self.feature_count(template)
        if not isinstance(self.choice, Parameters):
            inputs = 2 * inputs
        if self.sees_image:
            assert self.grid is not None
            channels = template.channels * (1 + self.is_complex)
            template = seeing(template, self.grid, channels)
        parameters = list(_learnt(template).values())
        total = sum(p.numel() for p in parameters)
        self.hyper = nn.Linear(inputs, total)
        with torch.no_grad():
            spread = START / math.sqrt(inputs)
            self.hyper.weight.copy_(torch.randn(total, inputs, generator=generator) * spread)
            self.hyper.bias.zero_()
        sizes = torch.stack([p.detach().square().mean().sqrt() for p in parameters])
        self.sizes = nn.Buffer(sizes.clamp(min=1e-6))
        return template

    def states(self, tasks: Sequence[Task], *, learning: bool, steps: int | None = None) -> State:
        template = self.known
        with torch.set_grad_enabled(learning):
            summary = torch.stack([self._summary(f) for f in self.features(tasks)])
            named = _learnt(template)
            parts = self.hyper(summary).split([p.numel() for p in named.values()], -1)
            own = {
                name: p + size * part.reshape(len(tasks), *p.shape)
                for (name, p), part, size in zip(named.items(), parts, self.sizes, strict=True)
            }
            if self.sees_image:
                own[FEATURES] = together("Generated", self.images(tasks))
            return own

    def _summary(self, features: Tensor) -> Tensor:
        """Mean and deviation of each feature over the image; of parameters the features alone."""
        flat = features.flatten(1)
        if isinstance(self.choice, Parameters):
            return flat[:, 0]
        return torch.cat([flat.mean(1), (flat.var(1, correction=0) + 1e-8).sqrt()])


def _learnt(template: Prior) -> dict[str, nn.Parameter]:
    """The parameters that a generator makes: all but an image that the field is given."""
    return {name: p for name, p in template.named_parameters() if name != FEATURES}
