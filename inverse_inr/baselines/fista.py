"""Sparse baselines on any linear operator: L1 and non-negative L1 along a path of weights.

    min_x ½ ‖A x - y‖²_W + λ ‖x‖₁                   (x real, x >= 0, or complex)
    min_x ½ ‖A x - y‖²_W + λ ‖details of Ψ x‖₁      (Ψ wavelets)

λ is named as a fraction of the largest useful one, λ_max = ‖A* W y‖_∞, at which x = 0 (with
wavelets: of details of A* W y). W is the noise model's, so that the misfit is 1 where residuals are
as large as the noise.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from inverse_inr.baselines.judge import Iterations, Judge, Rule
from inverse_inr.kernels.wavelets import Wavelets
from inverse_inr.least_squares import LeastSquares
from inverse_inr.problem import Problem
from inverse_inr.ranges import Count, NonNegative, Positive, ProperFraction, Seed, checked
from inverse_inr.sampled import SampledField
from inverse_inr.solver import Solution
from inverse_inr.solver.ended import Ended

Proximal = Callable[[Tensor, float], Tensor]
"""(x, threshold) -> x: the proximal map of threshold times a penalty."""

PATH = tuple(0.3 * 0.5**k for k in range(10))
"""Weights as fractions of λ_max, a factor two apart down to 6e-4."""


@checked
def l1(
    problem: Problem,
    weight: ProperFraction | Rule | Literal["residual"] = "held-out",
    *,
    nonnegative: bool = False,
    weights: Sequence[ProperFraction] = PATH,
    iterations: Iterations = 200,
    wavelets: Count | None = None,
    seed: Seed = 0,
) -> Solution:
    """Sparse images on the problem's grid by FISTA, complex where the problem is.

    Each weight starts from the solution of the next larger one.

    Args:
        problem: The problem, with linear operators.
        weight: A fraction of λ_max; "held-out" (one-standard-error rule on rows kept out); "oracle"
            (best against the reference); or "residual", the largest weight that fits to the noise
            level (discrepancy principle), and the smallest one if none does.
        nonnegative: Pixels must not be negative.
        weights: The weights that are tried, as fractions of λ_max.
        iterations: Iterations per weight; 150 and more converge. Where one weight is given, those
            before it have a quarter of them each.
        wavelets: Levels of `Wavelets` whose details are sparse, shifted at random in each iteration
            so that no lattice shows; None: the pixels themselves are sparse.
        seed: Decides the held-out rows and the shifts.

    Raises:
        ValueError: Weights lie outside (0, 1), or wavelets are asked of an image that is to be
            non-negative.

    Source:
        The random shifts: cycle spinning, Figueiredo & Nowak 2003.
    """
    if wavelets is not None and nonnegative:
        raise ValueError("l1: nonnegative=True is of pixels; wavelet details have both signs.")
    began = time.perf_counter()
    path = _path(weight, weights)
    judge = _judge(problem, weight, seed)
    system = LeastSquares.of(problem, judge.fit)
    step = 1 / system.norm(20) ** 2
    x = system.maps[0].zeros()
    name, largest, proximal = _penalty(problem, system, nonnegative, wavelets, seed)
    for k, fraction in enumerate(path):
        last = k == len(path) - 1
        on_the_way = not isinstance(weight, str) and not last
        count = iterations
        if on_the_way:
            count = max(1, iterations // 4)
        x = fista(system, fraction * largest, x, count, 0.97 * step, proximal)
        if weight == "residual":
            if last or system.value(x) <= _noise_level(system):
                return _by_residual(problem, x, fraction, name, time.perf_counter() - began)
        elif not on_the_way:
            judge.consider(x, fraction)
            if judge.hopeless:
                break
    return judge.solution(name, "weight", time.perf_counter() - began)


def _path(weight: float | str, weights: Sequence[float]) -> list[float]:
    """The weights to solve for, from the largest down; a given weight ends the path."""
    path = sorted(weights, reverse=True)
    if not isinstance(weight, str):
        path = [w for w in path if w > weight] + [float(weight)]
    if not path:
        raise ValueError("l1: weights is empty; give fractions of the largest useful one.")
    return path


def _judge(problem: Problem, weight: float | str, seed: int) -> Judge:
    if weight != "residual":
        return Judge(problem, weight, seed)
    judge = Judge(problem, "held-out", seed)
    judge.fit = [t.trusted for t in problem.terms]
    judge.watch = []
    return judge


def _penalty(
    problem: Problem, system: LeastSquares, nonnegative: bool, wavelets: int | None, seed: int
) -> tuple[str, float, Proximal]:
    """(the method's name, λ_max, the penalty's proximal map)."""
    pull = system.adjoint(system.data())
    if wavelets is not None:
        psi = Wavelets(problem.grid.shape, wavelets)
        largest = float(_details(psi, psi(pull)).abs().max())
        return "L1-wavelet", largest, _spinning(psi, seed)
    if nonnegative:
        return "L1, x ≥ 0", float(pull.clamp(min=0).max()), partial(shrink, nonnegative=True)
    return "L1", float(pull.abs().max()), shrink


def _by_residual(
    problem: Problem, x: Tensor, fraction: float, name: str, seconds: float
) -> Solution:
    return Solution(
        SampledField(x, problem.grid),
        problem,
        name,
        seconds=seconds,
        stopped=Ended("direct", f"weight {fraction:.4g} (residual)"),
        details={"weight": fraction},
    )


def _noise_level(system: LeastSquares) -> float:
    """½ Σ precision |r|² for |r| as large as the noise: 1 per complex, ½ per real measurement."""
    return sum(
        float((p > 0).sum()) * _unit(t) / t.numel()
        for p, t in zip(system.precisions, system.targets, strict=True)
    )


def _unit(target: Tensor) -> float:
    if target.is_complex():
        return 1.0
    return 0.5


def _details(psi: Wavelets, coefficients: Tensor) -> Tensor:
    coefficients[psi.coarse()] = 0
    return coefficients


def _spinning(psi: Wavelets, seed: int) -> Proximal:
    """Soft thresholding of the image's details, each time moved by other random shifts."""
    generator = torch.Generator().manual_seed(seed)
    axes = tuple(range(len(psi.shape)))

    def proximal(x: Tensor, threshold: float) -> Tensor:
        shift = torch.randint(2**psi.levels, (len(axes),), generator=generator).tolist()
        z = psi(x.roll(shift, axes))
        coarse = z[psi.coarse()].clone()
        z = shrink(z, threshold)
        z[psi.coarse()] = coarse
        return psi.inverse(z).roll([-s for s in shift], axes)

    return proximal


@checked
def fista(
    system: LeastSquares,
    weight: NonNegative,
    x: Tensor,
    iterations: Iterations,
    step: Positive,
    proximal: Proximal,
) -> Tensor:
    """Accelerated proximal gradient, restarted where the momentum points uphill.

    Args:
        system: The data term.
        weight: λ of the penalty.
        x: (*shape, c), the image to begin with.
        iterations: The number of iterations.
        step: The step size, below 1 / ‖A‖² of the system.
        proximal: The map of the penalty, `proximal(x, threshold)`: `shrink` for |x|.

    Returns:
        The image after the last iteration, (*shape, c).

    Source:
        Beck & Teboulle 2009; the restart is O'Donoghue's.
    """
    data = system.data()
    ahead = x
    momentum = 1.0
    for _ in range(iterations):
        slope = system.adjoint([a - b for a, b in zip(system.whitened(ahead), data, strict=True)])
        new = proximal(ahead - step * slope, step * weight)
        if float(((ahead - new).conj() * (new - x)).real.sum()) > 0:
            momentum = 1.0
        following = 0.5 * (1 + (1 + 4 * momentum**2) ** 0.5)
        ahead = new + (momentum - 1) / following * (new - x)
        x = new
        momentum = following
    return x


def shrink(x: Tensor, threshold: float, nonnegative: bool = False) -> Tensor:
    """The proximal map of threshold · |x|: soft thresholding.

    Args:
        x: Real or complex values; moduli of complex ones shrink.
        threshold: Taken off each modulus, in the unit of x.
        nonnegative: Map onto x >= 0, for real values.
    """
    if nonnegative:
        return (x - threshold).clamp(min=0)
    size = x.abs()
    return x * ((size - threshold).clamp(min=0) / size.clamp(min=1e-30))
