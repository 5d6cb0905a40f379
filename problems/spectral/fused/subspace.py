"""Fusion in the subspace of the coarse cube's spectra, with total variation of coefficients.

    min_c  D(A (m + Σ_k c_k v_k), y) + weight Σ_p |∇c(p)|,     |.| over all k and both directions

m and v are mean and main directions of the coarse cube, scaled so that coefficients have standard
deviation 1: HySure (Simões et al. 2015) with the noise levels in the place of one parameter, and
the other chosen by held-out measurements.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from inverse_inr import Problem, SampledField, Solution
from inverse_inr.derivatives import gradient_adjoint, grid_gradient
from inverse_inr.least_squares import LeastSquares
from inverse_inr.problems.spectral.fused.instruments import (
    coarse_cube,
    filled,
    fine_image,
    noise_level,
)
from inverse_inr.problems.spectral.fused.regression import regressed
from inverse_inr.ranges import Count, Positive, Seed, checked
from inverse_inr.solver import Ended
from inverse_inr.stopping import HeldOut, hold_out, least

WEIGHTS = (16.0, 8.0, 4.0, 2.0, 1.0, 0.5, 0.25)
"""Weights that are tried, from the largest: nats per standard deviation of a jump in a pixel."""
PIXELS = (1.0, 1.0)
"""Spacing of the differences: values per pixel."""
MOST = 6
"""The most directions of a subspace beyond those that the fine image can tell."""


class Subspace(NamedTuple):
    """An affine set of spectra.

    Attributes:
        centre: (L,).
        vectors: (k, L).
    """

    centre: Tensor
    vectors: Tensor

    def cube(self, coefficients: Tensor) -> Tensor:
        """(H, W, k) -> (H, W, L, 1)."""
        return (self.centre + coefficients @ self.vectors)[..., None]

    def coefficients(self, cube: Tensor) -> Tensor:
        """The coefficients of the nearest spectra: (H, W, L) -> (H, W, k)."""
        return (cube - self.centre) @ torch.linalg.pinv(self.vectors)


@checked
def coarse_subspace(problem: Problem) -> Subspace:
    """The directions of the coarse cube's spectra that stand above its noise.

    At least as many as the fine image has channels, at most `MOST` more.

    Args:
        problem: As `fusion` makes it.

    Source:
        The largest eigenvalue of pure noise: Marchenko & Pastur 1967.
    """
    fine, coarse = fine_image(problem), coarse_cube(problem)
    spectra = filled(coarse.values, coarse.known).flatten(0, 1).double()
    centre = spectra.mean(0)
    _, sizes, right = torch.linalg.svd(spectra - centre, full_matrices=False)
    count, bands = spectra.shape
    noise = noise_level(coarse.term) ** 2 * (1 + (bands / count) ** 0.5) ** 2
    above = int((sizes.square() / count > noise).sum())
    channels = fine.values.shape[-1]
    kept = min(max(channels, above), channels + MOST, len(sizes))
    spread = (sizes[:kept] / count**0.5).clamp(min=1e-12 * float(sizes[0]) + 1e-30)
    return Subspace(centre.to(coarse.values), (spread[:, None] * right[:kept]).to(coarse.values))


@checked
def subspace_tv(
    problem: Problem,
    weight: Positive | None = None,
    *,
    iterations: Count = 100,
    seed: Seed = 0,
) -> Solution:
    """Fuse in the subspace of the coarse cube, with vectorial total variation of coefficients.

    Args:
        problem: As `fusion` makes it.
        weight: Weight of total variation; by default the one of `WEIGHTS` with which held-out
            measurements are predicted best. All measurements are fitted with it in the end.
        iterations: Iterations per weight.
        seed: Decides the held-out measurements.

    Source:
        Simões, Bioucas-Dias, Almeida & Chanussot 2015 (HySure).
    """
    began = time.perf_counter()
    space = coarse_subspace(problem)
    start = space.coefficients(regressed(fine_image(problem), coarse_cube(problem))[0])
    found, chosen, rule = total_variation_path(
        problem, space, start, weight, iterations=iterations, seed=seed
    )
    return Solution(
        SampledField(space.cube(found), problem.grid),
        problem,
        "subspace TV",
        seconds=time.perf_counter() - began,
        steps=iterations,
        stopped=Ended("direct", f"weight {chosen:.3g} ({rule})"),
        details={"weight": chosen, "spectra": len(space.vectors)},
    )


def total_variation_path(
    problem: Problem,
    space: Subspace,
    start: Tensor,
    weight: float | None,
    *,
    iterations: int,
    seed: int,
) -> tuple[Tensor, float, str]:
    """Coefficients under total variation, with the weight that predicts best or a given one.

    Args:
        problem: The problem.
        space: The set of spectra.
        start: (H, W, k) coefficients to begin with.
        weight: The weight, or None to choose it by held-out measurements.
        iterations: Iterations per weight.
        seed: Decides the held-out measurements.

    Returns:
        (H, W, k) coefficients, the weight, and the rule that chose it.
    """
    everything = [term.trusted for term in problem.terms]
    rule = "given"
    if weight is None:
        fit, watch, _ = hold_out(HeldOut(), problem.terms, seed)
        unseen = LeastSquares.of(problem, watch)
        solver = _PrimalDual(problem, space, fit)
        scores: list[Tensor] = []
        c = start
        for candidate in WEIGHTS:
            c = solver.solve(c, candidate, iterations)
            scores.append(unseen.misfits(space.cube(c)))
        weight, rule = WEIGHTS[least(scores)], "held-out"
    solver = _PrimalDual(problem, space, everything)
    return solver.solve(start, weight, 2 * iterations), weight, rule


class _PrimalDual:
    """Condat's and Vũ's method, preconditioned in the space of coefficients.

    Args:
        problem: The problem.
        space: The set of spectra.
        rows: For each term, the rows to fit.
    """

    def __init__(self, problem: Problem, space: Subspace, rows: Sequence[Tensor]) -> None:
        system = LeastSquares.of(problem, rows)
        scale = sum(t.numel() for t in system.targets[:1])
        # sums instead of means: the weight's unit is then one of likelihood
        self.system = replace(system, precisions=[scale * p for p in system.precisions])
        self.space = space
        self.data = self.system.adjoint(self.system.data())
        self.step, self.largest = self._preconditioner(problem.grid.shape[:2])

    def _coefficients(self, cube: Tensor) -> Tensor:
        """The adjoint of the map from coefficients to cubes."""
        return cube[..., 0] @ self.space.vectors.T

    def _normal_of(self, c: Tensor) -> Tensor:
        """V' A'A (m + V c)."""
        return self._coefficients(self.system.adjoint(self.system.whitened(self.space.cube(c))))

    def _slope(self, c: Tensor) -> Tensor:
        return self._normal_of(c) - self._coefficients(self.data)

    def _preconditioner(self, size: Sequence[int]) -> tuple[Tensor, float]:
        """(k, k) steps from what images of one coefficient are answered with, and their norm."""
        k = len(self.space.vectors)
        zero = torch.zeros(*size, k).to(self.space.vectors)
        offset = self._normal_of(zero)
        unit = torch.eye(k).to(zero)
        mean = torch.stack(
            [(self._normal_of(zero + unit[j]) - offset).mean((0, 1)) for j in range(k)]
        )
        sizes, turn = torch.linalg.eigh((mean + mean.T) / 2)
        inverse = turn @ torch.diag(1 / sizes.clamp(min=1e-3 * float(sizes[-1]))) @ turn.T
        v = torch.randn(zero.shape, generator=torch.Generator().manual_seed(0)).to(zero)
        norm = 1.0
        for _ in range(15):
            v = v / torch.linalg.vector_norm(v)
            v = (self._normal_of(v) - offset) @ inverse
            norm = float(torch.linalg.vector_norm(v))
        step = inverse * 0.9 / norm
        return step, float(torch.linalg.eigvalsh(step)[-1])

    @torch.no_grad()
    def solve(self, start: Tensor, weight: float, iterations: int) -> Tensor:
        """Go on from some coefficients, (H, W, k)."""
        c = start
        dual = torch.zeros_like(grid_gradient(c, PIXELS))
        sigma = 0.45 / (8 * self.largest)
        for _ in range(iterations):
            new = c - (self._slope(c) + gradient_adjoint(dual, PIXELS)) @ self.step
            dual = dual + sigma * grid_gradient(2 * new - c, PIXELS)
            size = dual.square().sum((-1, -2), keepdim=True).sqrt()
            dual = dual / (size / weight).clamp(min=1)
            c = new
        return c
