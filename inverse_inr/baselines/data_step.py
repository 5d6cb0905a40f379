"""The data's share of splitting methods: the image nearest to another one that explains the data.

    x = argmin_x ½ ‖K x - z‖² + ρ/2 ‖x - v‖²,    (K*K + ρ) x = K*z + ρ v

K and z are the whitened maps and data of `LeastSquares`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from inverse_inr.baselines.linear import cgls_iterates
from inverse_inr.least_squares import LeastSquares
from inverse_inr.noise import Noise
from inverse_inr.problem import Problem
from inverse_inr.ranges import Count, NonNegative, Positive, checked


class DataStep:
    """Solves (K*K + ρ) x = K*z + ρ v by conjugate gradients.

    Args:
        system: The data term.
        iterations: The most iterations of conjugate gradients.
        tolerance: The residual at which they end, as a fraction of that of the empty image.
        enough: Another residual at which they end, as ‖K*K x - K*z + ρ (x - v)‖.
    """

    @checked
    def __init__(
        self,
        system: LeastSquares,
        iterations: Count = 10,
        tolerance: NonNegative = 1e-6,
        enough: NonNegative = 0.0,
    ) -> None:
        self.system = system
        self.iterations = iterations
        self.tolerance = tolerance
        self.enough = enough
        self.pull = system.adjoint(system.data())

    def normal(self, x: Tensor) -> Tensor:
        """Apply K*K to an image, (*shape, c)."""
        return self.system.adjoint(self.system.whitened(x))

    @checked
    def __call__(self, v: Tensor, rho: Positive, x: Tensor, pull: Tensor | None = None) -> Tensor:
        """Solve.

        Args:
            v: (*shape, c), the image to stay near.
            rho: The weight ρ of the distance to it.
            x: (*shape, c), the image to begin with.
            pull: (*shape, c), other data as K*z; None for those of the system.

        Returns:
            (*shape, c).
        """
        if pull is None:
            pull = self.pull
        right = pull + rho * v
        r = right - self.normal(x) - rho * x
        p = r
        gamma = _square(r)
        enough = max(self.enough**2, self.tolerance**2 * _square(right))
        for _ in range(self.iterations):
            if gamma <= enough or gamma == 0:
                break
            q = self.normal(p) + rho * p
            alpha = gamma / float((p.conj() * q).real.sum())
            x = x + alpha * p
            r = r - alpha * q
            before = gamma
            gamma = _square(r)
            p = r + (gamma / before) * p
        return x


def _square(x: Tensor) -> float:
    return float(x.abs().square().sum())


class Level(NamedTuple):
    """The scale and the noise of one pixel, as the data show them.

    Attributes:
        rho: The mean of the diagonal of K*K.
        sigma: The noise of a pixel that is measured so, in the unit of the image: 1 / ρ is its
            variance where the misfit is in units of the noise.
        start: (*shape, c), the image after a few steps of conjugate gradients.
    """

    rho: float
    sigma: float
    start: Tensor


def level_of(problem: Problem, system: LeastSquares) -> Level:
    """Find what the data say of a pixel, from a few random images and the noise model.

    Where a term's fidelity is no noise model, its misfit after a few steps of conjugate gradients
    stands for the noise.

    Args:
        problem: The problem.
        system: Its data term.
    """
    start = list(cgls_iterates(system, 8))[-1]
    zeros = system.maps[0].zeros()
    generator = torch.Generator().manual_seed(0)
    seen = 0.0
    probes = 4
    for _ in range(probes):
        signs = 2 * torch.randint(0, 2, zeros.shape, generator=generator) - 1
        seen += sum(_square(v) for v in system.whitened(signs.to(zeros)))
    rho = seen / (probes * zeros.numel())
    if rho == 0:
        raise ValueError(
            "plug_and_play: A x is zero for every image x. "
            "Do the measurements look at the problem's box?"
        )
    # variance of the whitened residuals, summed, and the number of real values in them
    count = sum(t.numel() * (1 + t.is_complex()) for t in system.targets)
    if all(isinstance(t.fidelity, Noise) for t in problem.terms):
        energy = sum(t.weight * (1 + y.is_complex()) for t, y in _pairs(problem, system))
    else:
        energy = 2 * max(system.value(start), 1e-3 * system.value(zeros))
    if energy <= 0:
        energy = 1.0  # there is nothing to reconstruct, and any level gives that
    return Level(rho, math.sqrt(energy / (count * rho)), start)


def _pairs(problem: Problem, system: LeastSquares):
    return zip(problem.terms, system.targets, strict=True)
