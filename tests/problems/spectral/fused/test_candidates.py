"""Noise that is split in two: each part's size, their independence, and what it judges."""

from dataclasses import replace

import pytest
import torch

from inverse_inr.noise import Poisson
from inverse_inr.problems.spectral import fusion
from inverse_inr.problems.spectral.fused.candidates import mean_and_fit, split_noise
from inverse_inr.stopping import HeldOut

NOISY = fusion(size=32, noise_level=0.02)


def clean(problem):
    """The measurements without noise, of the fine image."""
    operator = problem.terms[0].operator
    return operator.flatten(operator.map(problem.reference.sample(problem.grid)[..., 0]))


@pytest.mark.parametrize("added", [0.5, 1.0, 2.0])
def test_both_parts_have_the_noise_that_they_say_and_share_none(added):
    first, second = split_noise(NOISY, added=added)
    mean = clean(NOISY)
    parts = [(p.terms[0].y - mean) / p.terms[0].fidelity.sigma for p in (first, second)]
    for part in parts:
        assert float(part.std()) == pytest.approx(1.0, abs=0.05)
    shared = float((parts[0] * parts[1]).mean())
    assert abs(shared) < 4 / parts[0].numel() ** 0.5
    sigma = NOISY.terms[0].fidelity.sigma
    assert float(first.terms[0].fidelity.sigma / sigma) == pytest.approx((1 + added**2) ** 0.5)
    assert float(second.terms[0].fidelity.sigma / sigma) == pytest.approx((1 + added**-2) ** 0.5)


def test_the_unseen_part_puts_the_truth_before_the_seen_part():
    first, second = split_noise(NOISY)
    judge = second.terms[0]
    errors = [judge.fidelity(p, judge.y) for p in (clean(NOISY), first.terms[0].y)]
    assert float(errors[0]) == pytest.approx(0.5, rel=0.05)
    assert errors[1] > errors[0] + 0.05


def test_candidates_see_one_part_and_are_judged_by_the_other():
    mean, fit = mean_and_fit(NOISY)
    assert mean.judged_by is fit.judged_by
    for each in (mean, fit):
        assert not torch.equal(each.solution.problem.terms[0].y, each.judged_by.terms[0].y)


def test_noise_that_is_not_gaussian_is_not_split():
    terms = [replace(t, y=t.y.clamp(min=0), fidelity=Poisson(100.0)) for t in NOISY.terms]
    with pytest.raises(TypeError, match="can be split in two"):
        split_noise(replace(NOISY, terms=terms))


def test_candidates_keep_no_pixels_out_though_solve_would_hold_some():
    rows = [torch.arange(9) for _ in NOISY.terms]
    ruled = replace(
        NOISY, suggested=replace(NOISY.suggested, stopping=HeldOut(every=10, rows=rows), steps=20)
    )
    _, fit = mean_and_fit(ruled)
    for solution in (fit.solution, fit.again()):
        assert not any(len(watched) for watched in solution.watched)
