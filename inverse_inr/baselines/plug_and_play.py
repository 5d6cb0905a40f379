"""Plug-and-play: any denoiser as the prior of any problem with linear operators.

    admm    x = argmin_x ½ ‖K x - z‖² + ρ/2 ‖x - v + u‖²,   v = D(x + u, σ),   u += x - v
    hqs     x = argmin_x ½ ‖K x - z‖² + ρ/2 ‖x - v‖²,       v = D(x, σ),       ρ σ² constant
    fista   v = D(x - K*(K x - z) / L, σ ρ / L),            x = v + momentum · (v - before)

K and z are the whitened maps and data of `LeastSquares`, L is ‖K‖², D the denoiser. σ falls from
large to small, each level going on from the last one, and held-out rows choose the level that is
kept. Where D is a proximal map, D(x, σ) = argmin_v ½ ‖v - x‖² + w σ R(v), admm and fista at one σ
end at the minimum of ½ ‖K x - z‖² + ρ w σ R(x).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from inverse_inr.baselines.data_step import DataStep, Level, level_of
from inverse_inr.baselines.judge import Iterations, Judge, Rule
from inverse_inr.denoisers import CheckedDenoiser, as_denoiser
from inverse_inr.least_squares import LeastSquares
from inverse_inr.problem import Problem
from inverse_inr.ranges import Count, Positive, Seed, checked
from inverse_inr.solver import Solution

STRENGTHS = (2.0, 1.4, 1.0, 0.7, 0.5, 0.35, 0.25, 0.18, 0.12)
"""Multiples of a pixel's noise (`Level.sigma`) that the denoiser takes out, the largest first."""

Method = Literal["admm", "hqs", "fista"]
"""The splitting."""


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
    finer: Count = 1,
    seed: Seed = 0,
) -> Solution:
    """Solve by a splitting whose step for the prior is a denoiser.

    The image is on the problem's grid, complex where the problem is. Strengths are tried from the
    largest down, each from the last one's image, and three that are each worse than the one before
    end the search.

    Args:
        problem: The problem, with linear operators and any noise model.
        denoiser: A name ("tv", "wavelets", "nonlocal_means", "bm3d", "patch_gaussians"), a function
            of (x, sigma), or a network, as `denoisers.as_denoiser` takes them.
        strength: σ as a multiple of a pixel's own noise; "held-out" (least misfit of rows kept out)
            or "oracle" (best against the reference).
        method: "admm", "hqs" (half-quadratic splitting) or "fista" (proximal gradient).
        strengths: The strengths that are tried; a given one comes after those that are larger.
        iterations: Iterations per strength, a quarter of them on the way to a given one. A dear
            denoiser does with 4.
        coupling: ρ as a multiple of the mean of the diagonal of K*K; for hqs at strength 1.
        nonnegative: Pixels must not be negative.
        finer: Pixels of the image per pixel of the problem's grid and axis, as in `tv`.
        seed: Decides the held-out rows.

    Returns:
        The denoised image v of the chosen strength. Its details hold the strength, and sigma of
        strength 1 in the unit of the image.

    Raises:
        ValueError: The rule, the method or the denoiser is unknown; there are no strengths; or a
            complex image is to be non-negative.

    Source:
        Venkatakrishnan, Bouman & Wohlberg 2013 (admm); Zhang et al. 2021, DPIR (hqs with falling
        σ); Kamilov, Mansour & Wohlberg 2017 (fista).
    """
    began = time.perf_counter()
    chosen = as_denoiser(denoiser)
    levels = _levels(strength, strengths, iterations)
    judge = Judge(problem, strength, seed, finer)
    system = LeastSquares.of(judge.seen, judge.fit)
    level = level_of(judge.seen, system)
    if nonnegative and level.start.is_complex():
        raise ValueError("plug_and_play: nonnegative=True is of real images; this one is complex.")
    sigmas = [value * level.sigma for value, count in levels for _ in range(count)]
    images = _iterates(method, system, _denoiser(chosen, nonnegative), level, coupling, sigmas)
    for value, count in levels:
        v = level.start
        for _ in range(count):
            v = next(images)
        if isinstance(strength, str) or value == levels[-1][0]:
            judge.consider(v, value)
        if judge.hopeless:
            break
    judge.details["sigma at strength 1"] = level.sigma
    name = f"plug-and-play {chosen.name}"
    return judge.solution(name, "strength", time.perf_counter() - began)


def _levels(
    strength: float | str, strengths: Sequence[float], iterations: int
) -> list[tuple[float, int]]:
    """The strengths to go through, from the largest down, and the iterations of each."""
    path = sorted(set(strengths), reverse=True)
    if not path:
        raise ValueError("plug_and_play: strengths is empty; give multiples of the pixel's noise.")
    if isinstance(strength, str):
        return [(value, iterations) for value in path]
    on_the_way = [(value, -(-iterations // 4)) for value in path if value > strength]
    return [*on_the_way, (float(strength), iterations)]


def _denoiser(chosen: CheckedDenoiser, nonnegative: bool) -> Callable[[Tensor, float], Tensor]:
    if not nonnegative:
        return chosen
    return lambda x, sigma: chosen(x, sigma).clamp(min=0)


def _iterates(
    method: str,
    system: LeastSquares,
    denoise: Callable[[Tensor, float], Tensor],
    level: Level,
    coupling: float,
    sigmas: Sequence[float],
) -> Iterator[Tensor]:
    rho = coupling * level.rho
    if method == "admm":
        return admm_iterates(DataStep(system), denoise, rho, sigmas, level.start)
    if method == "hqs":
        scale = rho * level.sigma**2
        return hqs_iterates(DataStep(system), denoise, scale, sigmas, level.start)
    return proximal_iterates(system, denoise, rho, sigmas, level.start)


def admm_iterates(
    step: DataStep,
    denoise: Callable[[Tensor, float], Tensor],
    rho: float,
    sigmas: Iterable[float],
    x: Tensor,
) -> Iterator[Tensor]:
    """The denoised images v_1, v_2, ... of the alternating direction method of multipliers.

    Args:
        step: The data's share.
        denoise: Function of an image and σ.
        rho: ρ, the weight of the distance between x and v.
        sigmas: σ of each iteration.
        x: (*shape, c), the image to begin with.

    Yields:
        (*shape, c).
    """
    u = torch.zeros_like(x)
    v = x
    before = None
    for sigma in sigmas:
        if before is not None and before > 0:
            u = u * (sigma / before)  # u is a slope of the prior's term, which σ scales
        before = sigma
        x = step(v - u, rho, x)
        v = denoise(x + u, sigma)
        u = u + x - v
        yield v


def hqs_iterates(
    step: DataStep,
    denoise: Callable[[Tensor, float], Tensor],
    scale: float,
    sigmas: Iterable[float],
    x: Tensor,
) -> Iterator[Tensor]:
    """The denoised images v_1, v_2, ... of half-quadratic splitting.

    Args:
        step: The data's share.
        denoise: Function of an image and σ.
        scale: ρ σ²; ρ rises as σ falls.
        sigmas: σ of each iteration, above 0.
        x: (*shape, c), the image to begin with.

    Yields:
        (*shape, c).
    """
    v = x
    for sigma in sigmas:
        x = step(v, scale / sigma**2, v)
        v = denoise(x, sigma)
        yield v


def proximal_iterates(
    system: LeastSquares,
    denoise: Callable[[Tensor, float], Tensor],
    rho: float,
    sigmas: Iterable[float],
    x: Tensor,
) -> Iterator[Tensor]:
    """The denoised images v_1, v_2, ... of the accelerated proximal gradient method.

    Args:
        system: The data term.
        denoise: Function of an image and σ.
        rho: σ of a step of length 1 / L is σ ρ / L, so that σ means what it means for admm where
            the denoiser is the proximal map of a weight proportional to σ.
        sigmas: σ of each iteration.
        x: (*shape, c), the image to begin with.

    Yields:
        (*shape, c).
    """
    data = system.data()
    length = 0.97 / system.norm(20) ** 2  # the norm is found from below
    v = x
    momentum = 1.0
    for sigma in sigmas:
        off = [a - b for a, b in zip(system.whitened(x), data, strict=True)]
        new = denoise(x - length * system.adjoint(off), sigma * rho * length)
        if float(((x - new).conj() * (new - v)).real.sum()) > 0:
            momentum = 1.0
        following = 0.5 * (1 + (1 + 4 * momentum**2) ** 0.5)
        x = new + (momentum - 1) / following * (new - v)
        v, momentum = new, following
        yield v
