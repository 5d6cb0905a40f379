"""Separable fields: a Tucker product of one-dimensional networks, and the preset `separable`."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from inverse_inr.domain import Box
from inverse_inr.priors.activations import Activation, uniform
from inverse_inr.priors.encodings import Identity
from inverse_inr.priors.heads import HeadName
from inverse_inr.priors.periodic import Sine
from inverse_inr.priors.preset import band, preset, seeded
from inverse_inr.priors.prior import Prior
from inverse_inr.priors.topologies import MLP, Linear


class Separable(nn.Module):
    """Tucker product of one-dimensional networks: f(x) = Σ core[r1..rd, c] Π_k u_k(x_k)[r_k].

    On a lattice it costs one network call an axis and d small products (Luo et al. 2023, LRTFR; Cho et al. 2023).
    """

    lattice_chunk = 2**23  # points: a lattice costs little more than its values, so it is not cut into slabs

    def __init__(self, ranks: Sequence[int], outputs: int, *, width: int, depth: int,
                 activations: Sequence[Activation], generator: torch.Generator) -> None:  # fmt: skip
        super().__init__()
        self.factors = nn.ModuleList(
            MLP(1, rank, width=width, depth=depth, activation=activation, generator=generator)
            for rank, activation in zip(ranks, activations, strict=True)
        )
        for factor in self.factors:
            assert isinstance(factor, MLP)
            assert isinstance(factor.head, Linear)
            # outputs of variance 1, not 1 / omega²: they are factors, not values
            uniform(factor.head.weight, math.sqrt(6 / width), generator)
        # N(0, 1) times `scale`: a field of standard deviation near 0.1, and steps of Adam that suit numbers of size 1
        self.core = nn.Parameter(torch.randn(*ranks, outputs, generator=generator))
        self.scale = 0.1 * math.prod(ranks) ** -0.5
        self.smoothness = min(a.smoothness for a in activations)

    def forward(self, x: Tensor) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        first, *rest = [factor(flat[:, k : k + 1]) for k, factor in enumerate(self.factors)]
        values = (first @ (self.scale * self.core).flatten(1)).unflatten(1, self.core.shape[1:])
        for u in rest:
            values = torch.einsum("nr,nr...->n...", u, values)
        return values.reshape(*x.shape[:-1], self.core.shape[-1])

    def on_axes(self, axes: Sequence[Tensor]) -> Tensor:
        values = self.scale * self.core
        for k, (factor, axis) in enumerate(zip(self.factors, axes, strict=True)):
            values = torch.tensordot(factor(axis[:, None]), values.movedim(k, 0), dims=1).movedim(0, k)
        return values


@preset
def separable(box: Box, channels: int = 1, bandwidth: float | None = None, *,
              omega0: float | Sequence[float] | None = None, rank: int | Sequence[int] = 64, width: int = 128,
              depth: int = 3, head: HeadName = "linear", seed: int = 0) -> Prior:  # fmt: skip
    """Tucker product of one-dimensional SIRENs (Luo et al. 2023): a lattice costs one network call an axis.

    `rank` and `omega0` are one for all axes or one each: a spectrum needs far fewer numbers than a row of pixels, and
    slower ones.
    """
    bandwidth, b = band(box, bandwidth)
    omega0 = 2 * math.pi * b / 4 if omega0 is None else omega0  # one-dimensional networks lack cross terms
    ranks, omegas = [int(r) for r in _each_axis("rank", rank, box)], _each_axis("omega0", omega0, box)

    def network(outputs: int) -> Separable:
        return Separable(ranks, outputs, width=width, depth=depth, activations=[Sine(w) for w in omegas],
                         generator=seeded(seed))  # fmt: skip

    # the phase of a sine moves omega times as far as its weight: faster sines take smaller steps, or the fit diverges
    return Prior(box, Identity(box.ndim), network, channels=channels, head=head, bandwidth=bandwidth,
                 learning_rate=2e-3 * min(1.0, 10 / max(omegas)))  # fmt: skip


def _each_axis(name: str, value: float | Sequence[float], box: Box) -> list[float]:
    values = [float(v) for v in ([value] * box.ndim if isinstance(value, int | float) else value)]
    if len(values) != box.ndim or not min(values) > 0:
        raise ValueError(f"separable: {name}={value}; the box has {box.ndim} axes: one positive number, or one each.")
    return values
