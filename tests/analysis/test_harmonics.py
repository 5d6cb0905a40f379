"""Harmonics of sine networks against Bessel functions."""

import math

import pytest
import torch
from scipy.special import jv
from torch import Tensor

from inverse_inr import Box, priors
from inverse_inr.analysis import harmonics


@pytest.mark.parametrize("k", [0.7, 2.0])
def test_a_sine_of_a_sine_has_bessel_amplitudes(k: float):
    """sin(k sin u) = 2 Σ J_{2n+1}(k) sin((2n+1) u); with u = 2π 3 x they stand at 3, 9, 15."""

    def field(x: Tensor) -> Tensor:
        return torch.sin(k * torch.sin(6 * math.pi * x))

    found = harmonics(field, torch.tensor([3.0]), order=5)
    for order in (1, 3, 5):
        bessel = 2 * abs(jv(order, k))
        assert float(found.amplitudes[3 * order]) == pytest.approx(bessel, abs=1e-12)
        assert int(found.orders[3 * order]) == order
    assert float(found.amplitudes[6]) < 1e-12
    energy = [(2 * jv(2 * n + 1, k)) ** 2 for n in range(20)]
    expected = [sum(energy[: (order + 1) // 2]) / sum(energy) for order in range(1, 6)]
    assert found.explained.tolist() == pytest.approx(expected)


def of_two_frequencies(x: Tensor) -> Tensor:
    u = 2 * math.pi * x
    return torch.sin(0.8 + torch.sin(10 * u) + 0.5 * torch.sin(3 * u))


def test_orders_of_two_frequencies():
    """The phase inside sin(a + b) brings J_0 in; the frequencies are combinations of 10 and 3."""
    found = harmonics(of_two_frequencies, torch.tensor([10.0, -3.0]), order=3)
    expected = {0: 0, 3: 1, 10: 1, 6: 2, 7: 2, 13: 2, 4: 3, 16: 3, 17: 3, 1: -1}
    assert {k: int(found.orders[k]) for k in expected} == expected
    assert float(found.amplitudes[0]) == pytest.approx(math.sin(0.8) * jv(0, 1) * jv(0, 0.5))
    assert float(found.amplitudes[13]) == pytest.approx(2 * math.sin(0.8) * jv(1, 1) * jv(1, 0.5))
    assert float(found.amplitudes[10]) == pytest.approx(2 * math.cos(0.8) * jv(1, 1) * jv(0, 0.5))
    assert (found.explained.diff() >= 0).all()
    assert float(found.explained[-1]) > 0.97
    assert len(found.plot()[0].collections) == 4


@pytest.mark.parametrize(
    ("frequencies", "message"),
    [((torch.tensor([10.5]),), "whole numbers"), ((), "must be given")],
    ids=["fractions", "none"],
)
def test_frequencies_that_are_no_whole_numbers_are_refused(frequencies, message: str):
    with pytest.raises(ValueError, match=message):
        harmonics(of_two_frequencies, *frequencies)


def test_one_sine_layer_is_explained_by_its_own_frequencies():
    box = Box((0.0, 0.0), (4.0, 4.0))
    shallow = priors.siren(box, omega0=10.0, width=3, depth=1)
    # one sine layer has its own frequencies alone
    assert float(harmonics(shallow, order=1).explained[0]) == pytest.approx(1)
    deep = harmonics(priors.siren(box, omega0=10.0, width=3, depth=2), order=3)
    assert deep.explained[0] < deep.explained[2] - 1e-3
    assert float(deep.explained[-1]) > float(deep.covered[-1])
    single = priors.fourier(box, features=2, depth=0)
    assert float(harmonics(single, order=1).explained[0]) == pytest.approx(1)


@pytest.mark.parametrize("make", [priors.wire, priors.hash], ids=["wire", "hash"])
def test_a_prior_without_a_periodic_first_layer_is_refused(make):
    with pytest.raises(TypeError, match="no periodic first layer"):
        harmonics(make(Box((0.0, 0.0), (4.0, 4.0))))
