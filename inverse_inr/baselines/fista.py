"""Sparse baselines on any linear operator: L1 and non-negative L1 along a path of weights, by FISTA.

    min_x ½ ‖A x - y‖²_W + λ ‖x‖₁        (x real, x >= 0, or complex)        or + λ ‖details of Ψ x‖₁, Ψ wavelets

λ is named as a fraction of the largest useful one, λ_max = ‖A* W y‖_∞, at which x = 0 (with wavelets: of details of
A* W y). W is the noise model's, so that the misfit is 1 where residuals are as large as the noise.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from inverse_inr.baselines.judge import Judge
from inverse_inr.baselines.wavelets import Wavelets
from inverse_inr.least_squares import LeastSquares
from inverse_inr.problem import Problem
from inverse_inr.sampled import SampledField
from inverse_inr.solver import Solution
from inverse_inr.solver.solution import Ended

Proximal = Callable[[Tensor, float], Tensor]
PATH = tuple(0.3 * 0.5**k for k in range(10))
"""Fractions of λ_max, a factor two apart down to 6e-4."""


def l1(
    problem: Problem,
    weight: float | str = "held-out",
    *,
    nonnegative: bool = False,
    weights: Sequence[float] = PATH,
    iterations: int = 200,
    wavelets: int | None = None,
    seed: int = 0,
) -> Solution:
    """L1 on the problem's grid (complex where the problem is), each weight started from the larger one's solution.

    weight: a fraction of λ_max; "held-out" (one-standard-error rule on rows kept out); "oracle"; or "residual", the
    largest weight whose residuals are no larger than the noise model says (the last one where none is).
    `iterations` a weight; at a given weight the path before it has a quarter of them. 150 and more converge.
    wavelets: levels of `Wavelets` whose details are sparse, shifted at random in each iteration (cycle spinning,
    Figueiredo & Nowak 2003) so that no lattice shows; None: the pixels themselves.
    Raises ValueError for weights outside (0, 1), or wavelets of an image that is to be non-negative.
    """
    if wavelets is not None and nonnegative:
        raise ValueError("l1: nonnegative=True is of pixels; wavelet details have both signs.")
    began = time.perf_counter()
    path = sorted(weights, reverse=True)
    if not isinstance(weight, str):
        path = [w for w in path if w > weight] + [float(weight)]
    if not path or not all(0 < w < 1 for w in path):
        raise ValueError(
            f"l1: weights are fractions of the largest useful one, in (0, 1), got {path}."
        )
    judge = Judge(problem, "held-out" if weight == "residual" else weight, seed)
    if weight == "residual":
        judge.fit = [t.trusted for t in problem.terms]
        judge.watch = []
    system = LeastSquares.of(problem, judge.fit)
    name = "L1, x ≥ 0" if nonnegative else "L1" if wavelets is None else "L1-wavelet"
    step, x = 1 / system.norm(20) ** 2, system.maps[0].zeros()
    pull = system.adjoint(system.data())
    proximal: Proximal = partial(shrink, nonnegative=nonnegative)
    if wavelets is not None:
        psi = Wavelets(problem.grid.shape, wavelets)
        pull, proximal = _details(psi, psi(pull)), _spinning(psi, seed)
    largest = float((pull.clamp(min=0) if nonnegative else pull.abs()).max())
    for k, fraction in enumerate(path):
        quick = not isinstance(weight, str) and k < len(path) - 1
        x = fista(
            system,
            fraction * largest,
            x,
            iterations // 4 if quick else iterations,
            0.97 * step,
            proximal,
        )
        if weight == "residual":
            if system.value(x) <= _noise_level(system) or k == len(path) - 1:
                return Solution(
                    SampledField(x, problem.grid),
                    problem,
                    name,
                    seconds=time.perf_counter() - began,
                    stopped=Ended("direct", f"weight {fraction:.4g} (residual)"),
                    details={"weight": fraction},
                )
        elif not quick:
            judge.consider(x, fraction)
            if judge.hopeless:
                break
    return judge.solution(name, "weight", time.perf_counter() - began)


def _noise_level(system: LeastSquares) -> float:
    """½ Σ precision |r|² where |r| is the noise: 1 a complex measurement and ½ a real one, by its mean."""
    return sum(
        float(p.sum()) / float(p.max()) * _unit(t) / t.numel()
        for p, t in zip(system.precisions, system.targets, strict=True)
    )


def _unit(target: Tensor) -> float:
    return 1.0 if target.is_complex() else 0.5


def _details(psi: Wavelets, coefficients: Tensor) -> Tensor:
    coefficients[psi.coarse()] = 0
    return coefficients


def _spinning(psi: Wavelets, seed: int) -> Proximal:
    """Soft thresholding of the details of the image moved by a random number of pixels, another one each time."""
    generator, axes = torch.Generator().manual_seed(seed), tuple(range(len(psi.shape)))

    def proximal(x: Tensor, threshold: float) -> Tensor:
        shift = torch.randint(2**psi.levels, (len(axes),), generator=generator).tolist()
        z = psi(x.roll(shift, axes))
        coarse = z[psi.coarse()].clone()
        z = shrink(z, threshold)
        z[psi.coarse()] = coarse
        return psi.inverse(z).roll([-s for s in shift], axes)

    return proximal


def fista(
    system: LeastSquares, weight: float, x: Tensor, iterations: int, step: float, proximal: Proximal
) -> Tensor:
    """Accelerated proximal gradient (Beck & Teboulle 2009), restarted where momentum points uphill (O'Donoghue).

    `proximal(x, threshold)` is the map of the penalty: `shrink` of |x|.
    """
    data, ahead, momentum = system.data(), x, 1.0
    for _ in range(iterations):
        slope = system.adjoint([a - b for a, b in zip(system.whitened(ahead), data, strict=True)])
        new = proximal(ahead - step * slope, step * weight)
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
