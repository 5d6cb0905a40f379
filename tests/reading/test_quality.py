"""INRIQ: closed forms of the divergences, what the damping makes of them, what is refused."""

import math

import pytest
import torch

from inverse_inr import Box, Grid, priors, reading

AXIS = torch.linspace(0, 1, 12)
IMAGE = torch.sin(5 * AXIS)[:, None] * torch.cos(4 * AXIS)[None]


@pytest.fixture(scope="module")
def gauge() -> reading.QualityGauge:
    box = Box((0.0, 0.0), (12.0, 12.0), ("px", "px"))
    small = priors.siren(box, width=16, depth=2, omega0=8.0)
    return reading.QualityGauge(IMAGE, prior=small, residual=0.03, steps=1500)


def test_the_variance_divergence_of_a_multiple_is_in_closed_form():
    first = torch.rand(50, generator=torch.Generator().manual_seed(0)) + 0.1
    expected = math.log(1 + 0.5 * (3 + 1 / 3 - 2))
    assert reading.variance_divergence(first, 3 * first) == pytest.approx(expected, rel=1e-6)
    assert reading.variance_divergence(3 * first, first) == pytest.approx(expected, rel=1e-6)


def test_the_profile_divergence_forgets_a_factor_and_is_in_closed_form():
    first = torch.tensor([1.0, 3.0])
    assert reading.profile_divergence(first, 7 * first) == pytest.approx(0.0, abs=1e-12)
    expected = (0.25 - 0.75) * math.log(0.25 / 0.75) * 2
    assert reading.profile_divergence(first, first.flip(0)) == pytest.approx(expected)


def test_the_reference_is_at_distance_zero(gauge):
    assert gauge.distance(IMAGE) == 0
    assert gauge.distance(IMAGE, "profile") == 0


def test_the_fit_ends_at_the_residual(gauge):
    assert 0.015 < gauge.reached <= 0.0305


def test_one_residual_of_the_field_s_own_pixel_is_in_closed_form(gauge):
    """An image whose residual is c everywhere: F = (c² + δ²) Σ J², a multiple of the damping."""
    with torch.no_grad():
        seen = gauge.field(gauge.points)
    c = 0.3
    information = gauge._information(seen + c)
    torch.testing.assert_close(
        information, (1 + (c / gauge.delta) ** 2) * gauge.damping, rtol=1e-4, atol=1e-10
    )


@pytest.mark.parametrize("kind", ["noise", "contrast"])
def test_the_distance_grows_with_the_degradation(gauge, kind):
    noise = torch.randn(IMAGE.shape, generator=torch.Generator().manual_seed(1))
    found = []
    for k in range(1, 5):
        if kind == "noise":
            image = IMAGE + 0.05 * k * noise
        else:
            image = IMAGE.mean() + (1 - 0.2 * k) * (IMAGE - IMAGE.mean())
        found.append(gauge.distance(image))
    assert found[0] > 0
    assert found == sorted(found)


def test_the_prior_given_stays_as_it_is():
    small = priors.siren(Box((0.0, 0.0), (12.0, 12.0), ("px", "px")), width=4, depth=1)
    before = [p.clone() for p in small.parameters()]
    with pytest.warns(RuntimeWarning, match="after 2 steps the residual is"):
        reading.QualityGauge(IMAGE, prior=small, steps=2)
    assert all(torch.equal(a, b) for a, b in zip(before, small.parameters(), strict=True))


@pytest.mark.parametrize(
    ("image", "error", "words"),
    [
        (IMAGE[1:], ValueError, "another grid"),
        (IMAGE * math.nan, ValueError, "NaN"),
        (IMAGE.to(torch.uint8), TypeError, "uint8"),
    ],
)
def test_images_that_do_not_fit_are_refused(gauge, image, error, words):
    with pytest.raises(error, match=words):
        gauge.distance(image)


def test_a_constant_reference_is_refused():
    with pytest.raises(ValueError, match="the reference is constant"):
        reading.QualityGauge(torch.ones(6, 6))


def test_a_reference_of_another_grid_is_refused():
    with pytest.raises(ValueError, match="not on the grid"):
        reading.QualityGauge(IMAGE, Grid(Box((0.0, 0.0), (1.0, 1.0)), (5, 5)))
