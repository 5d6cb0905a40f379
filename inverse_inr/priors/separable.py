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
from inverse_inr.priors.preset import Layers, Moderate, band, preset, seeded
from inverse_inr.priors.prior import Prior
from inverse_inr.priors.topologies import MLP, Linear
from inverse_inr.ranges import Count, Finite, Positive, Seed


class Separable(nn.Module):
    """Tucker product of one-dimensional networks: f(x) = Σ core[r1..rd, c] Π_k u_k(x_k)[r_k].

    On a lattice it costs one network call per axis and d small products.

    Args:
        ranks: Number of functions u_k along each axis.
        outputs: Numbers per point.
        width: Features per hidden layer of the networks.
        depth: Number of hidden layers of the networks.
        activations: One per axis.
        generator: Source of the random starting numbers.
        knots: (n,) normalised and rising, along the last axis; its factor takes the network's
            values there and is linear between them. None for the network itself.

    Source:
        Luo et al. 2023, LRTFR; Cho et al. 2023.
    """

    lattice_chunk = 2**23
    """Points of a lattice to evaluate at once: it costs little more than its values, so it stays
    whole."""

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
        # N(0, 1) times `scale`: a field of standard deviation near 0.1, and steps of Adam that suit
        # numbers of size 1
        self.core = nn.Parameter(torch.randn(*ranks, outputs, generator=generator))
        self.scale = 0.1 * math.prod(ranks) ** -0.5
        self.knots = None if knots is None else nn.Buffer(knots, persistent=False)
        self.smoothness: float = 0
        if knots is None:
            self.smoothness = min(a.smoothness for a in activations)

    def factor(self, k: int, positions: Tensor) -> Tensor:
        """Evaluate the functions along one axis.

        Args:
            k: The number of the axis.
            positions: (n,) normalised coordinates along it.

        Returns:
            (n, rank of the axis).
        """
        if self.knots is None or k < len(self.factors) - 1:
            return self.factors[k](positions[:, None])
        knots = self.knots.to(positions)
        above = torch.searchsorted(knots, positions.detach().contiguous()).clamp(1, len(knots) - 1)
        below = above - 1
        values = self.factors[k](knots[:, None])
        t = ((positions - knots[below]) / (knots[above] - knots[below])).clamp(0, 1)
        return torch.lerp(values[below], values[above], t[:, None])

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate at normalised coordinates (*s, d): (*s, outputs)."""
        flat = x.reshape(-1, x.shape[-1])
        first, *rest = [self.factor(k, x_k) for k, x_k in enumerate(flat.unbind(-1))]
        values = (first @ (self.scale * self.core).flatten(1)).unflatten(1, self.core.shape[1:])
        for u in rest:
            values = torch.einsum("nr,nr...->n...", u, values)
        return values.reshape(*x.shape[:-1], self.core.shape[-1])

    def linear_parameters(self) -> list[nn.Parameter]:
        """List the core, of which the values are a linear function."""
        return [self.core]

    def on_axes(self, axes: Sequence[Tensor]) -> Tensor:
        """Evaluate on the lattice of d normalised axes: (*shape, outputs)."""
        values = self.scale * self.core
        for k, axis in enumerate(axes):
            product = torch.tensordot(self.factor(k, axis), values.movedim(k, 0), dims=1)
            values = product.movedim(0, k)
        return values


@preset
def separable(
    box: Box,
    channels: Count = 1,
    bandwidth: Positive | None = None,
    *,
    omega0: Moderate | Sequence[Moderate] | None = None,
    rank: Count | Sequence[Count] = 64,
    width: Count = 128,
    depth: Layers = 3,
    knots: Sequence[Finite] | None = None,
    head: HeadName = "linear",
    seed: Seed = 0,
) -> Prior:
    """Tucker product of one-dimensional SIRENs (Luo et al. 2023): a lattice costs a call per axis.

    A spectrum needs far fewer functions than a line of pixels, and slower ones. Knots are places
    between which nothing is measured, as a camera's wavelengths: there sines would swing.

    Args:
        box: Where the field lives, in physical units.
        channels: Values of the field at each point.
        bandwidth: Highest frequency, in cycles per unit of the box's first axis; b is the same in
            cycles per normalised unit. None for the Nyquist frequency of 128 pixels along the
            longest side.
        omega0: Frequency of the sines, in radians per unit of their input, one for all axes or one
            each; None for 2π b / 4.
        rank: Number of functions, one for all axes or one each.
        width: Features per hidden layer of each axis's network.
        depth: Number of hidden layers of each axis's network.
        knots: Places along the last axis, in its unit, between which its functions are linear; None
            for none.
        head: A name of `heads.HEADS`, or one name per channel.
        seed: Seed of the starting weights.

    Returns:
        The prior, untrained.

    Raises:
        ValueError: For numbers that are not one per axis or not positive, and for knots that are
            fewer than two or do not rise.

    Source:
        Luo et al. 2023, LRTFR.
    """
    bandwidth, b = band(box, bandwidth)
    if omega0 is None:
        omega0 = 2 * math.pi * b / 4  # one-dimensional networks lack cross terms
    ranks = [int(r) for r in _each_axis("rank", rank, box)]
    omegas = _each_axis("omega0", omega0, box)
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

    # the phase of a sine moves omega times as far as its weight: faster sines take smaller steps,
    # or the fit diverges
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
    """One number per axis, from one for all axes or one each."""
    if isinstance(value, int | float):
        values = [float(value)] * box.ndim
    else:
        values = [float(v) for v in value]
    if len(values) != box.ndim or not min(values) > 0:
        raise ValueError(
            f"separable: {name}={value}; the box has {box.ndim} axes: one positive number, "
            f"or one each."
        )
    return values


def _normalised(knots: Sequence[float] | None, box: Box) -> Tensor | None:
    """Places along the last axis, in normalised units."""
    if knots is None:
        return None
    places = (torch.tensor(list(knots), dtype=torch.float64) - box.center[-1]) * box.scale[-1]
    if len(places) < 2 or not bool((places.diff() > 0).all()):
        raise ValueError(f"separable: knots must be two or more and rise, got {list(knots)}.")
    return places.float()
