"""The classical line beside every INR: CGLS and total variation by primal-dual, on any linear operator.

    cgls:  min_x ½ ‖A x - y‖²_W, stopped early          tv:  min_x D(A x, y) + λ mean |∇x|

x is the image on the problem's grid; W and D are the noise model's weighted least squares. λ and the number of
iterations are given, chosen by held-out rows, or by the truth, and then labelled "oracle".
"""

from __future__ import annotations

import math
import operator
import time
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from inverse_inr.baselines.judge import Judge
from inverse_inr.derivatives import gradient_adjoint, grid_gradient
from inverse_inr.least_squares import LeastSquares
from inverse_inr.noise import Noise
from inverse_inr.problem import Problem
from inverse_inr.regularizers import TotalVariation
from inverse_inr.sampled import SampledField
from inverse_inr.solver import Solution


def cgls(
    problem: Problem, iterations: int | str = "held-out", *, maximum: int = 60, seed: int = 0
) -> Solution:
    """Conjugate gradients on the normal equations; the number of iterations regularises.

    iterations: a number, "held-out" (best on 5 % of the rows, kept out) or "oracle" (best against the reference).
    """
    began = time.perf_counter()
    judge = Judge(problem, iterations, seed)
    try:
        limit = maximum if isinstance(iterations, str) else operator.index(iterations)
    except TypeError:
        raise TypeError(
            f"cgls: iterations must be a whole number or a rule, got {iterations!r}."
        ) from None
    if limit < 1:
        raise ValueError(f"cgls: iterations must be at least 1, got {limit}.")
    for k, x in enumerate(cgls_iterates(LeastSquares.of(problem, judge.fit), limit), 1):
        judge.consider(x, k)
    return judge.solution("CGLS", "iterations", time.perf_counter() - began)


def tv(
    problem: Problem,
    weight: float | str = "held-out",
    *,
    weights: Sequence[float] | None = None,
    iterations: int = 600,
    nonnegative: bool = False,
    seed: int = 0,
) -> Solution:
    """Isotropic total variation by the primal-dual method of Chambolle & Pock (2011).

    weight: λ of `λ * TotalVariation(grid=...)`, "held-out" (one-standard-error rule) or "oracle"; then `weights`
    (default: eleven, a factor two apart, from where the penalty balances the data) are tried from the largest down,
    each from the last solution.
    """
    began = time.perf_counter()
    judge = Judge(problem, weight, seed)
    system = LeastSquares.of(problem, judge.fit)
    x = list(cgls_iterates(system, 8))[-1]
    if isinstance(weight, str):
        noisy = all(
            isinstance(t.fidelity, Noise) for t in problem.terms
        )  # then the truth's misfit is about a half
        floor = 0.5 if noisy else 1e-3 * system.value(torch.zeros_like(x))
        misfit, roughness = max(system.value(x), floor), _total_variation(x, problem)
        start = (
            misfit / roughness if misfit > 0 and roughness > 0 else 1.0
        )  # of nothing, any weight gives nothing
        tried = sorted(weights or [start * 2.0**k for k in range(2, -9, -1)], reverse=True)
    else:
        tried = [float(weight)]
    if not all(0 < w < math.inf for w in tried):
        raise ValueError(f"tv: weights must be positive and finite, got {tried}.")
    for value in tried:
        x = primal_dual_tv(system, problem.grid.spacing, value, x, iterations, nonnegative)
        judge.consider(x, value)
        if judge.hopeless:
            break
    return judge.solution("TV", "weight", time.perf_counter() - began)


def _total_variation(x: Tensor, problem: Problem) -> float:
    penalty = TotalVariation(grid=problem.grid, epsilon=0.0)
    return float(penalty(SampledField(x, problem.grid), x))


def cgls_iterates(system: LeastSquares, count: int) -> Iterator[Tensor]:
    """x_1, x_2, ... of CGLS from zero (Björck, Numerical Methods for Least Squares Problems, section 7.4)."""
    x = system.maps[0].zeros()
    r = system.data()
    p = s = system.adjoint(r)
    gamma = float(s.abs().square().sum())
    solved = (
        gamma * torch.finfo(s.dtype).eps ** 2
    )  # beyond it, steps are quotients of rounding errors
    for _ in range(count):
        q = system.whitened(p)
        alpha = gamma / max(sum(float(v.abs().square().sum()) for v in q), 1e-300)
        x = x + alpha * p
        r = [a - alpha * b for a, b in zip(r, q, strict=True)]
        s = system.adjoint(r)
        before, gamma = gamma, float(s.abs().square().sum())
        p = s + (gamma / max(before, 1e-300)) * p
        yield x
        if gamma <= solved:
            return


def primal_dual_tv(
    system: LeastSquares,
    spacing: Sequence[float],
    weight: float,
    x: Tensor,
    iterations: int = 600,
    nonnegative: bool = False,
) -> Tensor:
    """min_x ½‖K x - z‖² + weight · mean |∇x|, from `x`: forward differences, isotropic, free boundary.

    Both operators are scaled to norm 1 and the image to size 1, so that one step size suits all problems.
    """
    size = max(
        float(x.abs().flatten().quantile(0.99)) if x.numel() < 2**24 else float(x.abs().max()),
        1e-12,
    )
    k_norm = system.norm()
    d_norm = 2 * math.sqrt(sum(h**-2.0 for h in spacing))
    data = [v / (k_norm * size) for v in system.data()]
    radius = weight * d_norm / (x.numel() * k_norm**2 * size)  # of the dual ball, in scaled units
    x = x / size
    ratio = max(radius, 1e-12) ** -0.5  # a small ball wants long primal steps
    tau, sigma = ratio / math.sqrt(2), 1 / (ratio * math.sqrt(2))
    ahead, dual, flow = (
        x,
        [torch.zeros_like(v) for v in data],
        torch.zeros_like(grid_gradient(x, spacing)),
    )
    for _ in range(iterations):
        seen = system.whitened(ahead)
        dual = [
            (p + sigma * (s / k_norm - z)) / (1 + sigma)
            for p, s, z in zip(dual, seen, data, strict=True)
        ]
        flow = flow + sigma * grid_gradient(ahead, spacing) / d_norm
        length = torch.linalg.vector_norm(flow, dim=-1, keepdim=True)
        flow = flow * (radius / length.clamp(min=max(radius, 1e-30)))
        before = x
        x = x - tau * (system.adjoint(dual) / k_norm + gradient_adjoint(flow, spacing) / d_norm)
        x = x.clamp(min=0) if nonnegative else x
        ahead = 2 * x - before
    return x * size
