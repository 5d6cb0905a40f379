"""Autofocus by the sharpest image: the phases of least entropy."""

from __future__ import annotations

import torch
from torch import Tensor

from inverse_inr.operators.radar.operator import RadarOperator
from inverse_inr.problems.radar.autofocus.phases import contributions
from inverse_inr.ranges import Count, FiniteTensor, checked


@checked
def minimum_entropy(
    radar: RadarOperator, y: Tensor, start: FiniteTensor | None = None, *, iterations: Count = 60
) -> Tensor:
    """Find the phases of pulses that give the backprojected image of least entropy.

    Descent by L-BFGS on all phases at once. Entropy has many minima, so the start matters: that of
    `phase_gradient`, say. Pulses usually tell more places apart than the image shows, and wrong
    phases throw energy out of the image; what is missing counts as spread evenly over the places
    beside it. Without that, the least entropy is that of an image which has lost all but a speck.

    Args:
        radar: The radar, whose own points are the image.
        y: (P, K) complex echoes.
        start: (P,) phases in rad; default zero.
        iterations: Steps of L-BFGS.

    Returns:
        (P,) phases in rad, to be taken off the pulses.

    Source:
        Morrison, Do & Munson, SAR image autofocus by sharpness optimization, 2007.
    """
    parts = contributions(radar, y)
    if start is None:
        start = torch.zeros(len(radar))
    phases = start.detach().clone().to(parts.real).requires_grad_(True)
    wider = _swath(radar)
    energy = wider * parts.abs().square().sum()
    beside = max(1.0, (wider - 1) * radar.size)
    descent = torch.optim.LBFGS(
        [phases], max_iter=iterations, history_size=20, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        descent.zero_grad()
        image = torch.polar(torch.ones_like(phases), -phases) @ parts
        value = _entropy(image.abs().square() / energy, beside)
        value.backward()
        return value

    descent.step(closure)
    return phases.detach()


def _swath(radar: RadarOperator) -> float:
    """How many times wider than the scene the places are that the pulses tell apart.

    The phase of the scene's edge turns by less than half a cycle from pulse to pulse, and that of
    the place where echoes fold over by half a cycle.
    """
    lower, upper = radar.box.lower, radar.box.upper
    corners = torch.cartesian_prod(*torch.tensor([lower, upper], dtype=torch.float64).T)
    middle = corners.mean(0, keepdim=True)
    rows = torch.arange(len(radar))
    geometry = radar.geometry
    away = geometry.path(corners, rows) - geometry.path(middle, rows)
    turns = away.diff(dim=0).abs().amax(1).median() / radar.wavelength
    return max(1.0, 0.5 / max(float(turns), 1e-12))


def _entropy(inside: Tensor, beside: float) -> Tensor:
    """-Σ p log p of an image's pixels, what they lack to 1 spread over so many others."""
    missing = (1 - inside.sum()).clamp(min=1e-12)
    return -(inside * (inside + 1e-30).log()).sum() - missing * (missing / beside).log()
