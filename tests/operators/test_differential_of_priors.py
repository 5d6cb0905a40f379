"""Derivatives of the priors: each is as finite differences say, or is refused by name."""

from typing import Any

import pytest
import torch

from inverse_inr import Box, predict, priors
from inverse_inr.operators import Gradient, Hessian, Laplacian

BOX = Box((-1.0, 2.0), (0.5, 4.0), ("mm", "mm"))
SMOOTH: dict[str, dict[str, Any]] = {
    "siren": {"width": 16, "depth": 2, "omega0": 4.0},
    "wire": {"width": 12, "depth": 2},
    "fourier": {"width": 16, "depth": 2},
    "separable": {"width": 16},
    **{
        name: {"bandwidth": 2.0}
        for name in ("finer", "finer_plus", "fkan", "hosc", "incode", "staf")
    },
    "grid": {"cells": 6.0, "order": 3},
    "hash": {"levels": 2, "coarsest": 4, "finest": 6, "interpolation": "smoothstep"},
}


@pytest.mark.parametrize("name", priors.names())
def test_every_prior_against_finite_differences_or_refused(name: str):
    """Gradient, Hessian and Laplacian in float64; a prior that lacks them says so by name."""
    prior = priors.create(name, BOX, **SMOOTH.get(name, {})).double()
    with torch.no_grad():
        for p in prior.parameters():
            p.add_(
                0.05 * torch.randn(p.shape, generator=torch.Generator().manual_seed(1)).to(p.dtype)
            )
    points = (
        BOX.random_points(6, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 0.9
        + 0.1
    )
    if prior.smoothness < 1:
        with pytest.raises(
            TypeError,
            match=rf"'{name}' (has 0 continuous|jumps, and has no) derivatives; those of order 2",
        ):
            predict(Laplacian(points), prior)
        return
    h = 1e-6
    steps = h * torch.eye(2, dtype=torch.float64)
    with torch.no_grad():
        slope = torch.stack([(prior(points + s) - prior(points - s)) / (2 * h) for s in steps], -1)[
            :, 0
        ]
    seen = predict(Gradient(points), prior).detach()
    assert torch.allclose(seen, slope, rtol=1e-5, atol=1e-5 * float(seen.abs().max()))
    curved = torch.stack(
        [
            (predict(Gradient(points + s), prior) - predict(Gradient(points - s), prior)) / (2 * h)
            for s in steps
        ],
        -1,
    ).detach()
    hessian = predict(Hessian(points), prior).detach()
    assert torch.allclose(hessian, curved, rtol=1e-4, atol=1e-4 * float(hessian.abs().max()))
    assert torch.allclose(
        predict(Laplacian(points), prior), hessian.diagonal(dim1=1, dim2=2).sum(-1)
    )
