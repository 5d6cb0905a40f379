"""Multiplicative filter networks: products of sines are sums of sines. Presets `fourier_net`, `gabor_net`, `bacon`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from inverse_inr.domain import Box
from inverse_inr.priors.activations import decay, pytorch_start, uniform
from inverse_inr.priors.encodings import Identity
from inverse_inr.priors.heads import HeadName
from inverse_inr.priors.preset import band, preset, seeded
from inverse_inr.priors.prior import Prior
from inverse_inr.priors.topologies import Linear


class FourierFilter(nn.Module):
    """sin(Ωx + φ): (*s, d) -> (*s, width). Ω (width, d) in radians per normalised unit, learnt or frozen."""

    roles: ClassVar[dict[str, str]] = {"omega": "frequencies"}

    def __init__(
        self, omega: Tensor, generator: torch.Generator, *, learnable: bool = True
    ) -> None:
        super().__init__()
        self.omega = nn.Parameter(omega) if learnable else nn.Buffer(omega)
        self.phase = nn.Parameter(torch.empty(len(omega)))
        uniform(self.phase, math.pi, generator)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(nn.functional.linear(x, self.omega, self.phase))

    @property
    def limit(self) -> float:
        """The highest frequency along an axis, in cycles per normalised unit."""
        return float(self.omega.detach().abs().max()) / (2 * math.pi)


class GaborFilter(FourierFilter):
    """sin(Ωx + φ) exp(-γ|x - μ|² / 2), μ uniform in the box, γ from a gamma distribution."""

    def __init__(self, omega: Tensor, gamma: Tensor, generator: torch.Generator) -> None:
        super().__init__(omega * gamma.sqrt()[:, None], generator)
        self.gamma = nn.Parameter(gamma)
        self.center = nn.Parameter(torch.empty_like(omega))
        uniform(self.center, 1.0, generator)

    def forward(self, x: Tensor) -> Tensor:
        squared = (
            x.square().sum(-1, keepdim=True) - 2 * x @ self.center.mT + self.center.square().sum(-1)
        )
        return super().forward(x) * decay(0.5 * self.gamma * squared)


class MultiplicativeNetwork(nn.Module):
    """h_1 = g_1(x), h_{i+1} = g_{i+1}(x) ⊙ (W_i h_i + b_i), f = W h + b (Fathony et al. 2021).

    With `every_level` each h_i has an output of its own and f is their sum: band-limited pictures from coarse to fine
    (Lindell et al. 2022, BACON; summed as in Shekarforoush et al. 2022).
    """

    smoothness = math.inf

    def __init__(
        self,
        filters: Sequence[FourierFilter],
        width: int,
        outputs: int,
        *,
        spread: float,
        every_level: bool,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.filters = nn.ModuleList(filters)
        self.mixing = nn.ModuleList(Linear(width, width, hidden=True) for _ in filters[1:])
        for linear in self.mixing:
            assert isinstance(linear, Linear)
            uniform(linear.weight, math.sqrt(spread / width), generator)
            uniform(linear.bias, width**-0.5, generator)
        first = 0 if every_level else len(filters) - 1
        self.heads = nn.ModuleDict(
            {str(k): Linear(width, outputs) for k in range(first, len(filters))}
        )
        for linear in self.heads.values():
            assert isinstance(linear, Linear)
            pytorch_start(linear.weight, linear.bias, generator)

    def forward(self, x: Tensor) -> Tensor:
        return self.outputs(x)[-1]

    def outputs(self, x: Tensor) -> list[Tensor]:
        """The partial sums after each level that has an output, coarse to fine."""
        h, sums = self.filters[0](x), []
        for k in range(len(self.filters)):
            if k:
                h = self.filters[k](x) * self.mixing[k - 1](h)
            if str(k) in self.heads:
                value = self.heads[str(k)](h)
                sums.append(sums[-1] + value if sums else value)
        return sums

    @property
    def band_limits(self) -> list[float]:
        """Along an axis, the highest frequency that each partial sum can hold, in cycles per normalised unit.

        Exact for Fourier filters: a product's frequencies are sums and differences of its factors'.
        """
        limits = [f.limit for f in self.filters if isinstance(f, FourierFilter)]
        return [sum(limits[: k + 1]) for k in range(len(limits)) if str(k) in self.heads]


def level(prior: Prior, k: int) -> nn.Module:
    """The field of the first k + 1 outputs of a `bacon` prior: the same weights, a lower band limit."""
    network = prior.network
    if not isinstance(network, MultiplicativeNetwork) or not -len(network.heads) <= k < len(
        network.heads
    ):
        raise ValueError(
            f"level {k}: '{prior.name}' has no such output; a 'bacon' prior has one for each layer."
        )
    return _Level(prior, k)


class _Level(nn.Module):
    def __init__(self, prior: Prior, k: int) -> None:
        super().__init__()
        self.prior, self.k = prior, k

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
    width = len(filters[0].omega)
    return MultiplicativeNetwork(
        filters, width, outputs, spread=spread, every_level=every_level, generator=generator
    )


def _start(width: int, ndim: int, reach: float, generator: torch.Generator) -> Tensor:
    """Ω of one of several filters: torch's default for a linear layer, times `reach`."""
    omega = torch.empty(width, ndim)
    uniform(omega, reach * ndim**-0.5, generator)
    return omega


@preset
def fourier_net(
    box: Box,
    channels: int = 1,
    bandwidth: float | None = None,
    *,
    scale0: float | None = None,
    width: int = 128,
    depth: int = 4,
    head: HeadName = "linear",
    seed: int = 0,
) -> Prior:
    """Products of sine filters and linear maps (Fathony et al. 2021): exactly a finite sum of sines.

    scale0 / √depth is the largest starting frequency of a filter, in radians per normalised unit times √d (published:
    256); `depth` filters. `network.band_limits` is the band that the field cannot leave.
    """
    bandwidth, b = band(box, bandwidth)
    scale0 = PER_CYCLE["fourier_net"] * b if scale0 is None else scale0
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
    channels: int = 1,
    bandwidth: float | None = None,
    *,
    scale0: float | None = None,
    alpha: float = 6.0,
    beta: float = 1.0,
    width: int = 128,
    depth: int = 4,
    head: HeadName = "linear",
    seed: int = 0,
) -> Prior:
    """Products of Gabor filters and linear maps (Fathony et al. 2021).

    Envelopes have inverse variances from Gamma(alpha / depth, rate beta); frequencies scale with their roots.
    """
    bandwidth, b = band(box, bandwidth)
    scale0 = PER_CYCLE["gabor_net"] * b if scale0 is None else scale0
    generator = seeded(seed)

    def network(outputs: int) -> MultiplicativeNetwork:
        draw = np.random.default_rng(seed)  # torch draws no gamma from a generator
        filters: list[FourierFilter] = []
        for _ in range(depth):
            gamma = torch.from_numpy(draw.gamma(alpha / depth, 1 / beta, width)).float()
            filters.append(
                GaborFilter(
                    _start(width, box.ndim, scale0 / math.sqrt(depth), generator), gamma, generator
                )
            )
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
    channels: int = 1,
    bandwidth: float | None = None,
    *,
    limit: float | None = None,
    every_level: bool = True,
    width: int = 128,
    depth: int = 4,
    head: HeadName = "linear",
    seed: int = 0,
) -> Prior:
    """Band-limited coordinate network (Lindell et al. 2022): frozen frequencies on the box's lattice, exact limit.

    limit        highest frequency along an axis, in cycles per normalised unit; shared evenly by the filters
    every_level  an output after each filter, f their sum; `level(prior, k)` is a field of lower band. False: the last
                 only, as in the paper's evaluation

    Frequencies are whole numbers of cycles along the longest side, so the field is periodic over it.
    """
    bandwidth, b = band(box, bandwidth)
    limit = b if limit is None else limit
    generator = seeded(seed)

    def network(outputs: int) -> MultiplicativeNetwork:
        whole = max(depth, round(2 * limit))  # cycles over [-1, 1]
        share = [whole // depth + (k < whole % depth) for k in range(depth)]
        filters = [_lattice_filter(width, box.ndim, n, generator) for n in share]
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
    """Frozen frequencies drawn evenly from the whole numbers -cycles..cycles over [-1, 1]."""
    whole = torch.randint(-cycles, cycles + 1, (width, ndim), generator=generator)
    return FourierFilter(math.pi * whole.float(), generator, learnable=False)


PER_CYCLE = {"fourier_net": 2.0, "gabor_net": 2.0}
"""`scale0` for one cycle per normalised unit: 256 at 512 pixels, as published."""
