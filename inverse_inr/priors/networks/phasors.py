"""A smooth amplitude and a free phasor in each voxel, as one network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from inverse_inr.domain import Box
from inverse_inr.priors.lattices.encoding import GridEncoding
from inverse_inr.priors.topologies import MLP


class FreePhase(GridEncoding):
    """The real and imaginary part of a phasor per voxel and channel, of unit modulus at the start.

    Args:
        box: The box of the field.
        cells: Voxels along the longest side.
        channels: Phasors per voxel.
        generator: Source of the random starting phases.
    """

    roles: ClassVar[dict[str, str]] = {"table": "phase"}

    def __init__(self, box: Box, cells: float, channels: int, generator: torch.Generator) -> None:
        super().__init__(box, [cells], 2 * channels, table=2**31 - 1, centered=True)
        with torch.no_grad():
            angle = 2 * math.pi * torch.rand(len(self.table), channels, generator=generator)
            self.table.copy_(torch.stack([angle.cos(), angle.sin()], -1).flatten(1))

    @torch.no_grad()
    def set_phases(self, image: Tensor) -> None:
        """Take the phases of an image, at the nearest pixels.

        Args:
            image: (*shape, c), e.g. the back-projected measurements; complex.
        """
        value = image
        for axis, nodes in enumerate((self.top[0] + 1).int().tolist()):
            n = value.shape[axis]
            nearest = ((torch.arange(nodes, device=value.device) + 0.5) * n / nodes).long()
            value = value.index_select(axis, nearest.clamp(max=n - 1))
        value = torch.view_as_real(torch.sgn(value.to(torch.complex64)).resolve_conj())
        self.table.copy_(value.reshape(self.table.shape))


class AmplitudeAndPhase(nn.Module):
    """A map from normalised coordinates to an amplitude's number and a phasor's two parts.

    Args:
        amplitude: Features of the amplitude.
        network: Makes the amplitude's numbers of them, one per channel.
        phase: The phasors.
        speckle: Whether the moduli of the phasors are free.
        projected: Whether the phases are not learnt: `PhasedPrior` sets them to the best ones for
            the amplitude (`PhaseProjection`).
    """

    def __init__(
        self,
        amplitude: GridEncoding,
        network: MLP,
        phase: FreePhase,
        speckle: bool,
        projected: bool = False,
    ) -> None:
        super().__init__()
        self.projected = projected
        phase.table.requires_grad_(not projected)
        self.amplitude = amplitude
        self.network = network
        self.phase = phase
        self.speckle = speckle
        self.smoothness = 0
        self.conditioned = False

    @property
    def wants_data(self) -> bool:
        """True until it has been shown a complex image."""
        return not self.conditioned

    def condition(self, image: Tensor) -> None:
        """Take the phases of an image of the measurements.

        Args:
            image: (*shape, c), e.g. the back-projected measurements. Never the truth.
        """
        self.phase.set_phases(image)
        if image.is_complex():
            self.conditioned = True

    def penalty(self) -> Tensor:
        """Give the mean square modulus of speckle: a scalar, 0 without speckle.

        Its expectation is 1 for a circular Gaussian phasor.
        """
        if not self.speckle:
            return self.phase.table.new_zeros(())
        return 2 * self.phase.table.square().mean()

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate at normalised coordinates (*s, d): (*s, 3 channels)."""
        return self._joined(self.network(self.amplitude(x)), self.phase(x))

    def on_axes(self, axes: Sequence[Tensor]) -> Tensor:
        """Evaluate on the lattice of d normalised axes: (*shape, 3 channels)."""
        return self._joined(self.network(self.amplitude.on_axes(axes)), self.phase.on_axes(axes))

    def _joined(self, amplitude: Tensor, phasor: Tensor) -> Tensor:
        """(*s, c) and (*s, 2 c) -> (*s, 3 c), channel by channel."""
        return torch.cat([amplitude[..., None], phasor.unflatten(-1, (-1, 2))], -1).flatten(-2)
