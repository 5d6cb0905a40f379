"""Conjugate gradients, a classical baseline of every problem with linear operators.

    min_x ½ ‖A x - y‖²_W, stopped early

x is the image on the problem's grid, and W the noise model's weights. The number of iterations is
given, chosen by held-out rows, or by the truth, and then labelled "oracle".
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch
from torch import Tensor

from inverse_inr.baselines.judge import Iterations, Judge, Rule
from inverse_inr.least_squares import LeastSquares
from inverse_inr.problem import Problem
from inverse_inr.ranges import Seed, checked
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


def brightness(x: Tensor) -> float:
    """Find how bright an image is: the 99th percentile of moduli.

    Args:
        x: Any values; of more than torch can sort, the largest modulus is taken.
    """
    if x.numel() < 2**24:
        return float(x.abs().flatten().quantile(0.99))
    return float(x.abs().max())
