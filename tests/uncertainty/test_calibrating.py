"""Conformal factors cover what is drawn alike; reports say what is known of known errors."""

import math

import pytest
import torch

from inverse_inr.uncertainty import conformal, report


def test_a_conformal_factor_covers_exchangeable_values():
    """Over many draws of 99 calibration values and one new one, coverage is 90 %: it is exact."""
    generator = torch.Generator().manual_seed(0)
    covered = 0
    for _ in range(4000):
        deviation = 0.5 + torch.rand(100, generator=generator)
        # heavy tails, which no normal band would cover
        error = deviation * torch.randn(100, generator=generator) ** 3
        factor = conformal([error[:99]], [deviation[:99]], level=0.9)
        covered += bool(error[99].abs() <= factor * deviation[99])
    assert covered / 4000 == pytest.approx(0.9, abs=0.015)


def test_problems_that_differ_need_a_wider_band():
    """Each problem has a size of its own; a value of a new problem is covered all the same."""
    generator = torch.Generator().manual_seed(0)
    covered = {"values": 0.0, "problems": 0.0}
    for _ in range(600):
        size = torch.randn(11, 1, generator=generator).exp()
        error = size * torch.randn(11, 200, generator=generator)
        for kind in covered:
            factor = conformal(list(error[:10]), level=0.8, exchangeable=kind)
            covered[kind] += float((error[10].abs() <= factor).double().mean()) / 600
    assert covered["problems"] >= 0.8
    assert covered["problems"] > covered["values"]


def test_too_few_values_or_problems_promise_nothing():
    assert conformal([torch.rand(18)], level=0.95) == math.inf
    assert conformal([torch.rand(19)], level=0.95) < math.inf
    assert conformal([torch.rand(99)] * 10, level=0.95, exchangeable="problems") == math.inf


@pytest.mark.parametrize(
    ("errors", "deviations", "words"),
    [
        ([], None, "no calibration problems"),
        ([torch.ones(3)], [torch.ones(2)], "shape"),
        ([torch.ones(3)], [torch.ones(3)] * 2, "1 errors and 2 deviations"),
        ([torch.tensor([math.nan])], None, "NaN"),
        ([torch.ones(2)], [-torch.ones(2)], "negative"),
        ([torch.ones(0)], None, "no values"),
    ],
)
def test_calibration_refuses_what_it_cannot_compare(errors: list, deviations, words: str):
    with pytest.raises(ValueError, match=words):
        conformal(errors, deviations)


def test_a_report_of_normal_errors_is_calibrated():
    generator = torch.Generator().manual_seed(0)
    deviation = 0.1 + torch.rand(200, 200, generator=generator)
    error = deviation * torch.randn(200, 200, generator=generator)
    found = report(error, deviation)
    assert found.calibration < 0.005
    assert found.factor == pytest.approx(1, abs=0.02)
    assert found.width < found.constant_width
    assert 0 < found.ause < 0.6 * found.random_ause
    half = report(error, deviation / 2)
    assert half.coverage[4] == pytest.approx(math.erf(0.5 * 1.959964 / math.sqrt(2)), abs=0.01)
    assert half.factor == pytest.approx(2 * found.factor)
    assert half.ause == pytest.approx(found.ause)


def test_a_perfect_ranking_has_no_area_and_a_constant_one_that_of_chance():
    generator = torch.Generator().manual_seed(0)
    error = torch.randn(20000, generator=generator)
    assert report(error, error.abs()).ause == pytest.approx(0, abs=1e-9)
    found = report(error, torch.ones(20000))
    assert found.ause == pytest.approx(found.random_ause, rel=0.05)
    assert found.width == pytest.approx(found.constant_width)


def test_a_report_looks_where_it_is_told():
    error = torch.tensor([0.0, 0.0, 5.0, 5.0])
    where = torch.tensor([True, True, False, False])
    assert report(error, torch.ones(4), where=where).coverage == (1.0,) * 6
    assert report(error, torch.ones(4), where=~where).coverage == (0.0,) * 6
    with pytest.raises(ValueError, match="no value counts"):
        report(error, torch.ones(4), where=torch.zeros(4, dtype=torch.bool))
    assert "AUSE" in str(report(error, torch.ones(4)))
