"""Plug-and-play: any denoiser as the prior of any linear problem.

    admm    x = argmin ½ ‖K x - z‖² + ρ/2 ‖x - v + u‖²;  v = D(x + u, σ);  u += x - v
    hqs     the same without u, with ρ rising as σ² falls
    fista   v = D(x - K*(K x - z) / L, σ), accelerated

K and z are the whitened maps and data of `LeastSquares`, D is the denoiser. Where D is the proximal
map of a penalty, D(x, σ) = argmin_v ½ ‖v - x‖² + w R(v), admm solves
min ½ ‖K x - z‖² + ρ w R(x).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from inverse_inr.baselines.data_step import DataStep, level_of
from inverse_inr.baselines.judge import Iterations, Judge, Rule
from inverse_inr.denoisers import as_denoiser
from inverse_inr.least_squares import LeastSquares
from inverse_inr.problem import Problem
from inverse_inr.ranges import Count, NonNegative, Positive, Seed, checked
from inverse_inr.solver import Solution

STRENGTHS = (2.0, 1.4, 1.0, 0.7, 0.5, 0.35, 0.25, 0.18, 0.12)
"""σ as multiples of the noise of a pixel, from the strongest denoising down."""

Method = Literal["admm", "hqs", "fista"]


@checked
def plug_and_play(
    problem: Problem,
    denoiser: str | nn.Module | Callable[[Tensor, float], Tensor] = "tv",
    strength: Positive | Rule = "held-out",
    *,
    method: Method = "admm",
    strengths: Sequence[Positive] = STRENGTHS,
    iterations: Iterations = 10,
    coupling: Positive = 1.0,
    nonnegative: bool = False,
    seed: Seed = 0,
) -> Solution:
    began = time.perf_counter()
    chosen = as_denoiser(denoiser)
    judge = Judge(problem, strength, seed)
    system = LeastSquares.of(problem, judge.fit)
    level = level_of(problem, system)
    step = DataStep(system)
    rho = coupling * level.rho
    x = level.start
    u = torch.zeros_like(x)
    v = x
    before = None
    for value in sorted(strengths, reverse=True):
        sigma = value * level.sigma
        if before is not None:
            u = u * (value / before)
        before = value
        for _ in range(iterations):
            x = step(v - u, rho, x)
            v = chosen(x + u, sigma)
            u = u + x - v
        judge.consider(v, value)
        if judge.hopeless:
            break
    return judge.solution(f"PnP-{chosen.name}", "strength", time.perf_counter() - began)
