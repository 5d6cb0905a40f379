"""Multiplicative filter networks: presets `fourier_net`, `gabor_net`, `bacon`.

Products of sines are sums of sines, so the band of a field is known.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from inverse_inr.domain import Box
from inverse_inr.priors.activations import uniform
from inverse_inr.priors.encodings import Identity
from inverse_inr.priors.heads import HeadName
from inverse_inr.priors.networks.products import FourierFilter, GaborFilter, MultiplicativeNetwork
from inverse_inr.priors.preset import Layers, Moderate, band, preset, seeded
from inverse_inr.priors.prior import Prior
from inverse_inr.ranges import Count, Positive, Seed

PER_CYCLE = {"fourier_net": 2.0, "gabor_net": 2.0}
"""Default `scale0` per cycle per normalised unit of bandwidth: 256 at 512 pixels, as published."""


def level(prior: Prior, k: int) -> nn.Module:
    """Give the field of the first k + 1 outputs of a `bacon` prior: the same weights, a lower band.

    Args:
        prior: The prior, which stays as it is and shares its weights.
        k: The number of the last output, from 0, or from -1 backwards.

    Returns:
        A field: points (*s, d) in physical units -> (*s, channels).

    Raises:
        ValueError: If the prior has no such output.
    """
    network = prior.network
    count = 0
    if isinstance(network, MultiplicativeNetwork):
        count = len(network.heads)
    if not -count <= k < count:
        raise ValueError(
            f"level {k}: '{prior.name}' has no such output; a 'bacon' prior has one for each layer."
        )
    return _Level(prior, k)


class _Level(nn.Module):
    def __init__(self, prior: Prior, k: int) -> None:
        super().__init__()
        self.prior = prior
        self.k = k

    def forward(self, points: Tensor) -> Tensor:
        network = self.prior.network
        assert isinstance(network, MultiplicativeNetwork)
        return self.prior.head(network.outputs(self.prior.box.normalize(points))[self.k])


def _network(
    filters: list[FourierFilter],
    outputs: int,
    generator: torch.Generator,
    *,
    spread: float,
    every_level: bool = False,
) -> MultiplicativeNetwork:
    """The network of these filters, as wide as they are."""
    width = len(filters[0].omega)
    return MultiplicativeNetwork(
        filters, width, outputs, spread=spread, every_level=every_level, generator=generator
    )


def _start(width: int, ndim: int, reach: float, generator: torch.Generator) -> Tensor:
    """Ω of one of several filters: torch's start of a linear layer, times `reach`."""
    omega = torch.empty(width, ndim)
    uniform(omega, reach * ndim**-0.5, generator)
    return omega


@preset
def fourier_net(
    box: Box,
    channels: Count = 1,
    bandwidth: Positive | None = None,
    *,
    scale0: Moderate | None = None,
    width: Count = 128,
    depth: Layers = 4,
    head: HeadName = "linear",
    seed: Seed = 0,
) -> Prior:
    """Products of sine filters and linear maps (Fathony et al. 2021): a finite sum of sines.

    `network.band_limits` is the band that the field cannot leave.

    Args:
        box: Where the field lives, in physical units.
        channels: Values of the field at each point.
        bandwidth: Highest frequency, in cycles per unit of the box's first axis; b is the same in
            cycles per normalised unit. None for the Nyquist frequency of 128 pixels along the
            longest side.
        scale0: scale0 / √depth is the largest starting frequency of a filter, in radians per
            normalised unit times √d; None for 2 b (published: 256).
        width: Sines per filter.
        depth: Number of filters.
        head: A name of `heads.HEADS`, or one name per channel.
        seed: Seed of the starting frequencies and weights.

    Returns:
        The prior, untrained.

    Source:
        Fathony et al. 2021.
    """
    bandwidth, b = band(box, bandwidth)
    if scale0 is None:
        scale0 = PER_CYCLE["fourier_net"] * b
    generator = seeded(seed)

    def network(outputs: int) -> MultiplicativeNetwork:
        reach = scale0 / math.sqrt(depth)
        filters = [
            FourierFilter(_start(width, box.ndim, reach, generator), generator)
            for _ in range(depth)
        ]
        return _network(filters, outputs, generator, spread=1.0)

    return Prior(
        box,
        Identity(box.ndim),
        network,
        channels=channels,
        head=head,
        bandwidth=bandwidth,
        learning_rate=5e-3,
        rates={"frequencies": 1.0},
    )


@preset
def gabor_net(
    box: Box,
    channels: Count = 1,
    bandwidth: Positive | None = None,
    *,
    scale0: Moderate | None = None,
    alpha: Moderate = 6.0,
    beta: Moderate = 1.0,
    width: Count = 128,
    depth: Layers = 4,
    head: HeadName = "linear",
    seed: Seed = 0,
) -> Prior:
    """Products of Gabor filters and linear maps (Fathony et al. 2021).

    Envelopes have inverse variances from Gamma(alpha / depth, rate beta); frequencies scale with
    their roots.

    Args:
        box: Where the field lives, in physical units.
        channels: Values of the field at each point.
        bandwidth: Highest frequency, in cycles per unit of the box's first axis; b is the same in
            cycles per normalised unit. None for the Nyquist frequency of 128 pixels along the
            longest side.
        scale0: scale0 / √depth is the largest starting frequency of a filter where γ = 1, in
            radians per normalised unit times √d; None for 2 b.
        alpha: Shape of the gamma distribution, shared by the filters.
        beta: Rate of the gamma distribution, in squared normalised units.
        width: Gabor functions per filter.
        depth: Number of filters.
        head: A name of `heads.HEADS`, or one name per channel.
        seed: Seed of the starting frequencies, envelopes and weights.

    Returns:
        The prior, untrained.

    Source:
        Fathony et al. 2021.
    """
    bandwidth, b = band(box, bandwidth)
    if scale0 is None:
        scale0 = PER_CYCLE["gabor_net"] * b
    generator = seeded(seed)

    def network(outputs: int) -> MultiplicativeNetwork:
        draw = np.random.default_rng(seed)  # torch draws no gamma from a generator
        filters: list[FourierFilter] = []
        for _ in range(depth):
            gamma = torch.from_numpy(draw.gamma(alpha / depth, 1 / beta, width)).float()
            omega = _start(width, box.ndim, scale0 / math.sqrt(depth), generator)
            filters.append(GaborFilter(omega, gamma, generator))
        return _network(filters, outputs, generator, spread=1.0)

    return Prior(
        box,
        Identity(box.ndim),
        network,
        channels=channels,
        head=head,
        bandwidth=bandwidth,
        learning_rate=5e-3,
        rates={"frequencies": 1.0},
    )


@preset
def bacon(
    box: Box,
    channels: Count = 1,
    bandwidth: Positive | None = None,
    *,
    limit: Moderate | None = None,
    every_level: bool = True,
    width: Count = 128,
    depth: Layers = 4,
    head: HeadName = "linear",
    seed: Seed = 0,
) -> Prior:
    """Band-limited coordinate network (Lindell et al. 2022): frozen frequencies, an exact limit.

    Frequencies are whole numbers of cycles along the longest side, so the field is periodic over
    it.

    Args:
        box: Where the field lives, in physical units.
        channels: Values of the field at each point.
        bandwidth: Highest frequency, in cycles per unit of the box's first axis; b is the same in
            cycles per normalised unit. None for the Nyquist frequency of 128 pixels along the
            longest side.
        limit: Highest frequency along an axis, in cycles per normalised unit, shared evenly by the
            filters; None for b.
        every_level: Whether each filter is followed by an output, f being their sum, and
            `level(prior, k)` a field of lower band. False: the last only, as in the paper's
            evaluation.
        width: Sines per filter.
        depth: Number of filters.
        head: A name of `heads.HEADS`, or one name per channel.
        seed: Seed of the frequencies and the starting weights.

    Returns:
        The prior, untrained.

    Source:
        Lindell et al. 2022, BACON.
    """
    bandwidth, b = band(box, bandwidth)
    if limit is None:
        limit = b
    generator = seeded(seed)

    def network(outputs: int) -> MultiplicativeNetwork:
        whole = max(depth, round(2 * limit))  # cycles over [-1, 1]
        share, rest = divmod(whole, depth)  # the first `rest` filters take one cycle more
        cycles = [share + 1] * rest + [share] * (depth - rest)
        filters = [_lattice_filter(width, box.ndim, n, generator) for n in cycles]
        return _network(filters, outputs, generator, spread=6.0, every_level=every_level)

    return Prior(
        box,
        Identity(box.ndim),
        network,
        channels=channels,
        head=head,
        bandwidth=bandwidth,
        learning_rate=5e-3,
    )


def _lattice_filter(
    width: int, ndim: int, cycles: int, generator: torch.Generator
) -> FourierFilter:
    """A filter of frozen frequencies, drawn evenly from -cycles..cycles over [-1, 1]."""
    whole = torch.randint(-cycles, cycles + 1, (width, ndim), generator=generator)
    return FourierFilter(math.pi * whole.float(), generator, learnable=False)
