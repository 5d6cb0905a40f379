"""Angles that contradict their views."""

from __future__ import annotations

import math

import pytest
import torch
from cases.scan import half_turn, sinogram

from inverse_inr.operators.ct.center_of_gravity import contradiction
from inverse_inr.operators.ct.center_of_rotation import center_of_rotation


@pytest.mark.parametrize(
    ("turn", "factor", "slip"),
    [
        (2 * math.pi, 0.5, "half a turn"),
        (math.pi, 2.0, "full one"),
        (math.pi, 180 / math.pi, "deg2rad"),
    ],
)
def test_angles_of_a_lost_factor_are_refused_with_the_slip(
    turn: float, factor: float, slip: str
) -> None:
    angles = torch.arange(181, dtype=torch.float64) * turn / 180
    with pytest.raises(ValueError, match=slip):
        center_of_rotation(sinogram(angles, center=3.3), factor * angles)


@pytest.mark.parametrize("spread", [0.0, 2.0])
def test_right_angles_pass_noise_and_a_stage_that_wobbles(spread: float) -> None:
    angles = half_turn()
    generator = torch.Generator().manual_seed(0)
    wobble = spread * torch.randn(len(angles), generator=generator, dtype=torch.float64)
    views = torch.cat(
        [sinogram(a[None], center=float(c)) for a, c in zip(angles, wobble, strict=True)]
    )
    views += 0.05 * torch.randn(views.shape, generator=generator, dtype=torch.float64)
    assert contradiction(views, angles) is None


def test_views_without_content_are_no_fault_of_the_angles() -> None:
    assert contradiction(torch.zeros(90, 72), half_turn()) is None
    with pytest.raises(ValueError, match="all measurements are 0"):
        center_of_rotation(torch.zeros(90, 72), half_turn())


def test_noise_of_photons_hides_no_lost_factor() -> None:
    angles = torch.arange(180, dtype=torch.float64) * math.pi / 90
    generator = torch.Generator().manual_seed(1)
    views = sinogram(angles) + 0.003 * torch.randn(180, 72, generator=generator)
    assert contradiction(views, angles) is None
    assert "half a turn" in (contradiction(views, 0.5 * angles) or "")
