"""Choosing between candidates by their held-out scores."""

import math

import pytest
import torch

from inverse_inr.stopping import least, one_standard_error


@pytest.mark.parametrize("fault", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("rule", [least, one_standard_error])
def test_a_candidate_whose_score_is_no_number_is_never_chosen(rule, fault: float) -> None:
    good = torch.tensor([3.0, 4.0, 5.0])
    broken = torch.tensor([1.0, fault, 1.0])
    assert rule([broken, good]) == 1
    assert rule([good, broken]) == 0


def test_one_fit_computed_in_two_ways_is_no_difference():
    """All rows differ by the same rounding error, which no standard error covers."""
    best = torch.linspace(0.5, 1.5, 40)
    assert one_standard_error([best * (1 + 1e-6), best]) == 0
    assert one_standard_error([best * (1 + 1e-3), best]) == 1
