"""Variable projection of phases (Golub & Pereyra 1973): given an amplitude, its best phases follow from the data.

    z(a) = argmin over |z| = 1 of ½ ‖K (a z) - d‖²        K, d: operator and data, whitened; a >= 0

The gradient of the projected loss with respect to a is that at fixed z(a) (envelope theorem), so a prior learns its
amplitude alone. A sweep minimises, in closed form, the tangent paraboloid of curvature ‖K‖² that lies above the loss,

    z <- sgn( s - K*(K s - d) / ‖K‖² ),   s = a z

the generalised power method (Journée et al. 2010): it never raises the loss, and is exact at once where K*K = ‖K‖².
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr.evaluation import sample
from inverse_inr.least_squares import LeastSquares
from inverse_inr.priors.prior import Prior
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
            raise TypeError("PhaseProjection: the problem's field is real. Its phases are signs; use another prior.")
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
