"""Plug-and-play with a denoiser whose noise falls from that of a first image to almost none.

    x = argmin_x ½ ‖K x - z‖² + λ v / (2 σ²) ‖x - d‖²,    d = D(x, σ),    σ falls geometrically

K and z are the whitened maps and data of `LeastSquares`, v is the variance of a whitened value, D
the denoiser. Between the data and the denoiser nothing is left to choose: σ says how far both are
trusted. It suits denoisers that know many levels of noise and what images look like, as trained
ones do; `plug_and_play` chooses one strength of any denoiser.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

import torch
from torch import Tensor, nn

from inverse_inr.baselines.data_step import DataStep, level_of
from inverse_inr.baselines.judge import Iterations, Judge
from inverse_inr.baselines.plug_and_play import hqs_iterates
from inverse_inr.baselines.total_variation import tv
from inverse_inr.denoisers import TrainedNetwork, as_denoiser
from inverse_inr.denoisers.planes import turned, turned_back
from inverse_inr.least_squares import LeastSquares
from inverse_inr.problem import Problem
from inverse_inr.ranges import FiniteTensor, Positive, Seed, checked
from inverse_inr.solver import Solution
from inverse_inr.stopping import HeldOut

CONJUGATE_GRADIENTS = 8
"""Most iterations of conjugate gradients of a step for the data."""

TRAINED = TrainedNetwork(turned=False)
"""The denoiser of photographs; the images are turned from step to step anyway."""

SMALLEST = 1e-6
"""The least sigma as a multiple of the largest one."""

PLANE = (0, 1)
"""The axes of an image that are turned."""


@checked
def annealed(
    problem: Problem,
    denoiser: str | nn.Module | Callable[[Tensor, float], Tensor] = TRAINED,
    *,
    start: FiniteTensor | None = None,
    largest: Positive = 0.15,
    least: Positive = 0.015,
    iterations: Iterations = 40,
    coupling: Positive = 0.23,
    seed: Seed = 0,
) -> Solution:
    """Solve by half-quadratic splitting whose σ falls from large to small.

    It uses all rows but those that the problem's stopping rule holds out.

    Args:
        problem: The problem, with linear operators and any noise model.
        denoiser: A name, a function of (x, sigma) or a network, as `denoisers.as_denoiser` takes
            them.
        start: (*shape, c), the image to begin with; None for that of total variation, whose weight
            held-out rows choose.
        largest: The first σ, in the unit of the image. As `least`, the default is for images of
            values between 0 and 1.
        least: The last σ.
        iterations: Steps from the one to the other.
        coupling: λ; more trusts the denoiser more.
        seed: Decides which rows the rule, and the first image's choice of a weight, hold out.

    Returns:
        The denoised image of the last σ.

    Raises:
        ValueError: The denoiser is unknown, the start has another shape, or σ would not fall.

    Source:
        Zhang et al. 2021, Plug-and-play image restoration with deep denoiser prior (DPIR), eq. 6;
        their λ.
    """
    began = time.perf_counter()
    chosen = as_denoiser(denoiser)
    if not SMALLEST <= least / largest <= 1:
        raise ValueError(
            f"annealed: sigma cannot fall from largest={largest:.4g} to least={least:.4g}; least "
            f"is between {SMALLEST:.0e} and 1 times largest. Mixed up?"
        )
    if start is None:
        start = tv(problem, seed=seed).sample(problem.grid)
    expected = (*problem.grid.shape, problem.channels)
    if start.shape != expected:
        raise ValueError(
            f"annealed: start has shape {tuple(start.shape)}; the image has {expected}."
        )
    rule = "held-out" if isinstance(problem.suggested.stopping, HeldOut) else None
    judge = Judge(problem, rule, seed)
    system = LeastSquares.of(judge.seen, judge.fit)
    level = level_of(judge.seen, system)
    variance = level.rho * level.sigma**2
    sigmas = torch.logspace(0, 1, iterations, base=least / largest, dtype=torch.float64) * largest
    step = DataStep(system, CONJUGATE_GRADIENTS)
    images = hqs_iterates(step, _Turning(chosen), coupling * variance, sigmas.tolist(), start)
    judge.consider(deque(images, maxlen=1)[0], least)  # one image at a time
    name = f"plug-and-play, {chosen.name}"
    return judge.solution(name, "sigma", time.perf_counter() - began)


class _Turning:
    """A denoiser that sees each image in the next of eight ways; signals have but one."""

    def __init__(self, denoise: Callable[[Tensor, float], Tensor]) -> None:
        self.denoise = denoise
        self.way = 0

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        if x.ndim < 3:
            return self.denoise(x, sigma)
        k = self.way
        self.way += 1
        return turned_back(self.denoise(turned(x, k, PLANE), sigma), k, PLANE)
