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
    `knots`, normalised and rising: the last factor is its network's values there, and linear between them.
    """

    lattice_chunk = (
        2**23
    )  # points: a lattice costs little more than its values, so it is not cut into slabs

    def __init__(
        self,
        ranks: Sequence[int],
        outputs: int,
        *,
        width: int,
        depth: int,
        activations: Sequence[Activation],
        generator: torch.Generator,
        knots: Tensor | None = None,
    ) -> None:
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
        self.knots = None if knots is None else nn.Buffer(knots, persistent=False)
        self.smoothness = min(a.smoothness for a in activations) if knots is None else 0

    def factor(self, k: int, positions: Tensor) -> Tensor:
        """(n,) normalised positions along axis k -> (n, rank)."""
        if self.knots is None or k < len(self.factors) - 1:
            return self.factors[k](positions[:, None])
        knots = self.knots.to(positions)
        above = torch.searchsorted(knots, positions.detach().contiguous()).clamp(1, len(knots) - 1)
        below, values = above - 1, self.factors[k](knots[:, None])
        t = ((positions - knots[below]) / (knots[above] - knots[below])).clamp(0, 1)
        return torch.lerp(values[below], values[above], t[:, None])

    def forward(self, x: Tensor) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        first, *rest = [self.factor(k, x_k) for k, x_k in enumerate(flat.unbind(-1))]
        values = (first @ (self.scale * self.core).flatten(1)).unflatten(1, self.core.shape[1:])
        for u in rest:
            values = torch.einsum("nr,nr...->n...", u, values)
        return values.reshape(*x.shape[:-1], self.core.shape[-1])

    def on_axes(self, axes: Sequence[Tensor]) -> Tensor:
        values = self.scale * self.core
        for k, axis in enumerate(axes):
            values = torch.tensordot(self.factor(k, axis), values.movedim(k, 0), dims=1).movedim(
                0, k
            )
        return values


@preset
def separable(
    box: Box,
    channels: int = 1,
    bandwidth: float | None = None,
    *,
    omega0: float | Sequence[float] | None = None,
    rank: int | Sequence[int] = 64,
    width: int = 128,
    depth: int = 3,
    knots: Sequence[float] | None = None,
    head: HeadName = "linear",
    seed: int = 0,
) -> Prior:
    """Tucker product of one-dimensional SIRENs (Luo et al. 2023): a lattice costs one network call an axis.

    `rank` and `omega0` are one for all axes or one each: a spectrum needs far fewer numbers than a row of pixels, and
    slower ones. `knots` are places along the last axis (a camera's wavelengths) between which its functions are linear:
    where nothing is measured, sines would swing. Raises ValueError for fewer than two, or where they do not rise.
    """
    bandwidth, b = band(box, bandwidth)
    omega0 = (
        2 * math.pi * b / 4 if omega0 is None else omega0
    )  # one-dimensional networks lack cross terms
    ranks, omegas = (
        [int(r) for r in _each_axis("rank", rank, box)],
        _each_axis("omega0", omega0, box),
    )
    places = _normalised(knots, box)

    def network(outputs: int) -> Separable:
        return Separable(
            ranks,
            outputs,
            width=width,
            depth=depth,
            activations=[Sine(w) for w in omegas],
            generator=seeded(seed),
            knots=places,
        )

    # the phase of a sine moves omega times as far as its weight: faster sines take smaller steps, or the fit diverges
    return Prior(
        box,
        Identity(box.ndim),
        network,
        channels=channels,
        head=head,
        bandwidth=bandwidth,
        learning_rate=2e-3 * min(1.0, 10 / max(omegas)),
    )


def _each_axis(name: str, value: float | Sequence[float], box: Box) -> list[float]:
    values = [float(v) for v in ([value] * box.ndim if isinstance(value, int | float) else value)]
    if len(values) != box.ndim or not min(values) > 0:
        raise ValueError(
            f"separable: {name}={value}; the box has {box.ndim} axes: one positive number, or one each."
        )
    return values


def _normalised(knots: Sequence[float] | None, box: Box) -> Tensor | None:
    if knots is None:
        return None
    places = (torch.tensor(list(knots), dtype=torch.float64) - box.center[-1]) * box.scale[-1]
    if len(places) < 2 or not bool((places.diff() > 0).all()):
        raise ValueError(f"separable: knots must be two or more and rise, got {list(knots)}.")
    return places.float()
