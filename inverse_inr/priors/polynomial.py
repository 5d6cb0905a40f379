"""A learnable first layer before a network: the presets `sl2a` and `fkan`.

It is a Chebyshev or Fourier series of each coordinate.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from inverse_inr.domain import Box
from inverse_inr.priors.activations import pytorch_start, uniform
from inverse_inr.priors.encodings import Encoding, Identity
from inverse_inr.priors.heads import HeadName
from inverse_inr.priors.periodic import Sine, siren_omega
from inverse_inr.priors.preset import Layers, Moderate, band, coordinate_network, preset, seeded
from inverse_inr.priors.prior import Prior
from inverse_inr.priors.topologies import Linear
from inverse_inr.ranges import Count, Positive, Seed

DEGREE_PER_CYCLE = 4.0
"""Default degree of `sl2a` per cycle per normalised unit of bandwidth."""

HARMONICS_PER_CYCLE = 2.0
"""Default number of harmonics of `fkan` per cycle per normalised unit of bandwidth."""


def chebyshev(t: Tensor, degree: int) -> Tensor:
    """Evaluate T_0(t) .. T_degree(t) by the recurrence T_{k+1} = 2 t T_k - T_{k-1}.

    Published code takes cos(k arccos t), which has no finite derivative where |t| rounds to 1.

    Args:
        t: (*s,), from -1 to 1.
        degree: The highest degree.

    Returns:
        (*s, degree + 1).
    """
    terms = [torch.ones_like(t), t]
    for _ in range(degree - 1):
        terms.append(2 * t * terms[-1] - terms[-2])
    return torch.stack(terms[: degree + 1], -1)


class ChebyshevSeries(nn.Module):
    """y_o = Σ_i Σ_k c_iok T_k(tanh x_i), then layer normalisation: SL2A's first layer.

    Args:
        inputs: The number of x_i.
        outputs: The number of y_o.
        degree: The highest degree of the polynomials.
        generator: Source of the random starting numbers.
    """

    def __init__(self, inputs: int, outputs: int, degree: int, generator: torch.Generator) -> None:
        super().__init__()
        self.degree = degree
        self.coefficients = nn.Parameter(torch.empty(inputs * (degree + 1), outputs))
        # Xavier for an (inputs, outputs, degree + 1) array, as torch counts its fans
        uniform(self.coefficients, math.sqrt(6 / ((inputs + outputs) * (degree + 1))), generator)
        self.normalise = nn.LayerNorm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map (*s, inputs) to (*s, outputs)."""
        series = chebyshev(torch.tanh(x), self.degree).flatten(-2) @ self.coefficients
        return self.normalise(series)


class FusionLayer(nn.Module):
    """h L R + b, a linear map of low rank.

    Args:
        width: Features of h.
        outputs: Features of the result.
        rank: Columns of L and rows of R.
        generator: Source of the random starting numbers.
    """

    def __init__(self, width: int, outputs: int, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        self.left = nn.Parameter(torch.empty(width, rank))
        self.right = nn.Parameter(torch.empty(rank, outputs))
        self.bias = nn.Parameter(torch.empty(outputs))
        # Kaiming with a = √5
        uniform(self.left, rank**-0.5, generator)
        uniform(self.right, outputs**-0.5, generator)
        uniform(self.bias, width**-0.5, generator)

    def forward(self, h: Tensor) -> Tensor:
        """Map (*s, width) to (*s, outputs)."""
        return h @ self.left @ self.right + self.bias


class FusionNetwork(nn.Module):
    """SL2A: a Chebyshev series y of the coordinates, then ReLU layers of h ⊙ y, of low rank.

    Args:
        inputs: The number of coordinates.
        outputs: Numbers per point.
        degree: The highest degree of the polynomials.
        rank: Rank of the layers.
        width: Features per hidden layer.
        depth: Number of hidden layers.
        generator: Source of the random starting numbers.

    Source:
        Rezaeian et al. 2024.
    """

    smoothness = 0

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        degree: int,
        rank: int,
        width: int,
        depth: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.series = ChebyshevSeries(inputs, width, degree, generator)
        self.layers = nn.ModuleList(
            FusionLayer(width, width, rank, generator) for _ in range(depth)
        )
        self.head = Linear(width, outputs)
        pytorch_start(self.head.weight, self.head.bias, generator)

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate at normalised coordinates (*s, inputs): (*s, outputs)."""
        y = self.series(x)
        h = torch.ones_like(y)
        for layer in self.layers:
            h = torch.relu(layer(h * y))
        return self.head(h * y)


@preset
def sl2a(
    box: Box,
    channels: Count = 1,
    bandwidth: Positive | None = None,
    *,
    degree: Count | None = None,
    rank: Count = 32,
    width: Count = 128,
    depth: Layers = 3,
    head: HeadName = "linear",
    seed: Seed = 0,
) -> Prior:
    """A learnable Chebyshev series, then low-rank ReLU layers (Rezaeian et al. 2024, SL2A).

    Args:
        box: Where the field lives, in physical units.
        channels: Values of the field at each point.
        bandwidth: Highest frequency, in cycles per unit of the box's first axis; b is the same in
            cycles per normalised unit. None for the Nyquist frequency of 128 pixels along the
            longest side.
        degree: The highest degree of the polynomials; None for 4 b (published: 256).
        rank: Rank of the layers, at most `width` (published: 128 at width 256).
        width: Features per hidden layer.
        depth: Number of hidden layers.
        head: A name of `heads.HEADS`, or one name per channel.
        seed: Seed of the starting weights.

    Returns:
        The prior, untrained.

    Source:
        Rezaeian et al. 2024, SL2A.
    """
    bandwidth, b = band(box, bandwidth)
    if degree is None:
        degree = max(2, round(DEGREE_PER_CYCLE * b))

    def network(outputs: int) -> FusionNetwork:
        return FusionNetwork(
            box.ndim,
            outputs,
            degree=degree,
            rank=min(rank, width),
            width=width,
            depth=depth,
            generator=seeded(seed),
        )

    return Prior(
        box,
        Identity(box.ndim),
        network,
        channels=channels,
        head=head,
        bandwidth=bandwidth,
        learning_rate=1e-3,
    )


class FourierSeries(Encoding):
    """y_o = Σ_i Σ_k a_iok cos(k x_i) + b_iok sin(k x_i), learnt: FKAN's first layer.

    Args:
        ndim: The number of coordinates x_i.
        size: The number of features y_o.
        harmonics: k runs from 1 to this number.
        generator: Source of the random starting numbers.
    """

    def __init__(self, ndim: int, size: int, harmonics: int, generator: torch.Generator) -> None:
        super().__init__()
        self.size = size
        self.harmonics = harmonics
        spread = 1 / math.sqrt(ndim * harmonics)
        self.coefficients = nn.Parameter(
            spread * torch.randn(2 * ndim * harmonics, size, generator=generator)
        )

    def forward(self, x: Tensor) -> Tensor:
        k = torch.arange(1, self.harmonics + 1, dtype=x.dtype, device=x.device)
        phase = (x[..., None] * k).flatten(-2)
        return torch.cat([torch.cos(phase), torch.sin(phase)], -1) @ self.coefficients


@preset
def fkan(
    box: Box,
    channels: Count = 1,
    bandwidth: Positive | None = None,
    *,
    harmonics: Count | None = None,
    omega0: Moderate | None = None,
    width: Count = 128,
    depth: Layers = 3,
    head: HeadName = "linear",
    seed: Seed = 0,
) -> Prior:
    """A learnable Fourier series of each coordinate, then a SIREN (Mehrabian et al. 2024, FKAN).

    Args:
        box: Where the field lives, in physical units.
        channels: Values of the field at each point.
        bandwidth: Highest frequency, in cycles per unit of the box's first axis; b is the same in
            cycles per normalised unit. None for the Nyquist frequency of 128 pixels along the
            longest side.
        harmonics: Terms of the series, of 1, 2, 3 ... radians per normalised unit; None for 2 b.
        omega0: Frequency of the sines, in radians per unit of their input; None for a third of
            `siren`'s, as the series already has high frequencies: with all of it nothing is learnt.
        width: Features per hidden layer.
        depth: Number of hidden layers.
        head: A name of `heads.HEADS`, or one name per channel.
        seed: Seed of the starting weights.

    Returns:
        The prior, untrained.

    Source:
        Mehrabian et al. 2024, FKAN.
    """
    bandwidth, b = band(box, bandwidth)
    if harmonics is None:
        harmonics = max(1, round(HARMONICS_PER_CYCLE * b))
    if omega0 is None:
        omega0 = siren_omega(b, box.ndim) / 3
    encoding = FourierSeries(box.ndim, width, harmonics, seeded(seed))
    return coordinate_network(
        box,
        Sine(omega0),
        channels=channels,
        head=head,
        bandwidth=bandwidth,
        width=width,
        depth=depth,
        seed=seed + 1,
        learning_rate=1e-3,
        encoding=encoding,
    )
