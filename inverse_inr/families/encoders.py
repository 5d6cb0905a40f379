"""Encoders: networks that see an image of the measurements, and the images that they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

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


Encoder = Convolutions | nn.Module
"""What makes features (b, features, *shape) of images (b, channels, *shape)."""


def encoder_recipe(encoder: Encoder) -> dict[str, Any] | None:
    """Describe an encoder by plain values; None for a module of the user's own."""
    if isinstance(encoder, Convolutions):
        return asdict(encoder)
    return None


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
