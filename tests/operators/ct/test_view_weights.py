"""The part of a turn that each view stands for."""

import math

import pytest
import torch
from torch import Tensor

from inverse_inr.operators.ct.view_weights import angular_coverage, angular_weights

F64 = torch.float64


def turn(views: int, full: float = math.pi) -> Tensor:
    return torch.arange(views, dtype=F64) * (full / views)


ODD = turn(40) + 0.015 * torch.sin(7 * turn(40))
PAIRS = (torch.arange(55, dtype=F64) * 111.246117975).deg2rad()
CLOSED = torch.linspace(0, math.pi, 31, dtype=F64)  # 0 and 180 degrees: one view twice
GAP = turn(60, math.pi / 2)


@pytest.mark.parametrize(
    ("angles", "covered"),
    [
        (ODD, math.pi),
        (PAIRS, math.pi),
        (CLOSED, math.pi),
        (CLOSED.float(), math.pi),
        (turn(60, 2 * math.pi), math.pi),
        (turn(1), math.pi),
        (GAP, math.pi / 2),
        (GAP.repeat(3), math.pi / 2),
    ],
    ids=["odd", "golden", "closed", "closed, float32", "full turn", "one view", "gap", "repeated"],
)
def test_angular_weights_cover_what_was_seen_of_half_a_turn(angles: Tensor, covered: float):
    weights = angular_weights(angles, math.pi)
    assert float(weights.sum()) == pytest.approx(covered, rel=1e-5)
    assert (weights >= 0).all()
    if len(angles) == 31:
        assert float(weights[0] + weights[-1]) == pytest.approx(float(weights[5]), rel=1e-4)


def test_views_of_one_angle_share_its_part():
    weights = angular_weights(torch.cat([turn(10), turn(1).repeat(4)]), math.pi)
    assert torch.allclose(weights[10:], weights[:1])
    assert float(weights[0]) == pytest.approx(math.pi / 50)


def test_a_missing_wedge_is_found():
    coverage = angular_coverage(turn(150, math.radians(150)) + 0.4, math.pi)
    assert coverage.gaps == pytest.approx([math.radians(31)])
    assert coverage.span == pytest.approx(math.radians(150))
    assert coverage.start == pytest.approx(0.4 - math.radians(0.5))
