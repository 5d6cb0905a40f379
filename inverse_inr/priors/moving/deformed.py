"""A field at rest that a smooth displacement moves over time: the preset `deformed`.

    f(x, t) = g(x + u(x, t)),     u(x, t) = (t - t0) v(x, t),     v = 0 at the start

The last axis of the box is time. g is a prior on the other axes, and v a small network of sines
of low frequency. What moves with the velocity w, g(x - w (t - t0)), has u = -w (t - t0).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from inverse_inr.domain import Box
from inverse_inr.priors.encodings import Encoding, Identity
from inverse_inr.priors.features import fourier
from inverse_inr.priors.grids import grid, hash
from inverse_inr.priors.heads import HeadName
from inverse_inr.priors.periodic import Sine, siren, siren_omega
from inverse_inr.priors.planes import planes, tensor
from inverse_inr.priors.preset import Layers, Moderate, preset, seeded
from inverse_inr.priors.prior import Prior
from inverse_inr.priors.topologies import MLP
from inverse_inr.ranges import Count, Fraction, Positive, Seed
from inverse_inr.registry import check_keywords, nearest

AT_REST: dict[str, Callable[..., Prior]] = {
    "fourier": fourier,
    "grid": grid,
    "hash": hash,
    "planes": planes,
    "siren": siren,
    "tensor": tensor,
}
"""Presets that can be the field at rest."""


class Displaced(nn.Module):
    """The network of `deformed`: normalised (*s, d) of the whole box -> (*s, outputs).

    Args:
        encoding: Of the field at rest.
        network: Of the field at rest.
        motion: v, from normalised (*s, d) to (*s, d - 1); None for nothing that moves.
        still: The normalised time t0.
        ratio: For each axis of space, normalised units of the field at rest in one of the box.
    """

    ratio: Tensor
    fills_the_box = True
    """`ratio` and `still` are those of one shape of box."""

    def __init__(
        self,
        encoding: Encoding,
        network: nn.Module,
        motion: MLP | None,
        still: float,
        ratio: list[float],
    ) -> None:
        super().__init__()
        self.encoding = encoding
        self.network = network
        self.motion = motion
        self.still = still
        self.ratio = nn.Buffer(torch.tensor(ratio), persistent=False)
        self.smoothness = min(encoding.smoothness, getattr(network, "smoothness", math.inf))

    def displacement(self, x: Tensor) -> Tensor:
        """Evaluate u at normalised (*s, d): (*s, d - 1), in the box's normalised units."""
        if self.motion is None:
            return torch.zeros_like(x[..., 1:])
        return (x[..., -1:] - self.still) * self.motion(x)

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate the field at rest where the displacement leads to."""
        place = x
        if self.motion is not None:
            place = (x[..., :-1] + self.displacement(x)) * self.ratio.to(x)
        return self.network(self.encoding(place))


class DeformedPrior(Prior):
    """A prior that knows how what it shows is displaced."""

    motion_rate = 1e-3
    """Learning rate of the displacement."""

    @property
    def displaced(self) -> Displaced:
        """The network: the field at rest, and the displacement."""
        assert isinstance(self.network, Displaced)
        return self.network

    def displacement(self, points: Tensor) -> Tensor:
        """Say where the field at rest is looked at: u(x, t).

        Args:
            points: (*s, d) places and times, in physical units.

        Returns:
            (*s, d - 1) in the units of space.
        """
        u = self.displaced.displacement(self.box.normalize(points))
        return u / u.new_tensor(self.box.scale[:-1])

    def param_groups(self) -> list[dict[str, Any]]:
        """Group the parameters by role, those of the displacement apart."""
        groups = super().param_groups()
        if self.displaced.motion is None:
            return groups
        moving = {id(p) for p in self.displaced.motion.parameters()}
        apart = []
        for group in groups:
            still = [p for p in group["params"] if id(p) not in moving]
            moved = [p for p in group["params"] if id(p) in moving]
            apart.append({**group, "params": still})
            apart.append({**group, "params": moved, "lr": self.motion_rate})
        return [group for group in apart if group["params"]]


@preset
def deformed(
    box: Box,
    channels: Count = 1,
    bandwidth: Positive | None = None,
    *,
    at_rest: str = "hash",
    options: Mapping[str, Any] | None = None,
    still: Fraction = 0.5,
    motion: Moderate = 1.0,
    motion_rate: Moderate = 1e-3,
    width: Count = 64,
    depth: Layers = 3,
    head: HeadName = "linear",
    seed: Seed = 0,
) -> Prior:
    """A field at rest, displaced over time by a smooth network (Pumarola et al. 2021, D-NeRF).

    The last axis of the box is time. A box of one axis has no time, and nothing moves.

    Args:
        box: Where the field lives, in physical units, time last.
        channels: Values of the field at each point.
        bandwidth: Highest frequency of the field at rest, in cycles per unit of the box's first
            axis. None for the Nyquist frequency of 128 pixels along the longest side of space.
        at_rest: The preset of the field at rest, a name of `AT_REST`.
        options: Its own options.
        still: When nothing is displaced, as a fraction of the time axis; the paper has 0.
        motion: Highest frequency of the displacement, in cycles along the longest side.
        motion_rate: Learning rate of the displacement, beside the own one of the field at rest.
        width: Features per hidden layer of the displacement.
        depth: Number of hidden layers of the displacement.
        head: A name of `heads.HEADS`, or one name per channel.
        seed: Seed of the starting weights.

    Returns:
        The prior, untrained; it begins with nothing displaced.

    Raises:
        ValueError: For an unknown field at rest, or options that it does not take.

    Source:
        Pumarola et al. 2021, D-NeRF, eq. 1 to 3.
    """
    if at_rest not in AT_REST:
        raise ValueError(f"deformed: unknown at_rest={at_rest!r}. {nearest(at_rest, AT_REST)}")
    space = box
    if box.ndim > 1:
        space = Box(box.lower[:-1], box.upper[:-1], box.units[:-1])
    own = options or {}
    check_keywords(f"deformed: at_rest={at_rest!r}", AT_REST[at_rest], own)
    field = AT_REST[at_rest](space, channels, bandwidth, head=head, seed=seed, **own)
    ratio = [a / b for a, b in zip(space.scale, box.scale, strict=False)]

    def network(outputs: int) -> Displaced:
        del outputs  # the field at rest has the same head
        moves = None
        if box.ndim > 1:
            moves = _still_network(box.ndim, motion / 2, width, depth, seed)
        middle = (2 * still - 1) * 0.5 * box.lengths[-1] * box.scale[-1]
        return Displaced(field.encoding, field.network, moves, middle, ratio)

    prior = DeformedPrior(
        box,
        Identity(box.ndim),
        network,
        channels=channels,
        head=head,
        bandwidth=field.bandwidth,
        learning_rate=field.learning_rate,
        rates=field.rates,
    )
    prior.motion_rate = motion_rate
    return prior


def _still_network(ndim: int, b: float, width: int, depth: int, seed: int) -> MLP:
    """A network of sines of b cycles per normalised unit that gives zero at the start."""
    made = MLP(
        ndim,
        ndim - 1,
        width=width,
        depth=depth,
        activation=Sine(siren_omega(b, ndim)),
        generator=seeded(seed + 1),
    )
    for p in made.head.parameters():
        nn.init.zeros_(p)
    return made
