"""Complex fields of a smooth amplitude and a phase that is free in every voxel: the preset `phased`.

Where a resolution cell is many wavelengths, as in narrow-aperture SAR, its phase is random and no smooth field can
represent it; the amplitude still has a shape.

Given an amplitude, its best phases follow from the data, by variable projection (Golub & Pereyra 1973):

    z(a) = argmin over |z| = 1 of ½ ‖K (a z) - d‖²        K, d: operator and data, whitened; a >= 0

The gradient of the projected loss with respect to a is that at fixed z(a) (envelope theorem), so a prior learns its
amplitude alone. A sweep minimises, in closed form, the tangent paraboloid of curvature ‖K‖² that lies above the loss,

    z <- sgn( s - K*(K s - d) / ‖K‖² ),   s = a z

the generalised power method (Journée et al. 2010): it never raises the loss, and is exact at once where K*K = ‖K‖².
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from inverse_inr.domain import Box
from inverse_inr.evaluation import sample
from inverse_inr.least_squares import LeastSquares
from inverse_inr.priors.activations import ReLU, uniform
from inverse_inr.priors.encodings import Identity
from inverse_inr.priors.lattices.encoding import GridEncoding
from inverse_inr.priors.preset import band, preset, seeded
from inverse_inr.priors.prior import Prior
from inverse_inr.priors.topologies import MLP
from inverse_inr.problem import Problem


@dataclass
class PhaseProjection:
    """The phases of an image on the problem's grid from all rows of a fit; least-squares fidelities.

    every   steps of a solver between projections;  sweeps  of each
    """

    system: LeastSquares
    step: float
    every: int = 5
    sweeps: int = 2

    @classmethod
    def of(cls, problem: Problem, rows: Sequence[Tensor]) -> PhaseProjection:
        """Raises TypeError for a real problem: it has no phases."""
        if not problem.is_complex:
            raise TypeError(
                "PhaseProjection: the problem's field is real. Its phases are signs; use another prior."
            )
        system = LeastSquares.of(problem, rows)
        return cls(system, 1 / system.norm() ** 2)

    @torch.no_grad()
    def __call__(self, image: Tensor, sweeps: int | None = None) -> Tensor:
        """The image (*shape, c) with its moduli kept and its phases improved."""
        amplitude, data = image.abs(), self.system.data()
        for _ in range(self.sweeps if sweeps is None else sweeps):
            seen = self.system.whitened(image)
            slope = self.system.adjoint([a - b for a, b in zip(seen, data, strict=True)])
            image = amplitude * torch.sgn(image - self.step * slope)
        return image

    def loss(self, image: Tensor) -> float:
        """½ ‖K image - d‖²."""
        return self.system.value(image)

    def apply(self, prior: Prior) -> None:
        """Set the phases of a prior that keeps one a voxel (`phased` with projected=True)."""
        with torch.no_grad():
            prior.condition(self(sample(prior, self.system.maps[0].grid)))


class PhasedPrior(Prior):
    """A prior whose phases may be set in closed form for its amplitude, every few steps, instead of being learnt."""

    projection: PhaseProjection | None = None
    """Made from the problem when a fit begins, where phases are `projected`."""

    def begin(self, problem: Problem, rows: Sequence[Tensor]) -> None:
        super().begin(problem, rows)
        if isinstance(self.network, AmplitudeAndPhase) and self.network.projected:
            self.projection = PhaseProjection.of(problem, rows)

    def before_step(self, step: int, progress: float) -> None:
        super().before_step(step, progress)
        if self.projection is not None and step % self.projection.every == 0:
            self.projection.apply(self)

    def __getstate__(self) -> dict[str, Any]:
        """For copies: the projection belongs to a run, and holds a recorded computation that cannot be copied."""
        return {**self.__dict__, "projection": None}


class FreePhase(GridEncoding):
    """A phasor a voxel and channel, its real and imaginary parts, of unit modulus where a run starts."""

    roles: ClassVar[dict[str, str]] = {"table": "phase"}

    def __init__(self, box: Box, cells: float, channels: int, generator: torch.Generator) -> None:
        super().__init__(box, [cells], 2 * channels, table=2**31 - 1, centered=True)
        with torch.no_grad():
            angle = 2 * math.pi * torch.rand(len(self.table), channels, generator=generator)
            self.table.copy_(torch.stack([angle.cos(), angle.sin()], -1).flatten(1))

    @torch.no_grad()
    def set_phases(self, image: Tensor) -> None:
        """Take the phases of an image of the measurements, (*shape, c) complex, at the nearest pixels."""
        value = image
        for axis, nodes in enumerate((self.top[0] + 1).int().tolist()):
            n = value.shape[axis]
            value = value.index_select(
                axis, ((torch.arange(nodes) + 0.5) * n / nodes).long().clamp(max=n - 1)
            )
        value = torch.view_as_real(torch.sgn(value.to(torch.complex64)).resolve_conj())
        self.table.copy_(value.reshape(self.table.shape))


class AmplitudeAndPhase(nn.Module):
    """Normalised coordinates -> (amplitude's number, phasor's real and imaginary part).

    `projected` phases are not learnt: `PhasedPrior` sets them to the best ones for the amplitude (`PhaseProjection`).
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
        self.amplitude, self.network, self.phase, self.speckle = amplitude, network, phase, speckle
        self.smoothness, self.conditioned = 0, False

    @property
    def wants_data(self) -> bool:
        return not self.conditioned

    def condition(self, image: Tensor) -> None:
        """Take the phases of an image of the measurements, (*shape, c)."""
        self.phase.set_phases(image)
        if image.is_complex():
            self.conditioned = True

    def penalty(self) -> Tensor:
        """Of speckle: the mean square modulus, whose expectation is 1 (a circular Gaussian phasor)."""
        return (
            2 * self.phase.table.square().mean() if self.speckle else self.phase.table.new_zeros(())
        )

    def forward(self, x: Tensor) -> Tensor:
        return self._joined(self.network(self.amplitude(x)), self.phase(x))

    def on_axes(self, axes: Sequence[Tensor]) -> Tensor:
        return self._joined(self.network(self.amplitude.on_axes(axes)), self.phase.on_axes(axes))

    def _joined(self, amplitude: Tensor, phasor: Tensor) -> Tensor:
        """(*s, c) and (*s, 2 c) -> (*s, 3 c), channel by channel."""
        return torch.cat([amplitude[..., None], phasor.unflatten(-1, (-1, 2))], -1).flatten(-2)


@preset
def phased(
    box: Box,
    channels: int = 1,
    bandwidth: float | None = None,
    *,
    cells: float | None = None,
    speckle: bool = False,
    projected: bool = False,
    levels: int = 3,
    coarsest: float = 8,
    finest: float | None = None,
    features: int = 2,
    log2_table: int = 19,
    width: int = 32,
    depth: int = 2,
    phase_rate: float = 1.0,
    seed: int = 0,
) -> Prior:
    """Complex: a `hash` field's amplitude times a free phase in each voxel, `cells` of them along the longest side.

    With `speckle` the phasor's modulus is free as well, held near 1 by `PriorPenalty`. Phases start as those of the
    back-projected measurements; `projected` ones are not learnt but set in closed form for the amplitude, every few
    steps, from all rows (`PhaseProjection`). Voxels are cubes; between them the phasor is interpolated.
    """
    if speckle and projected:
        raise ValueError(
            "phased: speckle=True frees moduli, which projected=True keeps. Choose one."
        )
    bandwidth, b = band(box, bandwidth)
    cells = float(round(4 * b)) if cells is None else cells
    finest = max(6.8 * b, coarsest) if finest is None else finest
    generator = seeded(seed)
    growth = (finest / coarsest) ** (1 / max(1, levels - 1))
    encoding = GridEncoding(
        box,
        [float(round(coarsest * growth**k)) for k in range(levels)],
        features,
        table=2**log2_table,
    )
    uniform(encoding.table, 1e-2, generator)
    phase = FreePhase(box, cells, channels, generator)

    def network(_: int) -> AmplitudeAndPhase:
        mlp = MLP(
            encoding.size,
            channels,
            width=width,
            depth=depth,
            activation=ReLU(),
            generator=generator,
        )
        return AmplitudeAndPhase(encoding, mlp, phase, speckle, projected)

    return PhasedPrior(
        box,
        Identity(box.ndim),
        network,
        channels=channels,
        head="speckle" if speckle else "free_phase",
        bandwidth=bandwidth,
        learning_rate=1e-2,
        rates={"phase": phase_rate},
    )
