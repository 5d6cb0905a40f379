"""Fidelities are their formulas; learnt scales are likelihoods of their groups."""

import math

import pytest
import torch
from torch import Tensor

from inverse_inr.fidelity import (
    L1,
    L2,
    NCC,
    Huber,
    LearntScale,
    LocalNCC,
    LogMagnitude,
    Magnitude,
    MagnitudeAndComplex,
    TwoSets,
    WarmUp,
    at_rows,
    least_squares,
)
from inverse_inr.noise import Gamma, Gaussian, Poisson, Sensor, StudentT

F64 = torch.float64


# --- fidelities ---------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", [1, 1j])
def test_fidelities_are_their_formulas(phase: complex) -> None:
    r = torch.tensor([0.5, -2.0, 4.0]) * torch.tensor(phase)
    y = torch.ones_like(r)
    assert float(L2()(y + r, y)) == pytest.approx((0.25 + 4 + 16) / 6)
    assert float(L1()(y + r, y)) == pytest.approx(6.5 / 3)
    assert float(Huber(1.0)(y + r, y)) == pytest.approx((0.125 + 1.5 + 3.5) / 3)


def test_huber_is_l2_or_l1_in_its_limits() -> None:
    p, y = torch.randn(20, dtype=F64, requires_grad=True), torch.randn(20, dtype=F64)
    torch.testing.assert_close(Huber(1e6)(p, y), L2()(p, y))
    torch.testing.assert_close(Huber(1e-6)(p, y) / 1e-6, L1()(p, y), rtol=1e-5, atol=0)
    torch.autograd.gradcheck(lambda q: Huber(0.7)(q, y), (p,))


@pytest.mark.parametrize(
    ("delta", "message"),
    [(0.0, r"Huber: delta=0\.0 must be a number above 0"), (math.nan, "delta")],
    ids=["zero", "NaN"],
)
def test_huber_refuses_a_delta_that_is_not_positive(delta: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Huber(delta)


# --- learnt scales ------------------------------------------------------------------------------


@pytest.mark.parametrize("degrees", [None, 4.0])
def test_a_learnt_scale_is_the_likelihood_of_its_group(degrees: float | None) -> None:
    groups = torch.tensor([0, 1, 1, 0])
    model = LearntScale(groups, 0.5, degrees=degrees, floor=1e-9)
    with torch.no_grad():
        model.level.copy_(torch.tensor([0.0, math.log(4.0)]))
    y, p = torch.zeros(4), torch.tensor([1.0, 2.0, 3.0, -1.0])
    sigma = torch.tensor([0.5, 2.0, 2.0, 0.5])
    torch.testing.assert_close(model.sigma(), torch.tensor([0.5, 2.0]))
    if degrees is None:
        density = torch.distributions.Normal(0.0, sigma)
    else:
        density = torch.distributions.StudentT(degrees, 0.0, sigma)
    lost = density.log_prob(torch.zeros(4)) + sigma.log()  # the constant of the density
    expected = (lost - density.log_prob(p)).mean()
    torch.testing.assert_close(model(p, y), expected.to(torch.float32), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(
        at_rows(model, torch.tensor([2]))(p[2:3], y[2:3]), (lost - density.log_prob(p))[2]
    )
    target, precision = least_squares(model, y)
    torch.testing.assert_close(precision, sigma**-2)
    torch.testing.assert_close(target, y)


def test_the_likeliest_scale_is_the_deviation_of_its_group() -> None:
    groups = torch.arange(4000) % 2
    draws = torch.randn(4000, generator=torch.Generator().manual_seed(0))
    y = draws * torch.tensor([0.1, 2.0])[groups]
    model = LearntScale(groups, 0.5)
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=50, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = model(torch.zeros(4000), y)
        loss.backward()
        return loss

    optimizer.step(closure)
    expected = torch.stack([y[groups == k].square().mean().sqrt() for k in (0, 1)])
    torch.testing.assert_close(model.sigma().detach(), expected, rtol=1e-3, atol=0)


@pytest.mark.parametrize(
    ("groups", "scale", "message"),
    [
        (torch.tensor([0.0, 1.0]), 1.0, "groups must be"),
        (torch.tensor([0, 1]), 0.0, r"scale=0\.0 must be a number above 0"),
    ],
    ids=["fractional groups", "scale zero"],
)
def test_a_learnt_scale_of_wrong_groups_or_size_is_refused(
    groups: Tensor, scale: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        LearntScale(groups, scale)


def test_a_learnt_scale_refuses_measurements_of_other_rows() -> None:
    model = LearntScale(torch.tensor([0, 1]), 1.0)
    with pytest.raises(ValueError, match=r"of 2 rows was given 3 measurements"):
        model(torch.zeros(3), torch.zeros(3))


OUT_OF_RANGE = {
    "Huber": (lambda: Huber("1"), TypeError, "Huber: delta="),
    "TwoSets": (lambda: TwoSets(-1.0), ValueError, "TwoSets: sigma=-1"),
    "NCC": (lambda: NCC(0.0), ValueError, "NCC: epsilon=0"),
    "LocalNCC": (lambda: LocalNCC((8, 0)), ValueError, "LocalNCC: shape="),
    "LocalNCC, half a window": (lambda: LocalNCC((9, 9), 4.5), TypeError, "LocalNCC: window=4.5"),
    "Magnitude": (lambda: Magnitude(math.nan), ValueError, "Magnitude: sigma="),
    "MagnitudeAndComplex": (
        lambda: MagnitudeAndComplex(1.0, -0.5),
        ValueError,
        "MagnitudeAndComplex: weight=-0.5",
    ),
    "LogMagnitude": (lambda: LogMagnitude(0.0), ValueError, "LogMagnitude: epsilon=0"),
    "WarmUp": (lambda: WarmUp(L2(), L1(), 1.5), ValueError, "WarmUp: fraction=1.5"),
    "WarmUp, no function": (lambda: WarmUp(3, L1()), TypeError, "WarmUp: first=3"),
    "LearntScale": (
        lambda: LearntScale(torch.tensor([0]), 1.0, floor=-1.0),
        ValueError,
        "LearntScale: floor=-1",
    ),
    "Gaussian": (lambda: Gaussian("1"), TypeError, "Gaussian: sigma="),
    "Gaussian, of nothing": (lambda: Gaussian(), TypeError, "Gaussian: .*sigma"),
    "Gaussian, of a list": (lambda: Gaussian([1.0, 2.0]), TypeError, "Gaussian: sigma="),
    "Poisson": (lambda: Poisson(None), TypeError, "Poisson: photons="),
    "StudentT": (lambda: StudentT(1.0, "4"), TypeError, "StudentT: degrees="),
    "Sensor": (lambda: Sensor(1.0, readout=[1.0]), TypeError, "Sensor: readout="),
    "Gamma": (lambda: Gamma(True, 0.1), TypeError, "Gamma: looks="),
}


@pytest.mark.parametrize("slip", OUT_OF_RANGE)
def test_parameters_out_of_range_are_refused_by_name(slip: str) -> None:
    make, kind, message = OUT_OF_RANGE[slip]
    with pytest.raises(kind, match=message):
        make()
