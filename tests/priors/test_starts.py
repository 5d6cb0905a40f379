"""Weights at the start: their distributions are those that each activation was published with."""

import math

import pytest
import torch
from torch import Tensor

from inverse_inr.priors import conditioned, periodic, radial, wavelets
from inverse_inr.priors.sines.learnt_shape import Hosc
from inverse_inr.priors.sines.variable_period import Finer
from inverse_inr.priors.topologies import ComplexLinear, Linear

F64 = torch.float64


WIDE = 4096
STARTS = {
    "torch's default": (radial.Gaussian(1.0), 1 / 64, 1 / 64),
    "siren": (periodic.Sine(30.0), math.sqrt(6 / WIDE) / 30, 1 / 64),
    "siren, scaled weights": (
        periodic.Sine(30.0, weight_scale=2.5),
        2.5 * math.sqrt(6 / WIDE) / 30,
        1 / 64,
    ),
    "finer": (Finer(30.0, 5.0), math.sqrt(6 / WIDE) / 30, 1 / 64),
    "hosc": (Hosc(30.0, 8.0), math.sqrt(6 / WIDE) / 30, 1 / 64),
}


def check_uniform(tensor: Tensor, bound: float) -> None:
    tensor = tensor.detach()
    assert float(tensor.abs().max()) == pytest.approx(bound, rel=0.02)
    assert float(tensor.abs().max()) <= bound * (1 + 1e-6)
    assert float(tensor.var()) == pytest.approx(bound**2 / 3, rel=0.02)
    assert abs(float(tensor.mean())) < 0.02 * bound


@pytest.mark.parametrize("name", STARTS)
def test_hidden_layers_start_as_published(name: str) -> None:
    activation, weight, bias = STARTS[name]
    linear = Linear(WIDE, 1024)
    generator = torch.Generator().manual_seed(0)
    linear.initialize(activation, False, generator)
    check_uniform(linear.weight, weight)
    assert float(linear.bias.detach().abs().max()) == pytest.approx(bias, rel=0.02)


def test_first_layers_start_as_published() -> None:
    generator = torch.Generator().manual_seed(0)
    first = Linear(2, WIDE)
    first.initialize(periodic.Sine(30.0), True, generator)
    check_uniform(first.weight, 1 / 2)
    assert float(first.bias.detach().abs().max()) == pytest.approx(2**-0.5, rel=0.02)
    first.initialize(Finer(30.0, 5.0), True, generator)
    assert float(first.bias.detach().abs().max()) == pytest.approx(5, rel=0.02)
    first.initialize(
        periodic.Sine(30.0, noise=60.0), True, generator
    )  # WINNER: N(0, (60/30)²) on top of U(±1/2)
    assert float(first.weight.detach().var()) == pytest.approx(4 + 1 / 12, rel=0.05)


def test_complex_layers_start_as_torch_starts_them() -> None:
    linear = ComplexLinear(WIDE, 512)
    linear.initialize(wavelets.GaborComplex(10.0, 10.0), False, torch.Generator().manual_seed(0))
    for part in (linear.real, linear.imag):
        check_uniform(part, 1 / 64)
    linear.initialize(
        conditioned.Cosmo(1.0, 0.5, project=True), False, torch.Generator().manual_seed(0)
    )
    check_uniform(linear.real, 1 / WIDE)
