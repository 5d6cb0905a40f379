"""The catalogue: each preset puts an encoding, an activation, a topology and an initialisation together.

Every preset takes (box, channels, bandwidth, ..., seed). `bandwidth` (cycles per unit of the box's first axis) is the
highest frequency a reconstruction should hold, typically the grid's Nyquist frequency; the table says what it becomes.
With b in cycles per normalised unit (the longest side of the box has two of them):

| preset | native parameter | from b | because |
|---|---|---|---|
| grid | cells | 4 b | one cell a pixel at the Nyquist frequency |
| hash | finest | 6.8 b | ray data constrain levels 1.7 times finer than the pixels |
| fourier | deviation | b / 8 | features out to 3 deviations, and ReLU's harmonics above them |
| fourier (octaves) | highest | b / 4 | the Nyquist rule of the published code |
| siren | omega0 | 2π d b / 13 | first layer tops at omega0 / 2πd, harmonics reach an order beyond |
| wire | omega0 | b / 3 | the same for weights U(±1/√d) |
| separable | omega0 | 2π b / 4 | one-dimensional networks lack cross terms |
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from typing import Literal, ParamSpec

import torch

from inverse_inr.domain import Box
from inverse_inr.priors import activations
from inverse_inr.priors.encodings import (
    FourierFeatures,
    GridEncoding,
    Identity,
    gaussian_frequencies,
    octave_frequencies,
)
from inverse_inr.priors.prior import Prior, Recipe
from inverse_inr.priors.topologies import MLP, Separable

P = ParamSpec("P")
HeadName = Literal["linear", "softplus", "complex"]


def preset(build: Callable[P, Prior]) -> Callable[P, Prior]:
    """A catalogue entry: its numbers must be positive, and the prior remembers how it was made."""
    signature = inspect.signature(build)

    @functools.wraps(build)
    def create(*args: P.args, **kwargs: P.kwargs) -> Prior:
        options = signature.bind(*args, **kwargs)
        options.apply_defaults()
        for name, value in options.arguments.items():
            number = isinstance(value, int | float) and not isinstance(value, bool) and name != "seed"
            if number and not (math.isfinite(value) and value > (-1 if name == "depth" else 0)):
                raise ValueError(f"{build.__name__}: {name} must be positive and finite, got {value}.")
        with torch.random.fork_rng(devices=[]):  # nn.Linear fills its weights before ours replace them
            prior = build(*args, **kwargs)
        prior.recipe = Recipe(build.__name__, {k: v for k, v in options.arguments.items() if k != "box"})
        return prior

    return create


def _outputs(channels: int, head: str) -> int:
    return 2 * channels if head == "complex" else channels


def _band(box: Box, bandwidth: float | None) -> tuple[float, float]:
    """(cycles per unit, cycles per normalised unit); by default what 128 pixels along the longest side can hold."""
    bandwidth = 32 * box.scale[0] if bandwidth is None else bandwidth
    return bandwidth, bandwidth / box.scale[0]


class _Direct(torch.nn.Identity):
    """The features are the values: a grid without a network."""


@preset
def grid(box: Box, channels: int = 1, bandwidth: float | None = None, *, cells: float | None = None,
         order: Literal[1, 3] = 1, head: HeadName = "linear", seed: int = 0) -> Prior:  # fmt: skip
    """A dense grid of values, multilinear (order 1) or cubic B-spline (order 3) between nodes."""
    bandwidth, b = _band(box, bandwidth)
    cells = 4 * b if cells is None else cells
    if order not in (1, 3):
        raise ValueError(f"grid: order must be 1 (linear) or 3 (cubic), got {order}.")
    interpolation = "linear" if order == 1 else "cubic"
    encoding = GridEncoding(
        box, [cells], _outputs(channels, head), interpolation=interpolation, table=2**31 - 1, centered=True
    )
    return Prior(box, encoding, _Direct(), head=head, bandwidth=bandwidth, learning_rate=2e-2)


@preset
def hash(box: Box, channels: int = 1, bandwidth: float | None = None, *, levels: int = 8, coarsest: float = 8,
         finest: float | None = None, features: int = 2, log2_table: int = 19, width: int = 32, depth: int = 2,
         interpolation: Literal["linear", "smoothstep"] = "linear", head: HeadName = "linear",
         seed: int = 0) -> Prior:  # fmt: skip
    """Multiresolution hash encoding and a small ReLU network (Müller et al. 2022): levels dense while they fit."""
    bandwidth, b = _band(box, bandwidth)
    finest = max(6.8 * b, coarsest) if finest is None else finest
    if finest < coarsest:
        raise ValueError(f"hash: finest={finest} cells are fewer than coarsest={coarsest}. Swapped?")
    growth = (finest / coarsest) ** (1 / max(1, levels - 1))
    cells = [float(round(coarsest * growth**k)) for k in range(levels)]
    generator = torch.Generator().manual_seed(seed)
    encoding = GridEncoding(box, cells, features, interpolation=interpolation, table=2**log2_table)
    activations.uniform(encoding.table, 1e-2, generator)
    network = MLP(encoding.size, _outputs(channels, head), width=width, depth=depth, activation=activations.relu(),
                  generator=generator)  # fmt: skip
    network.smoothness = math.inf if interpolation == "smoothstep" else 0  # kinks of the decoder sit on no lattice
    return Prior(box, encoding, network, head=head, bandwidth=bandwidth, learning_rate=1e-2)


@preset
def fourier(box: Box, channels: int = 1, bandwidth: float | None = None, *,
            spacing: Literal["random", "octaves"] = "random", features: int = 128, deviation: float | None = None,
            highest: float | None = None, learnable: bool = False, width: int = 128, depth: int = 3,
            head: HeadName = "linear", seed: int = 0) -> Prior:  # fmt: skip
    """Fourier features and a ReLU network: random Gaussian (Tancik et al. 2020) or octaves (Mildenhall et al. 2020).

    `deviation` and `highest` are in cycles per normalised unit.
    """
    bandwidth, b = _band(box, bandwidth)
    deviation = b / 8 if deviation is None else deviation
    highest = max(0.5, b / 4) if highest is None else highest
    generator = torch.Generator().manual_seed(seed)
    if spacing not in ("random", "octaves"):
        raise ValueError(f"fourier: spacing must be 'random' or 'octaves', got {spacing!r}.")
    random = spacing == "random"
    frequencies = (
        gaussian_frequencies(box.ndim, features, deviation, generator)
        if random
        else octave_frequencies(box.ndim, highest)
    )
    encoding = FourierFeatures(frequencies, learnable=learnable, raw=not random)
    network = MLP(encoding.size, _outputs(channels, head), width=width, depth=depth, activation=activations.relu(),
                  generator=generator)  # fmt: skip
    return Prior(box, encoding, network, head=head, bandwidth=bandwidth, learning_rate=2e-3)


@preset
def siren(box: Box, channels: int = 1, bandwidth: float | None = None, *, omega0: float | None = None,
          width: int = 128, depth: int = 4, head: HeadName = "linear", seed: int = 0) -> Prior:  # fmt: skip
    """Sinusoidal network (Sitzmann et al. 2020): omega0 in every layer, hidden weights divided by it."""
    bandwidth, b = _band(box, bandwidth)
    omega0 = 2 * math.pi * box.ndim * b / 13 if omega0 is None else omega0
    network = MLP(box.ndim, _outputs(channels, head), width=width, depth=depth, activation=activations.sine(omega0),
                  generator=torch.Generator().manual_seed(seed))  # fmt: skip
    return Prior(box, Identity(box.ndim), network, head=head, bandwidth=bandwidth, learning_rate=1e-3)


@preset
def wire(box: Box, channels: int = 1, bandwidth: float | None = None, *, omega0: float | None = None,
         scale0: float | None = None, variant: Literal["complex", "real"] = "complex", width: int = 128,
         depth: int = 3, head: HeadName = "linear", seed: int = 0) -> Prior:  # fmt: skip
    """Gabor wavelet network (Saragadam et al. 2023), complex (width / √2 for equal parameters) or real."""
    bandwidth, b = _band(box, bandwidth)
    omega0 = b / 3 if omega0 is None else omega0
    scale0 = omega0 if scale0 is None else scale0
    if variant not in ("complex", "real"):
        raise ValueError(f"wire: variant must be 'complex' or 'real', got {variant!r}.")
    make = activations.gabor_complex if variant == "complex" else activations.gabor_real
    network = MLP(box.ndim, _outputs(channels, head), width=round(width / math.sqrt(2)), depth=depth,
                  activation=make(omega0, scale0), generator=torch.Generator().manual_seed(seed))  # fmt: skip
    return Prior(box, Identity(box.ndim), network, head=head, bandwidth=bandwidth, learning_rate=5e-3)


@preset
def separable(box: Box, channels: int = 1, bandwidth: float | None = None, *, omega0: float | None = None,
              rank: int = 64, width: int = 128, depth: int = 3, head: HeadName = "linear",
              seed: int = 0) -> Prior:  # fmt: skip
    """Tucker product of one-dimensional SIRENs (Luo et al. 2023): a lattice costs one network call an axis."""
    bandwidth, b = _band(box, bandwidth)
    omega0 = 2 * math.pi * b / 4 if omega0 is None else omega0
    network = Separable(box.ndim, _outputs(channels, head), rank=rank, width=width, depth=depth,
                        activation=activations.sine(omega0), generator=torch.Generator().manual_seed(seed))  # fmt: skip
    return Prior(box, Identity(box.ndim), network, head=head, bandwidth=bandwidth, learning_rate=2e-3)
