"""A learnable first layer, a Chebyshev or Fourier series of each coordinate, before a network: `sl2a`, `fkan`."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from inverse_inr.domain import Box
from inverse_inr.priors.activations import pytorch_start, uniform
from inverse_inr.priors.encodings import Encoding, Identity
from inverse_inr.priors.heads import HeadName
from inverse_inr.priors.periodic import Sine, siren_omega
from inverse_inr.priors.preset import band, coordinate_network, preset, seeded
from inverse_inr.priors.prior import Prior
from inverse_inr.priors.topologies import Linear


def chebyshev(t: Tensor, degree: int) -> Tensor:
    """T_0(t) .. T_degree(t) by the recurrence T_{k+1} = 2 t T_k - T_{k-1}: (*s, degree + 1).

    cos(k arccos t), as published code has it, has no finite derivative where |t| rounds to 1.
    """
    terms = [torch.ones_like(t), t]
    for _ in range(degree - 1):
        terms.append(2 * t * terms[-1] - terms[-2])
    return torch.stack(terms[: degree + 1], -1)


class ChebyshevSeries(nn.Module):
    """y_o = Σ_i Σ_k c_iok T_k(tanh x_i), then layer normalisation: the learnable activation of SL2A's first layer."""

    def __init__(self, inputs: int, outputs: int, degree: int, generator: torch.Generator) -> None:
        super().__init__()
        self.degree = degree
        self.coefficients = nn.Parameter(torch.empty(inputs * (degree + 1), outputs))
        # Xavier for an (inputs, outputs, degree + 1) array, as torch counts its fans
        uniform(self.coefficients, math.sqrt(6 / ((inputs + outputs) * (degree + 1))), generator)
        self.normalise = nn.LayerNorm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        series = chebyshev(torch.tanh(x), self.degree).flatten(-2) @ self.coefficients
        return self.normalise(series)


class FusionLayer(nn.Module):
    """(h ⊙ y) L R + b, of rank `rank`."""

    def __init__(self, width: int, outputs: int, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        self.left = nn.Parameter(torch.empty(width, rank))
        self.right = nn.Parameter(torch.empty(rank, outputs))
        self.bias = nn.Parameter(torch.empty(outputs))
        for tensor, fan in (
            (self.left, rank),
            (self.right, outputs),
            (self.bias, width),
        ):  # Kaiming with a = √5
            uniform(tensor, fan**-0.5, generator)

    def forward(self, h: Tensor) -> Tensor:
        return h @ self.left @ self.right + self.bias


class FusionNetwork(nn.Module):
    """SL2A: Chebyshev series y of the coordinates, then ReLU layers of h ⊙ y, of low rank (Rezaeian et al. 2024)."""

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
        y = self.series(x)
        h = torch.ones_like(y)
        for layer in self.layers:
            h = torch.relu(layer(h * y))
        return self.head(h * y)


@preset
def sl2a(
    box: Box,
    channels: int = 1,
    bandwidth: float | None = None,
    *,
    degree: int | None = None,
    rank: int = 32,
    width: int = 128,
    depth: int = 3,
    head: HeadName = "linear",
    seed: int = 0,
) -> Prior:
    """A learnable Chebyshev activation in the first layer, low-rank ReLU layers after it (Rezaeian et al. 2024).

    The published degree is 256, with rank 128 at width 256.
    """
    bandwidth, b = band(box, bandwidth)
    degree = max(2, round(DEGREE_PER_CYCLE * b)) if degree is None else degree

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
    """y_o = Σ_i Σ_k a_iok cos(k x_i) + b_iok sin(k x_i), k = 1..harmonics, learnt (FKAN's first layer)."""

    def __init__(self, ndim: int, size: int, harmonics: int, generator: torch.Generator) -> None:
        super().__init__()
        self.size, self.harmonics = size, harmonics
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
    channels: int = 1,
    bandwidth: float | None = None,
    *,
    harmonics: int | None = None,
    omega0: float | None = None,
    width: int = 128,
    depth: int = 3,
    head: HeadName = "linear",
    seed: int = 0,
) -> Prior:
    """A learnable Fourier series of each coordinate, then a SIREN (Mehrabian et al. 2024, FKAN).

    The series already has high frequencies, so omega0 is a third of `siren`'s: with all of it nothing is learnt.
    """
    bandwidth, b = band(box, bandwidth)
    harmonics = max(1, round(HARMONICS_PER_CYCLE * b)) if harmonics is None else harmonics
    omega0 = siren_omega(b, box.ndim) / 3 if omega0 is None else omega0
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


DEGREE_PER_CYCLE, HARMONICS_PER_CYCLE = 4.0, 2.0
