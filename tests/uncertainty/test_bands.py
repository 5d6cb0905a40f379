"""Bands by strata cover each stratum, need no deviation of the right size, and refuse slips."""

import math

import pytest
import torch

from inverse_inr.uncertainty import conformal, conformal_bands


def drawn(seed: int, count: int = 4000):
    """Errors whose size depends on a kind and on a stated deviation of another scale."""
    generator = torch.Generator().manual_seed(seed)
    kinds = torch.randint(2, (count,), generator=generator)
    deviation = torch.rand(count, generator=generator) ** 4
    size = (0.2 + deviation.sqrt()) * (1 + 4 * kinds)
    return size * torch.randn(count, generator=generator), deviation, kinds


def test_each_kind_is_covered_for_itself_by_narrower_bands_than_one_width():
    errors, deviations, kinds = zip(*(drawn(seed) for seed in range(5)), strict=True)
    bands = conformal_bands(errors, deviations, kinds, level=0.9, ranges=6)
    one_width = conformal(errors, level=0.9)
    error, deviation, kind = drawn(100, 20000)
    half = bands.half_width(deviation, kind)
    for k in (0, 1):
        inside = error.abs()[kind == k] <= half[kind == k]
        assert float(inside.double().mean()) == pytest.approx(0.9, abs=0.015)
        flat = error.abs()[kind == k] <= one_width
        assert abs(float(flat.double().mean()) - 0.9) > 0.05
    assert float(half.mean()) < 0.8 * one_width


def test_true_kinds_are_covered_where_found_ones_are_mistaken():
    """A tenth of the edges is found as flat: without their truth they lie outside too often."""

    def scene(seed: int):
        error, deviation, truly = drawn(seed, 8000)
        missed = torch.rand(len(truly), generator=torch.Generator().manual_seed(seed)) < 0.1
        return error, deviation, truly * ~missed, truly

    errors, deviations, kinds, true_kinds = zip(*(scene(seed) for seed in range(4)), strict=True)
    error, deviation, kind, truly = scene(50)

    def covered(*calibration) -> list[float]:
        bands = conformal_bands(errors, deviations, kinds, *calibration, level=0.9)
        inside = error.abs() <= bands.half_width(deviation, kind)
        return [float(inside[truly == k].double().mean()) for k in (0, 1)]

    assert covered()[1] < 0.86
    assert covered(true_kinds) == pytest.approx([0.9, 0.9], abs=0.015)
    assert covered(kinds) == pytest.approx(covered(), abs=0.005)


def test_a_deviation_of_zero_gets_the_width_of_its_errors():
    """`conformal` promises nothing there: error / 0 is infinite."""
    error = torch.linspace(-1, 1, 999)
    deviation = torch.zeros(999)
    assert conformal([error], [deviation]) == math.inf
    found = conformal_bands([error], [deviation]).half_width(torch.zeros(3, 2))
    assert found.shape == (3, 2)
    assert found[0, 0] == pytest.approx(0.95, abs=0.01)


def test_strata_of_too_few_values_promise_nothing():
    kinds = torch.cat([torch.zeros(100), torch.ones(5)]).long()
    bands = conformal_bands([torch.rand(105)], [torch.ones(105)], [kinds], ranges=1)
    half = bands.half_width(torch.ones(2), torch.tensor([0, 1]))
    assert half[0] < 1
    assert half[1] == math.inf


@pytest.mark.parametrize(
    ("errors", "deviations", "kinds", "words"),
    [
        ([], [], None, "0 errors"),
        ([torch.ones(3)], [torch.ones(2)], None, "shape"),
        ([torch.ones(3)], [torch.ones(3)] * 2, None, "1 errors, 2 deviations"),
        ([torch.ones(3)], [torch.ones(3)], [torch.zeros(2).long()], "kinds of shape"),
        ([torch.ones(3)], [torch.ones(3)], [torch.zeros(3)], "integer"),
        ([torch.ones(3)], [torch.ones(3)], [torch.zeros(3).long()] * 2, "2 kinds"),
        ([torch.full((3,), math.nan)], [torch.ones(3)], None, "NaN"),
    ],
)
def test_calibration_refuses_what_it_cannot_compare(errors: list, deviations, kinds, words: str):
    with pytest.raises(ValueError, match=words):
        conformal_bands(errors, deviations, kinds)


def test_true_kinds_are_refused_like_the_others():
    ones, kinds = [torch.ones(3)], [torch.zeros(3).long()]
    with pytest.raises(ValueError, match="integer"):
        conformal_bands(ones, ones, kinds, [torch.zeros(3)])
    with pytest.raises(ValueError, match="2 true kinds"):
        conformal_bands(ones, ones, kinds, kinds * 2)


def test_a_new_problem_s_kinds_are_those_that_were_calibrated():
    bands = conformal_bands([torch.rand(100)], [torch.ones(100)])
    with pytest.raises(ValueError, match="kind 2"):
        bands.half_width(torch.ones(3), torch.tensor([0, 0, 2]))
    with pytest.raises(ValueError, match="shape"):
        bands.half_width(torch.ones(3), torch.zeros(2).long())
