"""Sparse baselines on any linear operator: L1 and non-negative L1 along a path of weights, by FISTA.

    min_x ½ ‖A x - y‖²_W + λ ‖x‖₁        (x real, x >= 0, or complex)

λ is named as a fraction of the largest useful one, λ_max = ‖A* W y‖_∞, at which x = 0. W is the noise model's, so that
the misfit is 1 where residuals are as large as the noise.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from torch import Tensor

from inverse_inr.baselines import Judge, LeastSquares
from inverse_inr.kernels.interpolate import SampledField
from inverse_inr.problem import Problem
from inverse_inr.solution import Solution

PATH = tuple(0.3 * 0.5**k for k in range(10))
"""Fractions of λ_max, a factor two apart down to 6e-4."""


def l1(problem: Problem, weight: float | str = "held-out", *, nonnegative: bool = False,
       weights: Sequence[float] = PATH, iterations: int = 200, seed: int = 0) -> Solution:  # fmt: skip
    """L1 on the problem's grid (complex where the problem is), each weight started from the larger one's solution.

    weight: a fraction of λ_max; "held-out" (one-standard-error rule on rows kept out); "oracle"; or "residual", the
    largest weight whose residuals are no larger than the noise model says (the last one where none is).
    `iterations` a weight; at a given weight the path before it has a quarter of them. 150 and more converge.
    Raises ValueError for weights outside (0, 1).
    """
    began = time.perf_counter()
    path = sorted(weights, reverse=True)
    if not isinstance(weight, str):
        path = [w for w in path if w > weight] + [float(weight)]
    if not path or not all(0 < w < 1 for w in path):
        raise ValueError(f"l1: weights are fractions of the largest useful one, in (0, 1), got {path}.")
    judge = Judge(problem, "held-out" if weight == "residual" else weight, seed)
    if weight == "residual":
        judge.fit = [t.trusted for t in problem.terms]
        judge.watch = []
    system = LeastSquares.of(problem, judge.fit)
    name = "L1, x ≥ 0" if nonnegative else "L1"
    step, x = 1 / system.norm(20) ** 2, system.maps[0].zeros()
    pull = system.adjoint(system.data())
    largest = float((pull.clamp(min=0) if nonnegative else pull.abs()).max())
    for k, fraction in enumerate(path):
        quick = not isinstance(weight, str) and k < len(path) - 1
        x = fista(system, fraction * largest, x, iterations // 4 if quick else iterations, nonnegative, 0.97 * step)
        if weight == "residual":
            if system.value(x) <= _noise_level(system) or k == len(path) - 1:
                return Solution(SampledField(x, problem.grid), problem, name, seconds=time.perf_counter() - began,
                                stopped=f"weight {fraction:.4g} (residual)", details={"weight": fraction})  # fmt: skip
        elif not quick:
            judge.consider(x, fraction)
            if judge.hopeless:
                break
    return judge.solution(name, "weight", time.perf_counter() - began)


def _noise_level(system: LeastSquares) -> float:
    """½ Σ precision |r|² where |r| is the noise: 1 a complex measurement and ½ a real one, by its mean."""
    return sum(float(p.sum()) / float(p.max()) * _unit(t) / t.numel() for p, t in zip(system.precisions, system.targets,
                                                                                      strict=True))  # fmt: skip


def _unit(target: Tensor) -> float:
    return 1.0 if target.is_complex() else 0.5


def fista(system: LeastSquares, weight: float, x: Tensor, iterations: int, nonnegative: bool, step: float) -> Tensor:
    """Accelerated proximal gradient (Beck & Teboulle 2009), restarted where momentum points uphill (O'Donoghue)."""
    data, ahead, momentum = system.data(), x, 1.0
    for _ in range(iterations):
        slope = system.adjoint([a - b for a, b in zip(system.whitened(ahead), data, strict=True)])
        new = shrink(ahead - step * slope, step * weight, nonnegative)
        if float(((ahead - new).conj() * (new - x)).real.sum()) > 0:
            momentum = 1.0
        following = 0.5 * (1 + (1 + 4 * momentum**2) ** 0.5)
        ahead = new + (momentum - 1) / following * (new - x)
        x, momentum = new, following
    return x


def shrink(x: Tensor, threshold: float, nonnegative: bool = False) -> Tensor:
    """The proximal map of threshold · |x|: soft thresholding of real or complex values, or onto x >= 0."""
    if nonnegative:
        return (x - threshold).clamp(min=0)
    size = x.abs()
    return x * ((size - threshold).clamp(min=0) / size.clamp(min=1e-30))
