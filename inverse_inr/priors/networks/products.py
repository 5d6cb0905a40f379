"""Products of filters and linear maps: multiplicative filter networks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from inverse_inr.priors.activations import decay, pytorch_start, uniform
from inverse_inr.priors.topologies import Linear


class FourierFilter(nn.Module):
    """sin(Ωx + φ): normalised (*s, d) -> (*s, width).

    Args:
        omega: Ω, (width, d) in radians per normalised unit.
        generator: Source of the random phases.
        learnable: Whether Ω is learnt, or frozen.
    """

    roles: ClassVar[dict[str, str]] = {"omega": "frequencies"}

    def __init__(
        self, omega: Tensor, generator: torch.Generator, *, learnable: bool = True
    ) -> None:
        super().__init__()
        if learnable:
            self.omega = nn.Parameter(omega)
        else:
            self.omega = nn.Buffer(omega)
        self.phase = nn.Parameter(torch.empty(len(omega)))
        uniform(self.phase, math.pi, generator)

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate at normalised coordinates (*s, d): (*s, width)."""
        return torch.sin(nn.functional.linear(x, self.omega, self.phase))

    @property
    def limit(self) -> float:
        """The highest frequency along an axis, in cycles per normalised unit."""
        return float(self.omega.detach().abs().max()) / (2 * math.pi)


class GaborFilter(FourierFilter):
    """sin(Ωx + φ) exp(-γ|x - μ|² / 2), where μ starts uniform over [-1, 1]^d.

    Args:
        omega: (width, d) in radians per normalised unit; Ω is this times √γ.
        gamma: γ, (width,) inverse variances in 1 / normalised units squared.
        generator: Source of the random phases and centres.
    """

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
    """h_1 = g_1(x), h_{i+1} = g_{i+1}(x) ⊙ (W_i h_i + b_i), f = W h + b.

    Args:
        filters: The g_i.
        width: Features per filter.
        outputs: Numbers per point.
        spread: W_i start as U(±√(spread / width)).
        every_level: Whether each h_i has an output of its own, f being their sum: band-limited
            pictures from coarse to fine.
        generator: Source of the random starting weights.

    Source:
        Fathony et al. 2021. Every level: Lindell et al. 2022, BACON; summed as in Shekarforoush et
        al. 2022.
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
        first = len(filters) - 1
        if every_level:
            first = 0
        self.heads = nn.ModuleDict(
            {str(k): Linear(width, outputs) for k in range(first, len(filters))}
        )
        for linear in self.heads.values():
            assert isinstance(linear, Linear)
            pytorch_start(linear.weight, linear.bias, generator)

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate at normalised coordinates (*s, d): (*s, outputs)."""
        return self.outputs(x)[-1]

    def outputs(self, x: Tensor) -> list[Tensor]:
        """Evaluate the partial sums after each level that has an output, coarse to fine.

        Args:
            x: (*s, d) normalised coordinates.

        Returns:
            One (*s, outputs) per level with an output.
        """
        h = self.filters[0](x)
        sums: list[Tensor] = []
        for k in range(len(self.filters)):
            if k > 0:
                h = self.filters[k](x) * self.mixing[k - 1](h)
            if str(k) in self.heads:
                value = self.heads[str(k)](h)
                if sums:
                    value = sums[-1] + value
                sums.append(value)
        return sums

    @property
    def band_limits(self) -> list[float]:
        """The highest frequency along an axis of each partial sum, in cycles per normalised unit.

        It is exact for Fourier filters: a product's frequencies are sums and differences of its
        factors'.
        """
        limits = [f.limit for f in self.filters if isinstance(f, FourierFilter)]
        return [sum(limits[: k + 1]) for k in range(len(limits)) if str(k) in self.heads]
