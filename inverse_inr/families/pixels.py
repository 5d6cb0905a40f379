"""Networks that are given, beside the coordinates, what an image holds there."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from inverse_inr.devices import constant
from inverse_inr.domain import Box, Grid
from inverse_inr.priors import Prior, create
from inverse_inr.priors.encodings import Encoding
from inverse_inr.sampled import interpolation_weights

FEATURES = "encoding.features"
"""The parameter that holds the image of each field."""


class FeaturesAt(Encoding):
    """Coordinates together with features that are linear between the pixels of an image.

    The image fills the same box whatever its shape; one pixel along an axis is a constant.

    Args:
        inner: The encoding of coordinates and features together.
        pixels: Pixels of the features, in normalised coordinates.
        count: Number of features.
        carried: How many of the last features pass by the inner encoding, to be added to what the
            network gives.
        offsets: Whether the inner encoding sees the features of the pixel that a point is in, and
            its place within that pixel (-1 to 1 along each axis), instead of linear features.
    """

    def __init__(
        self, inner: Encoding, pixels: Grid, count: int, carried: int = 0, *, offsets: bool = False
    ) -> None:
        super().__init__()
        self.inner = inner
        self.box = pixels.box
        self.carried = carried
        self.offsets = offsets
        self.smoothness = -1 if offsets else 0  # features jump from pixel to pixel
        self.size = inner.size + carried
        self.features = nn.Parameter(torch.zeros(count, *pixels.shape))

    def forward(self, x: Tensor) -> Tensor:
        pixels = Grid(self.box, tuple(self.features.shape[1:]))
        index, weight = interpolation_weights(pixels, x)
        near = self.features.flatten(1).T[index]
        seen = (near * weight.to(near.dtype)[..., None]).sum(-2)
        count = seen.shape[-1] - self.carried
        own, carried = seen[..., :count], seen[..., count:]
        if self.offsets:
            own = self._local(pixels, x, count)
        return torch.cat([self.inner(torch.cat([x, own], -1)), carried], -1)

    def _local(self, pixels: Grid, x: Tensor, count: int) -> Tensor:
        """Features of the pixel that each point is in, and the place within it."""
        place = pixels.position(x)
        top = constant([n - 1 for n in pixels.shape], x.dtype, x.device)
        centre = torch.minimum((place.detach() + 0.5).floor().clamp(min=0), top)
        near = self.features[:count][(slice(None), *centre.long().unbind(-1))]
        return torch.cat([near.movedim(0, -1), 2 * (place - centre)], -1)


class Added(nn.Module):
    """A network whose last inputs are added to what it makes of the others.

    Args:
        network: The network of the others.
        carried: How many inputs are added, as many as it has outputs.
        size: Unit of what the network gives.
    """

    def __init__(self, network: nn.Module, carried: int, size: float) -> None:
        super().__init__()
        self.network = network
        self.carried = carried
        self.size = nn.Buffer(torch.tensor(size))

    def forward(self, seen: Tensor) -> Tensor:
        """Map (*s, n + carried) to (*s, carried)."""
        made = self.network(seen[..., : -self.carried])
        return self.size * made + seen[..., -self.carried :]


def seeing(
    template: Prior,
    grid: Grid,
    count: int,
    *,
    added: int = 0,
    size: float = 1.0,
    offsets: bool = False,
) -> Prior:
    """Make the prior that is given the features of an image beside the coordinates.

    Args:
        template: The prior on coordinates alone.
        grid: Pixels of the image, on the template's box.
        count: Number of features.
        added: Channels of an image that stands behind the features, and is added to what the
            network gives.
        size: Unit of what the network then gives.
        offsets: Whether features are those of a point's own pixel, beside its place within it.

    Returns:
        A prior of the same catalogue entry with as many axes more as there are features, and with
        offsets as many again as the box has. Its features are no part of what is learnt.
    """
    box = template.box
    more = count + box.ndim * offsets
    wide = Box(box.lower + (-1.0,) * more, box.upper + (1.0,) * more, box.units + ("",) * more)
    decoder = create(template.recipe.name, wide, **template.recipe.options)
    network = decoder.network
    if added:
        network = Added(network, added, size)
    corners = torch.tensor([grid.box.lower, grid.box.upper], dtype=torch.float64)
    low, high = (tuple(corner.tolist()) for corner in box.normalize(corners))
    made = Prior(
        box,
        FeaturesAt(
            decoder.encoding,
            Grid(Box(low, high), grid.shape),
            count + added,
            added,
            offsets=offsets,
        ),
        lambda outputs: network,
        channels=decoder.channels,
        head=decoder.head.names,
        bandwidth=template.bandwidth,
        learning_rate=decoder.learning_rate,
        rates=decoder.rates,
    )
    made.recipe = replace(made.recipe, name=f"{template.name} on features")
    made.get_parameter(FEATURES).requires_grad_(False)
    return made


def together(name: str, images: list[Tensor]) -> Tensor:
    """Stack the features of several fields.

    Args:
        name: Who asks, for the message.
        images: (features, *shape) each.

    Raises:
        ValueError: Their shapes differ.
    """
    shapes = [tuple(image.shape) for image in images]
    if len(set(shapes)) > 1:
        raise ValueError(
            f"{name}: the tasks of one step have features of the shapes {shapes[0]} and "
            f"{next(s for s in shapes if s != shapes[0])}. Grids of one shape, or tasks=1?"
        )
    return torch.stack(images)
