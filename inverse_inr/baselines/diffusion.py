"""Diffusion models as the prior of any problem with linear operators and noise models.

    x̂₀ = (x_t - √(1 - ᾱ_t) ε(x_t, t)) / √ᾱ_t                    what the model predicts
    x₀ ~ N: density ∝ exp(-½ ‖K x₀ - z‖² - ‖x₀ - x̂₀‖² / (2 r_t²))    what the data make of it
    x_s = √ᾱ_s x₀ + √(1 - ᾱ_s) n                                 noise again, less of it

x_t = √ᾱ_t x₀ + √(1 - ᾱ_t) n is the image in noise, ε a model of that noise, and r_t² the variance
of x₀ around x̂₀. K and z are the whitened maps and data, with unit noise.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

import torch
from torch import Tensor, nn

from inverse_inr import memory
from inverse_inr.baselines.data_step import DataStep
from inverse_inr.baselines.judge import Iterations
from inverse_inr.denoisers import by_planes
from inverse_inr.denoisers.networks import require_rising
from inverse_inr.least_squares import LeastSquares
from inverse_inr.noise import Noise
from inverse_inr.precision import placement
from inverse_inr.problem import Problem
from inverse_inr.protocol import evaluating
from inverse_inr.ranges import Count, FiniteTensor, Fraction, Positive, Range, Seed, checked
from inverse_inr.sampled import SampledField
from inverse_inr.solver import Solution
from inverse_inr.solver.solution import Ended

Spread = Annotated[float, Range(least=1e-6, most=1e6)]
"""A standard deviation in the unit of a model, whose images are of size 1."""
NoiseModel = Callable[[Tensor, int], Tensor]
"""ε(x_t, t): the noise in an image (*shape, channels) of step t, in the model's unit."""


@checked
def ddpm_schedule(steps: Count = 1000, first: Positive = 1e-4, last: Positive = 0.02) -> Tensor:
    """ᾱ_t of the schedule of denoising diffusion models: β rises linearly.

    Args:
        steps: The number of steps.
        first: β of the first step.
        last: β of the last step, below 1.

    Returns:
        (steps,) falling numbers between 1 and 0, in float64.

    Raises:
        ValueError: β reaches 1.

    Source:
        Ho, Jain & Abbeel 2020, Denoising diffusion probabilistic models, section 4.
    """
    if max(first, last) >= 1:
        raise ValueError(f"ddpm_schedule: first={first} and last={last} must be below 1.")
    memory.require(f"ddpm_schedule: steps={steps}", 24 * steps)
    return torch.cumprod(1 - torch.linspace(first, last, steps, dtype=torch.float64), 0)


@checked
def diffusion(
    problem: Problem,
    eps_model: nn.Module | NoiseModel,
    *,
    alphas: FiniteTensor | None = None,
    span: tuple[float, float] = (0.0, 1.0),
    steps: Iterations = 100,
    spread: Spread = 1.0,
    perturbed: bool = True,
    renewed: Fraction = 1.0,
    samples: Count = 1,
    inner: Iterations = 30,
    seed: Seed = 0,
) -> Solution:
    """Sample images that a diffusion model and the measurements both allow, and take their mean.

    With `perturbed` each step draws x₀ from its Gaussian by perturbing the data and the prediction
    and solving by conjugate gradients; the samples are then those of the posterior where the
    variance r_t² is right: for Gaussians. Where the data leave several kinds of images open, the
    less likely ones come too often. Without, x₀ is the Gaussian's mean, which gives one likely
    image.

    Args:
        problem: The problem, with linear operators and noise models.
        eps_model: A function of x_t, (*shape, channels), and the whole number t; or a module of
            stacks (b, channels, h, w) and times (b,), which sees planes of volumes and parts of
            complex images one by one.
        alphas: (T,) ᾱ_t of the model, falling; None for `ddpm_schedule()`.
        span: The values of the image that are -1 and 1 to the model.
        steps: The number of calls of the model, spread over t.
        spread: Standard deviation of the images around their mean, in the model's unit: r_t² is
            1 / (ᾱ_t / (1 - ᾱ_t) + 1 / spread²).
        perturbed: Whether steps draw x₀, or take its mean.
        renewed: The part ζ of the noise's variance that is new in each step; the rest is the noise
            that the step found.
        samples: The number of images of which the mean is taken.
        inner: The most iterations of conjugate gradients per step.
        seed: Decides all noise.

    Returns:
        The mean of the samples. Its details have their standard deviation, the root mean square
        over pixels, where there are several.

    Raises:
        TypeError: A fidelity is no noise model: the likelihood is not known.
        ValueError: `alphas` do not fall between 1 and 0, or the span is empty.

    Source:
        Zhu et al. 2023, DiffPIR (the proximal data step, and ζ); Zhang et al. 2024, DAPS (drawing
        x₀, then noise that is all new).
    """
    began = time.perf_counter()
    if alphas is None:
        alphas = ddpm_schedule()
    _require_schedule(alphas)
    require_rising("diffusion", span)
    memory.require(
        f"diffusion: samples={samples} on a grid of {problem.grid.shape}",
        8 * samples * problem.channels * problem.grid.numel,
    )
    sampler = _Sampler(problem, eps_model, alphas.double(), span, steps, spread, inner)
    generator = torch.Generator().manual_seed(seed)
    images = [sampler.draw(generator, perturbed, renewed) for _ in range(samples)]
    stack = torch.stack(images)
    details: dict[str, float] = {"calls": samples * len(sampler.times)}
    if samples > 1:
        deviation = (stack - stack.mean(0)).abs().square().sum(0) / (samples - 1)
        details["standard deviation"] = float(deviation.mean().sqrt())
    return Solution(
        SampledField(stack.mean(0), problem.grid),
        problem,
        "diffusion",
        seconds=time.perf_counter() - began,
        steps=steps,
        stopped=Ended("direct", f"{samples} samples of {len(sampler.times)} steps"),
        details=details,
    )


def _require_schedule(alphas: Tensor) -> None:
    falls = alphas.ndim == 1 and len(alphas) > 0 and bool((alphas[1:] < alphas[:-1]).all())
    if not falls or not float(alphas[-1]) > 0 or not float(alphas[0]) < 1:
        raise ValueError(
            f"diffusion: alphas of shape {tuple(alphas.shape)} must be (T,) falling numbers "
            "between 1 and 0: the running products ᾱ of 1 - β, not β itself."
        )


class _Sampler:
    """Draws images; the model's unit is -1 to 1 over the span."""

    def __init__(
        self,
        problem: Problem,
        eps_model: nn.Module | NoiseModel,
        alphas: Tensor,
        span: tuple[float, float],
        steps: int,
        spread: float,
        inner: int,
    ) -> None:
        for term in problem.terms:
            if not isinstance(term.fidelity, Noise):
                raise TypeError(
                    f"diffusion: the fidelity {type(term.fidelity).__name__} is no noise model, "
                    "which says how far measurements may be off. Pass noise.Gaussian(sigma), say."
                )
        mean = LeastSquares.of(problem, [t.trusted for t in problem.terms])
        whole = [p * t.numel() for p, t in zip(mean.precisions, mean.targets, strict=True)]
        self.data = DataStep(replace(mean, precisions=whole), inner, 1e-5)
        self.eps_model = eps_model
        self.alphas = alphas
        self.centre = (span[0] + span[1]) / 2
        self.scale = (span[1] - span[0]) / 2
        self.spread = spread
        count = min(steps, len(alphas))
        places = torch.linspace(len(alphas) - 1, 0, count, dtype=torch.float64)
        self.times = [int(t) for t in places.round().tolist()]

    def draw(self, generator: torch.Generator, perturbed: bool, renewed: float) -> Tensor:
        """One image, (*shape, c)."""
        empty = self.data.pull
        x = _normal(empty, generator)
        found = empty
        for t, following in zip(self.times, [*self.times[1:], None], strict=True):
            alpha = float(self.alphas[t])
            noise = math.sqrt(1 - alpha)
            predicted = (x - noise * self._noise(x, t)) / math.sqrt(alpha)
            found = self._explained(self._shown(predicted), alpha, generator, perturbed)
            if following is None:
                break
            clean = (found - self.centre) / self.scale
            old = (x - math.sqrt(alpha) * clean) / noise
            new = _normal(empty, generator)
            mixed = math.sqrt(1 - renewed) * old + math.sqrt(renewed) * new
            then = float(self.alphas[following])
            x = math.sqrt(then) * clean + math.sqrt(1 - then) * mixed
        return found

    def _shown(self, x: Tensor) -> Tensor:
        """From the model's unit to the image's."""
        return self.centre + self.scale * x

    def _explained(
        self, predicted: Tensor, alpha: float, generator: torch.Generator, perturbed: bool
    ) -> Tensor:
        """x₀ given the prediction and the data: a sample, or the mean."""
        variance = self.scale**2 / (alpha / (1 - alpha) + self.spread**-2)
        if not perturbed:
            return self.data(predicted, 1 / variance, predicted)
        near = predicted + math.sqrt(variance) * _normal(predicted, generator)
        system = self.data.system
        drawn = [_normal(v, generator) for v in system.targets]
        used = [p > 0 for p in system.precisions]
        data = system.data()
        seen = [v + n * mask for v, n, mask in zip(data, drawn, used, strict=True)]
        return self.data(near, 1 / variance, near, system.adjoint(seen))

    def _noise(self, x: Tensor, t: int) -> Tensor:
        model = self.eps_model
        if not isinstance(model, nn.Module):
            return model(x, t).to(x)
        dtype, device = placement(model)

        def planes(stack: Tensor) -> Tensor:
            batch = stack.movedim(-1, 1).to(device, dtype)
            times = torch.full((len(batch),), t, device=device)
            return model(batch, times).movedim(1, -1).to(stack)

        with torch.no_grad(), evaluating(model):
            return by_planes(x, planes, name=type(model).__name__, together=True)


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    """Normal numbers; of complex ones each part has unit variance."""
    if like.is_complex():
        parts = torch.randn(*like.shape, 2, dtype=like.dtype.to_real(), generator=generator)
        return torch.view_as_complex(parts).to(like)
    return torch.randn(like.shape, dtype=like.dtype, generator=generator).to(like)
