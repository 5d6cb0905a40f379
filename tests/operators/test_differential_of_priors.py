"""Derivatives of the priors agree with finite differences, or are refused by name."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from inverse_inr import Box, predict, priors
from inverse_inr.operators import Gradient, Hessian, Laplacian

BOX = Box((-1.0, 2.0), (0.5, 4.0), ("mm", "mm"))
LOW_BAND = ("finer", "finer_plus", "fkan", "hosc", "incode", "staf")
SMOOTH: dict[str, dict[str, Any]] = {
    "siren": {"width": 16, "depth": 2, "omega0": 4.0},
    "wire": {"width": 12, "depth": 2},
    "deformed": {"at_rest": "siren", "options": {"width": 16, "omega0": 4.0}, "width": 8},
    "fourier": {"width": 16, "depth": 2},
    "separable": {"width": 16},
    **{name: {"bandwidth": 2.0} for name in LOW_BAND},
    "grid": {"cells": 6.0, "order": 3},
    "hash": {"levels": 2, "coarsest": 4, "finest": 6, "interpolation": "smoothstep"},
}


def shaken(prior: nn.Module) -> Any:
    """The prior with every parameter moved a little at random."""
    with torch.no_grad():
        for p in prior.parameters():
            draws = torch.randn(p.shape, generator=torch.Generator().manual_seed(1))
            p.add_(0.05 * draws.to(p.dtype))
    return prior


def differences(function: Callable[[Tensor], Tensor], points: Tensor) -> Tensor:
    """Central differences of 1e-6 along both axes, stacked last."""
    h = 1e-6
    steps = h * torch.eye(2, dtype=torch.float64)
    return torch.stack([(function(points + s) - function(points - s)) / (2 * h) for s in steps], -1)


@pytest.mark.parametrize("name", priors.names())
def test_every_prior_against_finite_differences_or_refused(name: str):
    """Gradient, Hessian and Laplacian in float64; a prior that lacks them says so by name."""
    prior = shaken(priors.create(name, BOX, **SMOOTH.get(name, {})).double())
    generator = torch.Generator().manual_seed(0)
    points = BOX.random_points(6, dtype=torch.float64, generator=generator) * 0.9 + 0.1
    if prior.smoothness < 1:
        why = "(has 0 continuous|jumps, and has no|makes whole frames and has no)"
        message = rf"'{name}' {why} derivatives"
        with pytest.raises(TypeError, match=message):
            predict(Laplacian(points), prior)
        return

    def gradient(x: Tensor) -> Tensor:
        return predict(Gradient(x), prior).detach()

    with torch.no_grad():
        slope = differences(prior, points)[:, 0]
    seen = gradient(points)
    assert torch.allclose(seen, slope, rtol=1e-5, atol=1e-5 * float(seen.abs().max()))
    curved = differences(gradient, points)
    hessian = predict(Hessian(points), prior).detach()
    assert torch.allclose(hessian, curved, rtol=1e-4, atol=1e-4 * float(hessian.abs().max()))
    trace = hessian.diagonal(dim1=1, dim2=2).sum(-1)
    assert torch.allclose(predict(Laplacian(points), prior), trace)
