"""Spectra in a smooth basis, an image of coefficients times cosines: the preset `spectral_basis`.

    f(x, λ) = Σ_k c_k(x) cos(π k u) / (1 + (k / smooth)²),     u from 0 to 1 along the last axis

Measurements leave much of a spectrum open (three colours, say). It is filled smoothly, because high
k need large coefficients. Space is a lattice of as many nodes as `bandwidth` can hold, or one
network whose vector output is all coefficients of a place. The last axis is any coordinate along
which fields are smooth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from inverse_inr.domain import Box
from inverse_inr.priors.encodings import Identity
from inverse_inr.priors.heads import HeadName
from inverse_inr.priors.lattices.axes import divided
from inverse_inr.priors.lattices.encoding import GridEncoding
from inverse_inr.priors.periodic import Sine, siren_omega
from inverse_inr.priors.preset import Moderate, band, preset, seeded
from inverse_inr.priors.prior import Prior
from inverse_inr.priors.topologies import MLP
from inverse_inr.ranges import Count, Positive, Seed


class SpatialNetwork(nn.Module):
    """A SIREN of space with a vector output: normalised (*s, d) -> (*s, outputs).

    Args:
        ndim: The number of axes of space, d.
        outputs: Numbers per point.
        omega0: Frequency of the sines, in radians per unit of their input.
        generator: Source of the random starting weights.
    """

    def __init__(self, ndim: int, outputs: int, omega0: float, generator: torch.Generator) -> None:
        super().__init__()
        self.layers = MLP(
            ndim, outputs, width=128, depth=3, activation=Sine(omega0), generator=generator
        )
        self.smoothness = self.layers.smoothness

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate at normalised coordinates (*s, d): (*s, outputs)."""
        return self.layers(x)

    def on_axes(self, axes: Sequence[Tensor]) -> Tensor:
        """Evaluate on the lattice of d normalised axes: (*shape, outputs)."""
        return self.layers(torch.stack(torch.meshgrid(*axes, indexing="ij"), -1))


class SpectralBasis(nn.Module):
    """Coefficients of space times cosines of the last axis, for each output.

    Args:
        box: The box of the field; space is all axes but the last.
        outputs: Numbers per point.
        cells: Cells of the lattice of coefficients along the longest side of space.
        components: Number of cosines.
        smooth: Cosine k is divided by 1 + (k / smooth)².
        omega0: Frequency of the sines of a `SpatialNetwork`, in radians per unit of their input;
            None for a lattice.
        generator: Source of the random starting numbers.
    """

    def __init__(
        self,
        box: Box,
        outputs: int,
        *,
        cells: float,
        components: int,
        smooth: float,
        omega0: float | None,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        sides = [n * s / 2 for n, s in zip(box.lengths, box.scale, strict=True)]
        self.side = sides[-1]
        self.outputs = outputs
        self.components = components
        space = sides[:-1]
        self.reach = 1.0
        if omega0 is None:
            self.reach = max(space, default=1.0)
            # coefficients are few compared with the values: a cube is cut into slabs late
            self.lattice_chunk = 2**23
        count = outputs * components
        self.constant = nn.Parameter(1e-2 * torch.randn(count, generator=generator))
        self.image: GridEncoding | SpatialNetwork | None = None
        if space and omega0 is not None:
            self.image = SpatialNetwork(len(space), count, omega0, generator)
        elif space:
            own = Box(tuple(-n for n in space), tuple(space))
            self.image = GridEncoding(own, [cells], count, table=2**31 - 1)
            with torch.no_grad():
                self.image.table.uniform_(-1e-2, 1e-2, generator=generator)
        k = torch.arange(components)
        self.frequency = nn.Buffer(math.pi * k.float())
        self.decay = nn.Buffer(1 / (1 + (k / smooth) ** 2))
        self.smoothness = math.inf
        if self.image is not None:
            self.smoothness = self.image.smoothness

    def linear_parameters(self) -> list[nn.Parameter]:
        """List what the coefficients are linear in: the constant, and the lattice or last map."""
        last: list[nn.Parameter] = []
        if isinstance(self.image, GridEncoding):
            last = self.image.linear_parameters()
        elif self.image is not None:
            last = self.image.layers.linear_parameters()
        return [self.constant, *last]

    def cosines(self, x: Tensor) -> Tensor:
        """Evaluate the cosines at normalised last coordinates (*s,): (*s, components)."""
        u = 0.5 * (x / self.side + 1)
        return torch.cos(self.frequency * u[..., None]) * self.decay

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate at normalised coordinates (*s, d): (*s, outputs)."""
        coefficients = self.constant
        if self.image is not None:
            coefficients = coefficients + self.image(x[..., :-1] / self.reach)
        waves = self.cosines(x[..., -1])
        return (coefficients.unflatten(-1, (self.outputs, -1)) * waves[..., None, :]).sum(-1)

    def on_axes(self, axes: Sequence[Tensor]) -> Tensor:
        """Evaluate on the lattice of d normalised axes: (*shape, outputs)."""
        coefficients = self.constant
        if self.image is not None:
            space = [divided(a, self.reach) for a in axes[:-1]]
            coefficients = coefficients + self.image.on_axes(space)
        waves = self.cosines(axes[-1])
        return (coefficients.unflatten(-1, (self.outputs, -1)) @ waves.mT).movedim(-1, -2)


@preset
def spectral_basis(
    box: Box,
    channels: Count = 1,
    bandwidth: Positive | None = None,
    *,
    cells: Positive | None = None,
    components: Count = 16,
    smooth: Moderate = 0.5,
    space: Literal["lattice", "network"] = "lattice",
    head: HeadName = "linear",
    seed: Seed = 0,
) -> Prior:
    """An image of coefficients times cosines of the last axis, fainter the faster they oscillate.

    Args:
        box: Where the field lives, in physical units.
        channels: Values of the field at each point.
        bandwidth: Highest frequency, in cycles per unit of the box's first axis; b is the same in
            cycles per normalised unit. None for the Nyquist frequency of 128 pixels along the
            longest side.
        cells: Cells of the lattice along the longest side of space; None for 4 b, one per pixel.
        components: Number of cosines per spectrum.
        smooth: Cosine k is divided by 1 + (k / smooth)²: the smaller, the smoother. Above about 1,
            spectra that are hardly measured swing below zero, where a head that is not negative
            holds them.
        space: "lattice" of coefficients, or a "network" (SIREN) whose vector output is all
            coefficients of a place.
        head: A name of `heads.HEADS`, or one name per channel.
        seed: Seed of the starting numbers.

    Returns:
        The prior, untrained.

    Raises:
        ValueError: For an unknown kind of space.
    """
    bandwidth, b = band(box, bandwidth)
    if cells is None:
        cells = max(2.0, 4 * b)
    omega0 = None
    learning_rate = 2e-2
    if space == "network":
        omega0 = siren_omega(b, max(1, box.ndim - 1))
        learning_rate = 5e-3

    def network(outputs: int) -> SpectralBasis:
        return SpectralBasis(
            box,
            outputs,
            cells=cells,
            components=components,
            smooth=smooth,
            omega0=omega0,
            generator=seeded(seed),
        )

    return Prior(
        box,
        Identity(box.ndim),
        network,
        channels=channels,
        head=head,
        bandwidth=bandwidth,
        learning_rate=learning_rate,
    )
