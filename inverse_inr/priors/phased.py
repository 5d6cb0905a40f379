"""Complex fields of a smooth amplitude and a free phase in every voxel: the preset `phased`.

Where a resolution cell is many wavelengths, as in narrow-aperture SAR, its phase is random and no
smooth field can represent it; the amplitude still has a shape.

Given an amplitude, its best phases follow from the data, by variable projection (Golub & Pereyra
1973):

    z(a) = argmin over |z| = 1 of ½ ‖K (a z) - d‖²        K, d: operator and data, whitened; a >= 0

The gradient of the projected loss with respect to a is that at fixed z(a) (envelope theorem), so a
prior learns its amplitude alone. A sweep minimises, in closed form, the tangent paraboloid of
curvature ‖K‖² that lies above the loss,

    z <- sgn( s - K*(K s - d) / ‖K‖² ),   s = a z

the generalised power method (Journée et al. 2010): it never raises the loss, and is exact at once
where K*K = ‖K‖².
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from inverse_inr.domain import Box
from inverse_inr.evaluation import sample
from inverse_inr.least_squares import LeastSquares
from inverse_inr.priors.activations import ReLU, uniform
from inverse_inr.priors.encodings import Identity
from inverse_inr.priors.lattices.encoding import GridEncoding
from inverse_inr.priors.networks.phasors import AmplitudeAndPhase, FreePhase
from inverse_inr.priors.preset import Layers, Levels, Log2Size, Moderate, band, preset, seeded
from inverse_inr.priors.prior import Prior
from inverse_inr.priors.topologies import MLP
from inverse_inr.problem import Problem
from inverse_inr.ranges import Count, Positive, Seed


@dataclass
class PhaseProjection:
    """The best phases of an image on the problem's grid, from all rows of a fit.

    Fidelities are those of least squares.

    Attributes:
        system: The problem as whitened least squares.
        step: The length of a sweep's step, 1 / ‖K‖².
        every: Steps of a solver between projections.
        sweeps: Sweeps per projection.
    """

    system: LeastSquares
    step: float
    every: int = 5
    sweeps: int = 2

    @classmethod
    def of(cls, problem: Problem, rows: Sequence[Tensor]) -> PhaseProjection:
        """Make the projection of a problem.

        Args:
            problem: The problem that is solved.
            rows: For each term, the indices of the measurements that the fit may see.

        Returns:
            The projection; its step is found by power iteration.

        Raises:
            TypeError: If the problem's field is real: it has no phases.
        """
        if not problem.is_complex:
            raise TypeError(
                "PhaseProjection: the problem's field is real. Its phases are signs; "
                "use another prior."
            )
        system = LeastSquares.of(problem, rows)
        return cls(system, 1 / system.norm() ** 2)

    @torch.no_grad()
    def __call__(self, image: Tensor, sweeps: int | None = None) -> Tensor:
        """Improve the phases of an image and keep its moduli.

        Args:
            image: (*shape, c), complex.
            sweeps: How many sweeps to make; None for `self.sweeps`.

        Returns:
            (*shape, c), complex.
        """
        if sweeps is None:
            sweeps = self.sweeps
        amplitude = image.abs()
        data = self.system.data()
        for _ in range(sweeps):
            seen = self.system.whitened(image)
            slope = self.system.adjoint([a - b for a, b in zip(seen, data, strict=True)])
            image = amplitude * torch.sgn(image - self.step * slope)
        return image

    def loss(self, image: Tensor) -> float:
        """Give ½ ‖K image - d‖² of an image (*shape, c)."""
        return self.system.value(image)

    def apply(self, prior: Prior) -> None:
        """Set the phases of a prior that keeps one per voxel.

        Args:
            prior: `phased` with projected=True.
        """
        with torch.no_grad():
            prior.condition(self(sample(prior, self.system.maps[0].grid)))


class PhasedPrior(Prior):
    """A prior whose phases may be set in closed form, instead of being learnt, every few steps."""

    projection: PhaseProjection | None = None
    """Made from the problem when a fit begins, if phases are `projected`."""

    def begin(self, problem: Problem, rows: Sequence[Tensor]) -> None:
        super().begin(problem, rows)
        if isinstance(self.network, AmplitudeAndPhase) and self.network.projected:
            self.projection = PhaseProjection.of(problem, rows)

    def before_step(self, step: int, progress: float) -> None:
        super().before_step(step, progress)
        if self.projection is not None and step % self.projection.every == 0:
            self.projection.apply(self)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the projection out of copies: it belongs to a run.

        It holds a recorded computation, which cannot be copied.
        """
        return {**self.__dict__, "projection": None}


@preset
def phased(
    box: Box,
    channels: Count = 1,
    bandwidth: Positive | None = None,
    *,
    cells: Positive | None = None,
    speckle: bool = False,
    projected: bool = False,
    levels: Levels = 3,
    coarsest: Positive = 8,
    finest: Positive | None = None,
    features: Count = 2,
    log2_table: Log2Size = 19,
    width: Count = 32,
    depth: Layers = 2,
    phase_rate: Moderate = 1.0,
    seed: Seed = 0,
) -> Prior:
    """Complex: a `hash` field's amplitude times a free phase in each voxel.

    Voxels are cubes; between them the phasor is interpolated. Phases start as those of the
    back-projected measurements.

    Args:
        box: Where the field lives, in physical units.
        channels: Values of the field at each point.
        bandwidth: Highest frequency, in cycles per unit of the box's first axis; b is the same in
            cycles per normalised unit. None for the Nyquist frequency of 128 pixels along the
            longest side.
        cells: Voxels of the phase along the longest side; None for 4 b, one per pixel.
        speckle: Whether the phasor's modulus is free as well, held near 1 by `PriorPenalty`.
        projected: Whether phases are not learnt but set in closed form for the amplitude, every few
            steps, from all rows (`PhaseProjection`).
        levels: Number of resolutions of the amplitude.
        coarsest: Cells along the longest side at the first level.
        finest: Cells along the longest side at the last level; None for 6.8 b, but no fewer than
            `coarsest`.
        features: Features per level.
        log2_table: Logarithm of a table's rows, to the base 2.
        width: Features per hidden layer of the decoder.
        depth: Number of hidden layers of the decoder.
        phase_rate: Factor of the learning rate for the phases.
        seed: Seed of the starting features, weights and phases.

    Returns:
        The prior, untrained.

    Raises:
        ValueError: If both `speckle` and `projected` are asked for.
    """
    if speckle and projected:
        raise ValueError(
            "phased: speckle=True frees moduli, which projected=True keeps. Choose one."
        )
    bandwidth, b = band(box, bandwidth)
    if cells is None:
        cells = float(round(4 * b))
    if finest is None:
        finest = max(6.8 * b, coarsest)
    if finest < coarsest:
        raise ValueError(
            f"phased: finest={finest} cells are fewer than coarsest={coarsest}. Swapped?"
        )
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
