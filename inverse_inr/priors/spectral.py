"""Spectra in a smooth basis: an image of coefficients times cosines of the wavelength, and the preset `spectral_basis`.

    f(x, λ) = Σ_k c_k(x) cos(π k u) / (1 + (k / smooth)²),     u from 0 to 1 along the last axis

What measurements leave open (three colours of a spectrum) is filled smoothly: high k need large coefficients. Space is
a lattice of as many nodes as `bandwidth` can hold; the last axis is any coordinate along which fields are smooth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from inverse_inr.domain import Box
from inverse_inr.priors.encodings import Identity
from inverse_inr.priors.grids import GridEncoding
from inverse_inr.priors.heads import HeadName
from inverse_inr.priors.preset import band, preset, seeded
from inverse_inr.priors.prior import Prior


class SpectralBasis(nn.Module):
    """Coefficients (space) times cosines (last axis), for each output: normalised (n, d) -> (n, outputs)."""

    def __init__(self, box: Box, outputs: int, *, cells: float, components: int, smooth: float,
                 generator: torch.Generator) -> None:  # fmt: skip
        super().__init__()
        sides = [n * s / 2 for n, s in zip(box.lengths, box.scale, strict=True)]
        self.side, self.outputs, self.components = sides[-1], outputs, components
        space = sides[:-1]
        self.reach = max(space, default=1.0)
        own = Box(tuple(-n for n in space), tuple(space)) if space else None
        count = outputs * components
        self.lattice = None if own is None else GridEncoding(own, [cells], count, table=2**31 - 1)
        self.constant = nn.Parameter(1e-2 * torch.randn(count, generator=generator))
        if self.lattice is not None:
            with torch.no_grad():
                self.lattice.table.uniform_(-1e-2, 1e-2, generator=generator)
        k = torch.arange(components)
        self.frequency = nn.Buffer(math.pi * k.float())
        self.decay = nn.Buffer(1 / (1 + (k / smooth) ** 2))
        self.smoothness = math.inf if self.lattice is None else self.lattice.smoothness

    def cosines(self, x: Tensor) -> Tensor:
        """(n,) normalised last coordinates -> (n, components)."""
        u = 0.5 * (x / self.side + 1)
        return torch.cos(self.frequency * u[..., None]) * self.decay

    def forward(self, x: Tensor) -> Tensor:
        coefficients = self.constant
        if self.lattice is not None:
            coefficients = coefficients + self.lattice(x[..., :-1] / self.reach)
        waves = self.cosines(x[..., -1])
        return (coefficients.unflatten(-1, (self.outputs, -1)) * waves[..., None, :]).sum(-1)

    def on_axes(self, axes: Sequence[Tensor]) -> Tensor:
        coefficients = self.constant
        if self.lattice is not None:
            coefficients = coefficients + self.lattice.on_axes([a / self.reach for a in axes[:-1]])
        waves = self.cosines(axes[-1])
        return (coefficients.unflatten(-1, (self.outputs, -1)) @ waves.mT).movedim(-1, -2)


@preset
def spectral_basis(box: Box, channels: int = 1, bandwidth: float | None = None, *, cells: float | None = None,
                   components: int = 16, smooth: float = 0.5, head: HeadName = "linear",
                   seed: int = 0) -> Prior:  # fmt: skip
    """A lattice of coefficients of smooth spectra: cosines of the last axis, fainter the faster they oscillate."""
    bandwidth, b = band(box, bandwidth)
    cells = max(2.0, 4 * b) if cells is None else cells

    def network(outputs: int) -> SpectralBasis:
        return SpectralBasis(box, outputs, cells=cells, components=components, smooth=smooth, generator=seeded(seed))

    return Prior(box, Identity(box.ndim), network, channels=channels, head=head, bandwidth=bandwidth,
                 learning_rate=2e-2)  # fmt: skip
