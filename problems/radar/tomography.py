"""Classical multi-view tomography of SAR images: layover is modelled, shadow is not."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import torch
from torch import Tensor

from inverse_inr import Field, Problem, SampledField, Solution, baselines
from inverse_inr.operators import SarImage
from inverse_inr.problems.radar.novel_views import alike
from inverse_inr.ranges import checked
from inverse_inr.solver import Ended
from inverse_inr.stopping import hold_out

TV_WEIGHTS = (10.0, 3.0, 1.0, 0.3, 0.1, 0.03)
"""Weights of total variation that are tried, from smooth to detailed."""


@checked
def tomography(problem: Problem) -> Solution:
    """Multi-view tomography without occlusion: non-negative reflectivity by total variation.

    Reflectivity is isotropic. Layover is modelled, shadow is not: this is the classical inversion
    of the same projection. Of `TV_WEIGHTS` the one is taken that predicts the held-out views best,
    by the likelihood of their speckle.

    Args:
        problem: A problem of `sar_views`.

    Returns:
        The best of the images, as a field of the problem's channels.
    """
    began = time.perf_counter()
    fit, watch, note = hold_out(problem.suggested.stopping, problem.terms)
    transparent = _transparent(problem, fit[0])
    tried = []
    for weight in TV_WEIGHTS:
        classic = baselines.tv(transparent, weight, nonnegative=True, iterations=150)
        assert isinstance(classic.field, SampledField)
        tried.append(
            Solution(
                _as_density(classic.field, problem.channels),
                problem,
                "tomography (TV)",
                watched=watch,
                stopped=Ended("direct", f"weight {weight:.3g} (held-out)"),
                details={"weight": weight, **note},
            )
        )
    return replace(min(tried, key=lambda s: s.misfit(watch)), seconds=time.perf_counter() - began)


def _transparent(problem: Problem, rows: Tensor) -> Problem:
    """The same images seen as sums of reflectivity along elevation: linear, one channel."""
    term = problem.terms[0]
    assert isinstance(term.operator, SarImage)
    radar = alike(
        term.operator, term.operator.incidence, term.operator.azimuth, degree=0, attenuation=False
    )
    return replace(problem, terms=[replace(term, operator=radar, rows=rows)], channels=1)


def _as_density(reflectivity: SampledField, channels: int, density: float = 1e-5) -> Field:
    """A transparent field (log density, log backscatter) whose product is the reflectivity."""

    def field(points: Tensor) -> Tensor:
        sigma = (reflectivity(points) / density).clamp(min=1e-6).log()
        rest = sigma.new_zeros(*sigma.shape[:-1], channels - 2)
        return torch.cat([torch.full_like(sigma, math.log(density)), sigma, rest], -1)

    return field
