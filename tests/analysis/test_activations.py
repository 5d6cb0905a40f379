"""Shifted activations as bases, and their curves, against closed forms."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from inverse_inr.analysis import activation_curves, plot_activation, riesz


def spline(degree: int) -> Callable[[Tensor], Tensor]:
    def box(t: Tensor) -> Tensor:
        return ((t >= -0.5) & (t < 0.5)).to(t.dtype)

    def hat(t: Tensor) -> Tensor:
        return (1 - t.abs()).clamp(min=0)

    def cubic(t: Tensor) -> Tensor:
        a = t.abs()
        return torch.where(a < 1, 2 / 3 - a**2 + a**3 / 2, (2 - a).clamp(min=0) ** 3 / 6)

    return {0: box, 1: hat, 3: cubic}[degree]


@pytest.mark.parametrize(("degree", "lower"), [(0, 1.0), (1, 1 / 3), (3, 17 / 315)])
def test_riesz_bounds_of_splines(degree: int, lower: float):
    """The lower bound is Σ a(n) (-1)ⁿ of the autocorrelation a at the integers.

    The autocorrelation is a B-spline of twice the order (Unser 2000, table 1).
    """
    found = riesz(spline(degree))
    assert (found.lower, found.upper) == pytest.approx((lower, 1.0), abs=2e-5)
    assert found.unity < 1e-9
    assert found.verdict.startswith("Riesz basis with")
    assert len(found.plot()[0].lines) == 3


def test_sinc_is_an_orthonormal_basis():
    found = riesz(torch.sinc)
    assert (found.lower, found.upper) == pytest.approx((1.0, 1.0), abs=1e-3)
    assert found.verdict.startswith("Riesz basis with")
    wide = riesz(torch.sinc, spacing=0.5)  # band-limited to half the band: gaps
    assert wide.verdict.startswith("no Riesz basis")


@pytest.mark.parametrize(
    ("s", "verdict"), [(0.4, "weak"), (0.7, "Riesz basis with")], ids=["0.4", "0.7"]
)
def test_a_narrow_gaussian_is_a_weak_basis(s: float, verdict: str):
    """φ̂ = s √2π exp(-s² ω² / 2); Σ φ(t - n) = s √2π (1 + 2 exp(-2π² s²) cos 2πt + ...)."""
    found = riesz(lambda t: torch.exp(-0.5 * (t / s).square()))

    def power(w: float) -> float:
        shifted = (math.exp(-((s * (w + 2 * math.pi * k)) ** 2)) for k in range(-9, 10))
        return 2 * math.pi * s**2 * sum(shifted)

    assert (found.lower, found.upper) == pytest.approx((power(math.pi), power(0.0)), rel=1e-9)
    assert found.unity == pytest.approx(2 * math.exp(-2 * math.pi**2 * s**2), rel=2e-2)
    assert found.verdict.startswith(verdict)


@pytest.mark.parametrize(
    "activation", [torch.relu, torch.sin, torch.tanh, torch.nn.functional.softplus]
)
def test_what_does_not_decay_is_not_in_l2(activation: Callable[[Tensor], Tensor]):
    found = riesz(activation)
    assert not found.in_l2
    assert math.isnan(found.lower)
    assert found.verdict.startswith("not in L²")


def test_curves_hold_the_first_and_second_derivative():
    curves = activation_curves(lambda z: torch.sin(3 * z))
    assert torch.allclose(curves.first, 3 * torch.cos(3 * curves.z), atol=1e-14)
    assert torch.allclose(curves.second, -9 * torch.sin(3 * curves.z), atol=1e-14)
    axes, numbers = plot_activation(torch.relu)
    assert len(axes.lines) == 3
    assert numbers.second.abs().max() == 0
    assert torch.equal(numbers.first, (numbers.z > 0).double())
    assert activation_curves(lambda z: 2 * z).second.abs().max() == 0
