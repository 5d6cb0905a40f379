"""`LinearEstimate`: the best linear estimator that known images teach, for any linear operator."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from inverse_inr.evaluation import sample
from inverse_inr.families.alike import require_alike
from inverse_inr.kernels.conjugate_gradients import Vector, conjugate_gradients
from inverse_inr.least_squares import LeastSquares
from inverse_inr.problem import Problem
from inverse_inr.ranges import Positive, checked
from inverse_inr.solver.identity import measurements_digest

FOLDS = 5
"""Parts of the known problems, of which each is estimated from the images of the others."""
ASKED = 10
"""Known problems that the two strengths are chosen on, at most."""
FIRST = (-2.0, -2.0)
"""Decimal logarithms with which the search for the strengths begins."""
STRIDE = 0.5
"""Step of the search, in the same logarithms."""
ITERATIONS, TOLERANCE = 60, 1e-4
"""The most conjugate gradients, and the residual that ends them."""


class LinearEstimate(nn.Module):
    """The linear estimate of least mean square error (LMMSE), by the moments of known images.

        x = μ + argmin_u |A (μ + u) - y|²_W + level² u'C⁻¹u,   C = S S' / (n - 1) + white v I

    μ is the mean of n images, S their deviations, v their mean variance and W the precisions of the
    measurements, of any linear operators. A family that has it as its base learns what it leaves.

    The problems that it was made from are known again by their measurements: a fifth of them at a
    time is estimated from the images of the others, as fresh problems are, so that a family can be
    taught on them. A file does not keep which they were.

    Args:
        images: (n, *shape, channels) real images on the grid of the problems.
        white: Part of the mean variance that each pixel has by itself.
        level: Factor of the deviation of the noise.

    Raises:
        ValueError: There are fewer than ten images, or they are complex or not finite.

    Source:
        Kay 1993, Fundamentals of Statistical Signal Processing, section 12.3.
    """

    images: Tensor
    white: Tensor
    level: Tensor

    @checked
    def __init__(self, images: Tensor, white: Positive = 1e-2, level: Positive = 1.0) -> None:
        super().__init__()
        if images.ndim < 3 or len(images) < 2 * FOLDS:
            raise ValueError(
                f"LinearEstimate: images of shape {tuple(images.shape)}; (n, *shape, channels) are "
                f"needed, n of {2 * FOLDS} or more, for a mean and a covariance."
            )
        if images.is_complex() or not bool(images.isfinite().all()):
            raise ValueError("LinearEstimate: the images must be real and finite.")
        self.images = nn.Buffer(images.detach().clone())
        self.white = nn.Buffer(torch.tensor(white, dtype=torch.float64))
        self.level = nn.Buffer(torch.tensor(level, dtype=torch.float64))
        self._folds: dict[str, int] = {}

    @classmethod
    @checked
    def of(cls, problems: Sequence[Problem], images: Tensor | None = None) -> Self:
        """Learn from simulations, and choose both strengths by images that were left out.

        Args:
            problems: The simulations, of one grid.
            images: (n, *shape, channels) their images; None for those of their references.

        Raises:
            ValueError: There are fewer than ten, their grids differ, one has no reference, or the
                images do not match.
        """
        require_alike("LinearEstimate.of", problems)
        shape = (len(problems), *problems[0].grid.shape, problems[0].channels)
        other = next((p.grid.shape for p in problems if p.grid.shape != shape[1:-1]), None)
        if other is not None:
            raise ValueError(
                f"LinearEstimate.of: problems on grids of {shape[1:-1]} and {other} pixels; the "
                "images need one grid."
            )
        if images is None:
            images = torch.stack([_reference(problem) for problem in problems])
        if images.shape != shape:
            raise ValueError(
                f"LinearEstimate.of: images of shape {tuple(images.shape)}; these {len(problems)} "
                f"problems need {shape}."
            )
        made = cls(images)
        made._folds = {measurements_digest(p): k % FOLDS for k, p in enumerate(problems)}
        made._choose(problems[:ASKED])
        return made

    def recipe(self) -> dict[str, Any]:
        """Give the shape of the images, from which `empty` makes one to be filled."""
        return {"shape": list(self.images.shape)}

    @classmethod
    def empty(cls, shape: Sequence[int]) -> Self:
        """Make one of images that a state shall replace.

        Args:
            shape: (n, *shape, channels).
        """
        return cls(torch.zeros(*shape))

    @property
    def size(self) -> float:
        """Root of the mean square of the images, their unit."""
        return max(float(self.images.double().square().mean().sqrt()), 1e-30)

    @torch.no_grad()
    def estimate(self, problem: Problem) -> Tensor:
        """Estimate the image of a problem: (*grid.shape, channels).

        Args:
            problem: The problem, with linear operators, on a grid of the images' shape.

        Raises:
            ValueError: Its grid or its channels are others, or its field is complex.
        """
        if problem.is_complex:
            raise ValueError("LinearEstimate: the images are real, the problem's field is complex.")
        own = (*problem.grid.shape, problem.channels)
        if own != tuple(self.images.shape[1:]):
            raise ValueError(
                f"LinearEstimate: the images are of shape {tuple(self.images.shape[1:])}, "
                f"the problem's of {own}. `dataclasses.replace(problem, grid=...)`?"
            )
        fold = self._folds.get(measurements_digest(problem))
        return self._estimated(_system(problem), fold, float(self.white), float(self.level))

    def _estimated(
        self, system: LeastSquares, fold: int | None, white: float, level: float
    ) -> Tensor:
        """The estimate from the images outside a fold, (*shape, channels)."""
        images = self.images
        if fold is not None:
            images = torch.cat([images[k::FOLDS] for k in range(FOLDS) if k != fold])
        known = _Moments.of(images, white)

        def matrix(z: list[Tensor]) -> list[Tensor]:
            seen = known.parts(system.adjoint(system.whitened(known.image(z))))
            return [s + level**2 * v for s, v in zip(seen, z, strict=True)]

        left = [d - a for d, a in zip(system.data(), system.whitened(known.mean), strict=True)]
        b = known.parts(system.adjoint(left))
        found = conjugate_gradients(matrix, b, iterations=ITERATIONS, tolerance=TOLERANCE)
        return known.mean + known.image(found.x)

    @torch.no_grad()
    def _choose(self, problems: Sequence[Problem]) -> None:
        """Choose the strengths by the images of some problems, from those of the others."""
        systems = [_system(problem) for problem in problems]
        power = [s.abs().square().mean() for system in systems for s in system.data()]
        unit = math.sqrt(max(float(torch.stack(power).mean()), 1e-30))

        def error(logs: tuple[float, float]) -> float:
            white, level = 10 ** logs[0], unit * 10 ** logs[1]
            return sum(
                float((self._estimated(s, k % FOLDS, white, level) - x).square().mean())
                for k, (s, x) in enumerate(zip(systems, self.images, strict=False))
            )

        logs = _descended(error, FIRST)
        self.white.fill_(10 ** logs[0])
        self.level.fill_(unit * 10 ** logs[1])


class _Moments(NamedTuple):
    """Mean and covariance of images: u = own z₀ + S z₁ / sqrt(n - 1) for white numbers z."""

    mean: Tensor
    spread: Tensor
    own: float

    @classmethod
    def of(cls, images: Tensor, white: float) -> _Moments:
        mean = images.mean(0)
        spread = (images - mean) / math.sqrt(len(images) - 1)
        return cls(mean, spread, math.sqrt(white * float(spread.square().sum() / mean.numel())))

    def image(self, parts: Vector) -> Tensor:
        return self.own * parts[0] + torch.tensordot(parts[1], self.spread, 1)

    def parts(self, x: Tensor) -> list[Tensor]:
        """The adjoint of `image`."""
        return [self.own * x, self.spread.flatten(1) @ x.reshape(-1)]


def _reference(problem: Problem) -> Tensor:
    if problem.reference is None:
        raise ValueError(
            "LinearEstimate.of: a problem has no reference; only a simulation knows its image. "
            "Pass images=."
        )
    return sample(problem.reference, problem.grid, average=problem.average)


def _system(problem: Problem) -> LeastSquares:
    """The measurements of a problem, weighted by their precisions, as sums."""
    system = LeastSquares.of(problem, [term.trusted for term in problem.terms])
    sums = [p * t.numel() for p, t in zip(system.precisions, system.targets, strict=True)]
    return LeastSquares(system.maps, system.targets, sums)


def _descended(
    error: Callable[[tuple[float, float]], float], first: tuple[float, float]
) -> tuple[float, float]:
    """Go to a neighbour on a lattice of two numbers as long as one is better, within 3 of it."""
    known = {first: error(first)}
    here = first
    while True:
        for axis, sign in itertools.product((0, 1), (-STRIDE, STRIDE)):
            near = (here[0] + sign * (axis == 0), here[1] + sign * (axis == 1))
            if near not in known and max(abs(n - f) for n, f in zip(near, first, strict=True)) <= 3:
                known[near] = error(near)
        best = min(known, key=lambda logs: known[logs])
        if best == here:
            return here
        here = best
