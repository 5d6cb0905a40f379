"""The classical baselines of every problem: CGLS and total variation, on any linear operator.

    cgls:  min_x ½ ‖A x - y‖²_W, stopped early          tv:  min_x D(A x, y) + λ mean |∇x|

x is the image on the problem's grid; W and D are the noise model's weighted least squares. λ and
the number of iterations are given, chosen by held-out rows, or by the truth, and then labelled
"oracle".
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from inverse_inr.baselines.judge import Iterations, Judge, Rule
from inverse_inr.derivatives import gradient_adjoint, grid_gradient, lengths
from inverse_inr.least_squares import LeastSquares
from inverse_inr.noise import Noise
from inverse_inr.problem import Problem
from inverse_inr.ranges import Count, FiniteTensor, Positive, Seed, checked
from inverse_inr.regularizers import TotalVariation
from inverse_inr.sampled import SampledField
from inverse_inr.solver import Solution


@checked
def cgls(
    problem: Problem,
    iterations: Iterations | Rule = "held-out",
    *,
    maximum: Iterations = 60,
    seed: Seed = 0,
) -> Solution:
    """Conjugate gradients on the normal equations; the number of iterations regularises.

    Args:
        problem: The problem, with linear operators.
        iterations: A number, "held-out" (best on 5 % of the rows, kept out) or "oracle" (best
            against the reference).
        maximum: The most iterations that are tried where a rule chooses.
        seed: Decides the held-out rows.

    Raises:
        TypeError: `iterations` is no whole number.
        ValueError: The rule is unknown, or `iterations` is below 1.
    """
    began = time.perf_counter()
    judge = Judge(problem, iterations, seed)
    limit = maximum
    if not isinstance(iterations, str):
        limit = iterations
    for k, x in enumerate(cgls_iterates(LeastSquares.of(problem, judge.fit), limit), 1):
        judge.consider(x, k, least_only=True)
    return judge.solution("CGLS", "iterations", time.perf_counter() - began)


@checked
def tv(
    problem: Problem,
    weight: Positive | Rule = "held-out",
    *,
    weights: Sequence[Positive] | None = None,
    iterations: Iterations = 400,
    search: Iterations = 120,
    nonnegative: bool = False,
    finer: Count = 1,
    start: FiniteTensor | None = None,
    seed: Seed = 0,
) -> Solution:
    """Isotropic total variation by the primal-dual method.

    Where a rule chooses, weights are tried from the largest down, each from the last solution and
    for a few iterations; only the chosen one is carried to the end.

    Args:
        problem: The problem, with linear operators.
        weight: λ of `λ * TotalVariation(grid=...)`, "held-out" (one-standard-error rule) or
            "oracle" (best against the reference).
        weights: The weights that a rule tries; default: eleven, a factor two apart, from where the
            penalty balances the data.
        iterations: Iterations at the weight that is given or chosen.
        search: Iterations per weight that is tried.
        nonnegative: Pixels must not be negative.
        finer: Pixels of the image per pixel of the problem's grid and axis. Two keep edges within
            a pixel from being fitted as noise.
        start: (*lattice, c), the image to begin with; None for eight iterations of CGLS. A small
            weight is reached much sooner from the image of an earlier solution than from those.
        seed: Decides the held-out rows.

    Raises:
        ValueError: The rule is unknown, or a weight is not positive and finite.

    Source:
        Chambolle & Pock 2011.
    """
    began = time.perf_counter()
    judge = Judge(problem, weight, seed, finer)
    spacing = judge.seen.grid.spacing
    system = LeastSquares.of(judge.seen, judge.fit)
    x = start
    if x is None:
        x = list(cgls_iterates(system, 8))[-1]
    elif x.shape != (*judge.seen.grid.shape, problem.channels):
        raise ValueError(
            f"tv: start has shape {tuple(x.shape)}; the image has "
            f"{(*judge.seen.grid.shape, problem.channels)} with finer={finer}."
        )
    if not isinstance(weight, str):
        judge.consider(
            primal_dual_tv(system, spacing, float(weight), x, iterations, nonnegative), weight
        )
        return judge.solution("TV", "weight", time.perf_counter() - began)
    balanced = _balanced_weight(judge.seen, system, x)
    for value in sorted(weights or [balanced * 2.0**k for k in range(3, -9, -1)], reverse=True):
        x = primal_dual_tv(system, spacing, value, x, search, nonnegative)
        judge.consider(x, value)
        if judge.hopeless:
            break
    best = judge.best("weight")
    x = judge.images[best]
    judge.images[best] = primal_dual_tv(
        system, spacing, judge.choices[best], x, iterations, nonnegative
    )
    return judge.solution("TV", "weight", time.perf_counter() - began)


def _balanced_weight(problem: Problem, system: LeastSquares, x: Tensor) -> float:
    """The weight at which the penalty of the image is as large as its misfit."""
    if all(isinstance(t.fidelity, Noise) for t in problem.terms):
        floor = 0.5  # about the truth's misfit
    else:
        floor = 1e-3 * system.value(torch.zeros_like(x))
    misfit = max(system.value(x), floor)
    roughness = _total_variation(x, problem)
    if misfit > 0 and roughness > 0:
        return misfit / roughness
    return 1.0  # there is nothing to reconstruct, and any weight gives that


def _total_variation(x: Tensor, problem: Problem) -> float:
    penalty = TotalVariation(grid=problem.grid, epsilon=0.0)
    return float(penalty(SampledField(x, problem.grid), x))


def cgls_iterates(system: LeastSquares, count: int) -> Iterator[Tensor]:
    """The images x_1, x_2, ... of CGLS from zero.

    Args:
        system: The weighted least squares.
        count: The most iterations. They end earlier where further steps would be quotients of
            rounding errors.

    Yields:
        (*shape, c), the image after each iteration.

    Source:
        Björck, Numerical Methods for Least Squares Problems, section 7.4.
    """
    x = system.maps[0].zeros()
    r = system.data()
    p = s = system.adjoint(r)
    gamma = float(s.abs().square().sum())
    solved = gamma * torch.finfo(s.dtype).eps ** 2
    for _ in range(count):
        q = system.whitened(p)
        alpha = gamma / max(sum(float(v.abs().square().sum()) for v in q), 1e-300)
        x = x + alpha * p
        r = [a - alpha * b for a, b in zip(r, q, strict=True)]
        s = system.adjoint(r)
        before = gamma
        gamma = float(s.abs().square().sum())
        p = s + (gamma / max(before, 1e-300)) * p
        yield x
        if gamma <= solved:
            return


@checked
def primal_dual_tv(
    system: LeastSquares,
    spacing: Sequence[Positive],
    weight: Positive,
    x: Tensor,
    iterations: Iterations = 600,
    nonnegative: bool = False,
) -> Tensor:
    """min_x ½‖K x - z‖² + weight · mean |∇x|: forward differences, isotropic, free boundary.

    Both operators are scaled to norm 1 and the image to size 1, so that one step size suits all
    problems.

    Args:
        system: The data term, with K and z whitened.
        spacing: The distance of pixels along each axis, in the box's unit.
        weight: λ.
        x: (*shape, c), the image to begin with.
        iterations: The number of iterations.
        nonnegative: Pixels must not be negative.

    Returns:
        The image after the last iteration, (*shape, c).
    """
    size = max(brightness(x), 1e-12)
    k_norm = system.norm()
    d_norm = 2 * math.sqrt(sum(h**-2.0 for h in spacing))
    data = [v / (k_norm * size) for v in system.data()]
    radius = weight * d_norm / (x.numel() * k_norm**2 * size)  # of the dual ball, in scaled units
    x = x / size
    ratio = max(radius, 1e-12) ** -0.5  # a small ball wants long primal steps
    tau = ratio / math.sqrt(2)
    sigma = 1 / (ratio * math.sqrt(2))
    ahead = x
    dual = [torch.zeros_like(v) for v in data]
    flow = torch.zeros_like(grid_gradient(x, spacing))
    for _ in range(iterations):
        seen = system.whitened(ahead)
        dual = [
            (p + sigma * (s / k_norm - z)) / (1 + sigma)
            for p, s, z in zip(dual, seen, data, strict=True)
        ]
        flow = flow + sigma * grid_gradient(ahead, spacing) / d_norm
        length = lengths(flow)
        flow = flow * (radius / length.clamp(min=max(radius, 1e-30)))
        before = x
        x = x - tau * (system.adjoint(dual) / k_norm + gradient_adjoint(flow, spacing) / d_norm)
        if nonnegative:
            x = x.clamp(min=0)
        ahead = 2 * x - before
    return x * size


def brightness(x: Tensor) -> float:
    """Find how bright an image is: the 99th percentile of moduli.

    Args:
        x: Any values; of more than torch can sort, the largest modulus is taken.
    """
    if x.numel() < 2**24:
        return float(x.abs().flatten().quantile(0.99))
    return float(x.abs().max())
