"""Pulses whose slope is found with their value are the products of sincs that they were."""

import math

import pytest
import torch
from torch import Tensor

from inverse_inr import Box, priors
from inverse_inr.priors.functions import fused
from inverse_inr.priors.functions.prolate import cosine_sum, prolate_expansion
from inverse_inr.priors.functions.sinc import raised_cosine, smooth_sinc


def sinc(x: Tensor) -> Tensor:
    """∫_0^1 cos(xt) dt by Gauss-Legendre quadrature: entire, and differentiable at will."""
    t, w = torch.tensor(GAUSS, dtype=torch.float64)
    return (torch.cos(x[..., None] * t) * w).sum(-1)


def gauss(order: int) -> list[list[float]]:
    """Nodes and weights on [0, 1]."""
    import numpy as np

    t, w = np.polynomial.legendre.leggauss(order)
    return [((t + 1) / 2).tolist(), (w / 2).tolist()]


GAUSS = gauss(40)


def pulse(t: Tensor, rolloff: Tensor) -> Tensor:
    """cos(πu/2) / (1 - u²) as two sincs, by partial fractions."""
    u = 2 * rolloff * t
    rolled = sinc(math.pi / 2 * (1 - u)) + sinc(math.pi / 2 * (1 + u))
    return math.pi / 4 * sinc(math.pi * t) * rolled


def arguments(is_complex: bool) -> Tensor:
    """Random ones and, for a rolloff of 1/4, all zeros of denominators."""
    generator = torch.Generator().manual_seed(0)
    t = 2 * torch.randn(300, dtype=torch.float64, generator=generator)
    t = torch.cat([t, torch.tensor([0.0, 1e-9, 2.0, -2.0, 2 + 1e-9, 1.0]).double()])
    if is_complex:
        t = torch.complex(t, 0.5 * torch.randn(len(t), dtype=torch.float64, generator=generator))
        t[-6:] = t[-6:].real
    return t


def derivatives(function, t: Tensor, rolloff: Tensor) -> list[Tensor]:
    """Value, slope without and with a graph, and what a function of the slope pulls back."""
    t = t.clone().requires_grad_()
    value = function(t, rolloff)
    weight = torch.linspace(0.5, 1.5, len(t)).to(t)
    plain = torch.autograd.grad(value, t, weight, retain_graph=True)[0]
    slope = torch.autograd.grad(value, t, weight, create_graph=True)[0]
    bend = torch.autograd.grad(slope.abs().square().sum(), t)[0]
    return [v.detach() for v in (value, plain, slope, bend)]


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("single", [False, True])
def test_raised_cosine_is_its_product_of_sincs_to_the_second_derivative(
    is_complex: bool, single: bool
):
    t, rolloff = arguments(is_complex), torch.tensor(0.25, dtype=torch.float64)
    expected = derivatives(pulse, t, rolloff)
    tolerance = 1e-12
    if single:
        t, rolloff = t.to(torch.promote_types(t.dtype, torch.float32)), rolloff.float()
        t, tolerance = t.to(torch.complex64 if is_complex else torch.float32), 3e-6
    for found, known in zip(derivatives(raised_cosine, t, rolloff), expected, strict=True):
        scale = float(known.abs().max())
        torch.testing.assert_close(found.to(known), known, rtol=0, atol=tolerance * scale)


def test_a_slope_that_is_kept_is_that_of_the_transforms(monkeypatch: pytest.MonkeyPatch):
    t, rolloff = arguments(False), torch.tensor(0.25, dtype=torch.float64)
    slope = derivatives(raised_cosine, t, rolloff)[1] / torch.linspace(0.5, 1.5, len(t)).to(t)
    monkeypatch.setattr(fused, "PIECE", 8 * 50)
    each = torch.vmap(torch.func.grad(lambda x: raised_cosine(x, rolloff)))
    torch.testing.assert_close(each(t), slope)
    bend = torch.vmap(torch.func.grad(torch.func.grad(smooth_sinc)))(torch.zeros(2).double())
    torch.testing.assert_close(bend, torch.full_like(bend, -1 / 3))


def test_a_rolloff_that_is_learnt_has_its_derivative():
    rolloff = torch.tensor(0.25, dtype=torch.float64, requires_grad=True)
    t = arguments(False).requires_grad_()
    found, known = (
        torch.autograd.grad(f(t, rolloff).sum(), rolloff)[0] for f in (raised_cosine, pulse)
    )
    torch.testing.assert_close(found, known)


@pytest.mark.parametrize("name", ["raised_cosine", "cosmo", "sinc"])
def test_batches_of_networks_are_the_networks(name: str):
    box = Box((-1.0, -1.0), (1.0, 1.0))
    prior = priors.create(name, box, width=8, depth=2).double()
    x = box.random_points(20, dtype=torch.float64)
    state = {k: torch.stack([v.detach(), 1.1 * v.detach()]) for k, v in prior.state_dict().items()}
    if prior.wants_data:
        prior.condition(torch.rand(16, 16, 1))

    def loss(values: dict[str, Tensor]) -> Tensor:
        return torch.func.functional_call(prior, values, (x,)).square().sum()

    slopes = torch.vmap(torch.func.grad(loss))(state)
    alone = torch.func.grad(loss)({k: v[1] for k, v in state.items()})
    for key, slope in alone.items():
        torch.testing.assert_close(slopes[key][1], slope)


def test_single_precision_reads_sums_of_cosines_from_a_table_of_their_rounding() -> None:
    """Near and beyond the table, whose end is at 96 radians; NaN stays where it is."""
    c = 5.0
    terms = tuple(zip(*prolate_expansion(c), strict=True))
    x = torch.linspace(-120 / c, 120 / c, 2001)
    x[7] = torch.nan
    x.requires_grad_()
    exact = x.detach().double().requires_grad_()
    found, truth = cosine_sum(x, terms), cosine_sum(exact, terms)
    slope = torch.autograd.grad(found[8:].sum(), x, create_graph=True)[0]
    true_slope = torch.autograd.grad(truth[8:].sum(), exact, create_graph=True)[0]
    bend, true_bend = (
        torch.autograd.grad(s[8:].sum(), at)[0] for s, at in ((slope, x), (true_slope, exact))
    )
    assert found[7].isnan()
    # a phase of 120 is rounded to 4e-6
    close = {"rtol": 0.0, "check_dtype": False}
    torch.testing.assert_close(found[8:], truth[8:], atol=5e-6, **close)
    torch.testing.assert_close(slope[8:], true_slope[8:], atol=5e-6 * c, **close)
    torch.testing.assert_close(bend[8:], true_bend[8:], atol=5e-6 * c**2, **close)
    several = torch.vmap(lambda s: cosine_sum(s * x.detach(), terms))(torch.tensor([1.0, 0.5]))
    assert torch.equal(several[0][8:], found[8:].detach())


@pytest.mark.parametrize("rolloff", [0.05, 1.0])
def test_complex_pulses_of_modulus_up_to_1_are_their_power_series(rolloff: float) -> None:
    generator = torch.Generator().manual_seed(0)
    t = torch.randn(500, dtype=torch.complex128, generator=generator)
    t = 0.99 * t / t.abs().clamp(min=1)
    formula = torch.sin(math.pi * t) / (math.pi * t) * torch.cos(math.pi * rolloff * t)
    t.requires_grad_()
    beta = torch.tensor(rolloff, dtype=torch.float64)
    value = raised_cosine(t, beta)
    torch.testing.assert_close(value, formula / (1 - (2 * rolloff * t.detach()) ** 2))
    beyond = torch.cat([t.detach(), t.new_tensor([1.5])]).requires_grad_()
    slope = torch.autograd.grad(value.real.sum(), t)[0]
    other = torch.autograd.grad(raised_cosine(beyond, beta).real.sum(), beyond)[0]
    torch.testing.assert_close(slope, other[:-1])
