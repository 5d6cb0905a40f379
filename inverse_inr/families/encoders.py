"""Encoders: networks that see an image of the measurements, or parameters of the problem."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from inverse_inr.problem import Problem
from inverse_inr.ranges import Count, checked

CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
"""Convolution by the number of axes."""


@checked
@dataclass(frozen=True)
class Convolutions:
    """A residual convolutional network, whose kernels reach twice as far from layer to layer.

    Args:
        features: Channels of its result.
        depth: Number of residual layers; the last one reaches 2^depth pixels.
    """

    features: Count = 32
    depth: Count = 4

    def build(self, ndim: int, channels: int, generator: torch.Generator) -> nn.Module:
        """Make the network for images (b, channels, *shape).

        Args:
            ndim: Number of axes of the image, 1 to 3.
            channels: Channels of the image, real.
            generator: Source of the starting weights.

        Raises:
            ValueError: There is no convolution of so many axes.
        """
        if ndim not in CONVOLUTIONS:
            raise ValueError(
                f"Convolutions: images have 1 to 3 axes, these have {ndim}. "
                "Pass an encoder of your own, an nn.Module."
            )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
            return _Residual(CONVOLUTIONS[ndim], channels, self.features, self.depth)


class _Residual(nn.Module):
    """Dilated convolutions, each added to what it was given."""

    def __init__(self, kind: Any, channels: int, features: int, depth: int) -> None:
        super().__init__()
        self.first = kind(channels, features, 3, padding=1)
        self.layers = nn.ModuleList(
            kind(features, features, 3, padding=2**k, dilation=2**k) for k in range(depth)
        )

    def forward(self, image: Tensor) -> Tensor:
        h = self.first(image)
        for layer in self.layers:
            h = h + layer(nn.functional.gelu(h))
        return h


@checked
@dataclass(frozen=True)
class Parameters:
    """A small network that sees parameters of each problem, and nothing of its measurements.

    A simulation at parameters p is known in one pass, once others were: `Generated` makes the
    weights of its field.

    Args:
        names: Keys of `problem.notes`, each of which holds one number.
        features: Numbers that it gives, and width of its hidden layers. What `Generated` makes of
            them is linear, so few of them are what limits it.
        depth: Number of hidden layers.

    Raises:
        ValueError: There are no names.

    Source:
        Wu et al. 2023 (HyperINR), arXiv:2304.04188, without its tables.
    """

    names: tuple[str, ...]
    features: Count = 256
    depth: Count = 2

    def __post_init__(self) -> None:
        if not self.names:
            raise ValueError("Parameters: names is empty; name keys of `problem.notes`.")

    def of(self, problem: Problem) -> Tensor:
        """Read the parameters of a problem: (names,).

        Args:
            problem: The problem, whose `notes` hold them.

        Raises:
            ValueError: One of them is missing or no finite number.
        """
        notes = problem.notes
        for name in self.names:
            value = notes.get(name)
            if not isinstance(value, int | float) or not math.isfinite(value):
                raise ValueError(
                    f"Parameters: problem.notes[{name!r}] is {value!r}, no finite number. "
                    "`dataclasses.replace(problem, notes={...})` adds it."
                )
        return torch.tensor([float(notes[name]) for name in self.names])

    def build(self, generator: torch.Generator) -> nn.Module:
        """Make the network for parameters (b, names, 1, ...).

        Args:
            generator: Source of the starting weights.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
            return Standardised(len(self.names), self.features, self.depth)


class Standardised(nn.Module):
    """An MLP of numbers from which the mean of the family is taken, and its spread divided.

    Args:
        inputs: Numbers that it sees.
        features: Numbers that it gives, and width of its hidden layers.
        depth: Number of hidden layers.
    """

    def __init__(self, inputs: int, features: int, depth: int) -> None:
        super().__init__()
        self.mean = nn.Buffer(torch.zeros(inputs))
        self.spread = nn.Buffer(torch.ones(inputs))
        sizes = [inputs, *(features,) * depth]
        parts: list[nn.Module] = []
        for n, m in itertools.pairwise(sizes):
            parts += [nn.Linear(n, m), nn.GELU()]
        self.layers = nn.Sequential(*parts, nn.Linear(sizes[-1], features))

    def begin(self, values: Tensor) -> None:
        """Take mean and spread from the first problems, (problems, inputs), in place."""
        self.mean.copy_(values.mean(0))
        self.spread.copy_(values.std(0, correction=0).clamp(min=1e-6 * (1 + values.abs().amax(0))))

    def forward(self, values: Tensor) -> Tensor:
        """Map (b, inputs, 1, ...) to (b, features, 1, ...)."""
        ones = values.shape[2:]
        seen = (values.flatten(1) - self.mean) / self.spread
        return self.layers(seen).reshape(len(values), -1, *ones)


Encoder = Convolutions | Parameters | nn.Module
"""What makes features (b, features, *shape) of images (b, channels, *shape)."""


def encoder_recipe(encoder: Encoder) -> dict[str, Any] | None:
    """Describe an encoder by plain values; None for a module of the user's own."""
    if isinstance(encoder, Convolutions | Parameters):
        return {key: _plain(value) for key, value in asdict(encoder).items()}
    return None


def _plain(value: Any) -> Any:
    """A value as a file has it."""
    if isinstance(value, tuple):
        return list(value)
    return value


def encoder_of(recipe: Mapping[str, Any]) -> Convolutions | Parameters:
    """Make an encoder of what `encoder_recipe` says."""
    if "names" in recipe:
        return Parameters(**{**recipe, "names": tuple(recipe["names"])})
    return Convolutions(**recipe)


def encoded(encoder: nn.Module, images: Sequence[Tensor]) -> list[Tensor]:
    """Encode images, together where their shapes agree.

    Args:
        encoder: The network.
        images: (channels, *shape) each.

    Returns:
        (features, *shape) each.
    """
    if len({image.shape for image in images}) == 1:
        return list(encoder(torch.stack(list(images))))
    return [encoder(image[None])[0] for image in images]
