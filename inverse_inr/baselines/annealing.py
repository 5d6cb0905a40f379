"""Plug-and-play with a denoiser whose noise falls from that of a first image to almost none.

    x = argmin_x ½ ‖K x - z‖² + λ v / (2 σ²) ‖x - d‖²,    d = D(x, σ),    σ falls geometrically

K and z are the whitened maps and data of `LeastSquares`, v is the variance of a whitened value, D
the denoiser. Between the data and the denoiser nothing is left to choose: σ says how far both are
trusted. It suits denoisers that know many levels of noise and what images look like, as trained
ones do; `plug_and_play` chooses one strength of any denoiser.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable

import torch
from torch import Tensor, nn

from inverse_inr.baselines.data_step import DataStep, level_of
from inverse_inr.baselines.judge import Iterations, Judge
from inverse_inr.baselines.linear import brightness
from inverse_inr.baselines.plug_and_play import hqs_iterates
from inverse_inr.baselines.total_variation import tv
from inverse_inr.denoisers import TrainedNetwork, as_denoiser
from inverse_inr.denoisers.planes import turned, turned_back
from inverse_inr.domain import Grid
from inverse_inr.least_squares import LeastSquares
from inverse_inr.problem import Problem
from inverse_inr.ranges import Count, FiniteTensor, Positive, Seed, checked
from inverse_inr.solver import Solution
from inverse_inr.stopping import HeldOut

SOLVED = 0.05
"""The residual at which a step for the data ends, by that which noise alone makes."""

TRAINED = TrainedNetwork(turned=False, axis=-1)
"""The denoiser of photographs; the images are turned from step to step anyway."""

SMALLEST = 1e-6
"""The least sigma as a multiple of the largest one."""

LEAST_WHITE = 0.1
"""The least brightness that counts as white, by the largest value: a few stars on black are it."""

SQUARE = 1.5
"""Sides of a pixel that are this much longer than others at most are as good as equal."""


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
    white: Positive | None = 1.0,
    finer: Count = 1,
    inner: Count = 30,
    seed: Seed = 0,
) -> Solution:
    """Solve by half-quadratic splitting whose σ falls from large to small.

    It uses all rows but those that the problem's stopping rule holds out.

    Args:
        problem: The problem, with linear operators and any noise model.
        denoiser: A name, a function of (x, sigma) or a network, as `denoisers.as_denoiser` takes
            them.
        start: (*lattice, c), the image to begin with; None for that of total variation, whose
            weight held-out rows choose.
        largest: The first σ, as a fraction of white.
        least: The last σ.
        iterations: Steps from the one to the other.
        coupling: λ; more trusts the denoiser more.
        white: The value that the denoiser sees as 1, in the unit of the image; None for the
            brightness of the first image.
        finer: Pixels of the image per pixel of the problem's grid and axis.
        inner: Most iterations of conjugate gradients in a step for the data.
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
    rule = "held-out" if isinstance(problem.suggested.stopping, HeldOut) else None
    judge = Judge(problem, rule, seed, finer)
    if start is None:
        start = tv(problem, finer=finer, seed=seed).sample(judge.seen.grid)
    expected = (*judge.seen.grid.shape, problem.channels)
    if start.shape != expected:
        raise ValueError(
            f"annealed: start has shape {tuple(start.shape)}; the image has {expected}."
        )
    if white is None:
        white = _white(start)
    system = LeastSquares.of(judge.seen, judge.fit)
    level = level_of(judge.seen, system)
    variance = level.rho * level.sigma**2
    fall = torch.logspace(0, 1, iterations, base=least / largest, dtype=torch.float64)
    sigmas = (white * largest * fall).tolist()
    noise = level.rho * level.sigma * math.sqrt(start.numel())  # ‖K* n‖
    step = DataStep(system, inner, enough=SOLVED * noise)
    images = hqs_iterates(
        step, _Turning(chosen, white, _cuts(judge.seen.grid)), coupling * variance, sigmas, start
    )
    judge.consider(deque(images, maxlen=1)[0], least)  # one image at a time
    name = f"plug-and-play, {chosen.name}"
    return judge.solution(name, "sigma", time.perf_counter() - began)


def _white(image: Tensor) -> float:
    """The brightness of an image; 1 if it is black."""
    return max(brightness(image), LEAST_WHITE * float(image.abs().max())) or 1.0


def _cuts(grid: Grid) -> list[int]:
    """The axes that planes may be cut across: pixels are square, and time is none of their sides.

    Of an image it is none, and of a volume without square pixels the shortest axis.
    """
    if grid.ndim != 3:
        return []
    units, sides = grid.box.units, grid.spacing
    found = []
    for axis in range(3):
        one, other = (k for k in range(3) if k != axis)
        longer, shorter = max(sides[one], sides[other]), min(sides[one], sides[other])
        if units[one] == units[other] and longer <= SQUARE * shorter:
            found.append(axis)
    return found or [grid.shape.index(min(grid.shape))]


class _Turning:
    """A denoiser that sees each image in the next of eight ways, and a volume along the next axis.

    Signals have but one way. What it is shown is divided by the white.
    """

    def __init__(
        self, denoise: Callable[[Tensor, float], Tensor], white: float, cuts: list[int]
    ) -> None:
        self.denoise = denoise
        self.white = white
        self.cuts = cuts
        self.step = 0

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        k = self.step
        self.step += 1
        return self.white * self._seen(x / self.white, sigma / self.white, k)

    def _seen(self, x: Tensor, sigma: float, k: int) -> Tensor:
        """Denoise what is divided by the white, in step k."""
        if x.ndim < 3:
            return self.denoise(x, sigma)
        if not self.cuts:
            return self._turned(x, sigma, k)
        axis = self.cuts[k % len(self.cuts)]
        planes = x.movedim(axis, 2)
        return self._turned(planes, sigma, k // len(self.cuts)).movedim(2, axis)

    def _turned(self, x: Tensor, sigma: float, k: int) -> Tensor:
        """Denoise an image, or planes one behind the other, in way k."""
        return turned_back(self.denoise(turned(x, k, (0, 1)), sigma), k, (0, 1))
