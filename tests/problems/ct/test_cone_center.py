"""The axis of rotation of a cone-beam scan by conjugate rays, of exact line integrals."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from inverse_inr import Box
from inverse_inr.operators import ConeBeam
from inverse_inr.phantoms import Ellipsoids
from inverse_inr.problems.ct import cone_center as module
from inverse_inr.problems.ct.cone_center import cone_center

BOX = Box((-1.0,) * 3, (1.0,) * 3, ("mm",) * 3)
PITCH = 0.08
FIELD = Ellipsoids(
    torch.tensor([[0.25, -0.2, 0.1], [-0.35, 0.3, -0.2], [0.0, 0.0, 0.0]]),
    torch.tensor([[0.3, 0.2, 0.35], [0.15, 0.25, 0.2], [0.7, 0.75, 0.8]]),
    torch.eye(3).expand(3, 3, 3),
    torch.tensor([0.8, 1.2, 1.0]),
)


def scanned(views: int = 90, turn: float = 360.0, rows: int = 8, **moves: Any):
    """A beam that knows nothing of its axis, and what one with these moves measures."""
    angles = torch.arange(views, dtype=torch.float64) * math.radians(turn) / views + 0.3
    size = (rows, 48)
    beam = ConeBeam(BOX, angles, size, 5.0, 2.5, PITCH, **moves)
    origin, direction = beam.rays(torch.arange(len(beam)), 3)
    lines = beam.unflatten(FIELD.line_integral(origin, direction).mean(1))
    moves.pop("center", None)
    return ConeBeam(BOX, angles, size, 5.0, 2.5, PITCH, **moves), lines


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.25, 0.5, -0.4, 1.3, -3.77, 6.2])
def test_a_known_shift_is_found_to_a_tenth_of_a_pixel(shift: float):
    beam, lines = scanned(center=shift * PITCH)
    found, error = cone_center(beam, lines)
    assert found / PITCH == pytest.approx(shift, abs=0.1)
    assert error / PITCH < 0.1


@pytest.mark.parametrize(
    ("scan", "noise"),
    [
        ({}, 0.02),
        ({"turn": 240.0}, 0.0),
        ({"views": 45}, 0.0),
        ({"vertical": 0.15}, 0.0),
        ({"rows": 1}, 0.0),
        ({"turn": -360.0}, 0.0),
    ],
    ids=[
        "noise",
        "two thirds of a turn",
        "few views",
        "a panel that stands high",
        "one row",
        "back",
    ],
)
def test_it_is_found_in_scans_of_other_kinds(scan: dict[str, Any], noise: float):
    beam, lines = scanned(center=0.37 * PITCH, **scan)
    generator = torch.Generator().manual_seed(1)
    spread = noise * float(lines.max()) * torch.randn(lines.shape, generator=generator)
    found, _ = cone_center(beam, lines + spread)
    assert found / PITCH == pytest.approx(0.37, abs=0.1)


def test_pixels_that_nobody_trusts_and_the_order_of_views_do_not_matter():
    beam, lines = scanned(center=-0.8 * PITCH)
    lines[:, :, 20] = torch.nan
    lines[3] = torch.nan
    order = torch.randperm(len(lines), generator=torch.Generator().manual_seed(0))
    found, _ = cone_center(beam.of_views(order), lines[order])
    assert found / PITCH == pytest.approx(-0.8, abs=0.1)


def test_a_wide_panel_is_searched_coarsely_first(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "COARSE", 20)  # three of 48 columns together
    beam, lines = scanned(center=5.63 * PITCH)
    beam.shape = (90, 8, 47)
    found, _ = cone_center(beam, lines[..., :47])
    assert found / PITCH == pytest.approx(5.63 + 0.5, abs=0.1)


def unlike(beam: ConeBeam, lines: Tensor) -> tuple[ConeBeam, Tensor]:
    return beam, torch.rand(lines.shape, generator=torch.Generator().manual_seed(0))


def alike(beam: ConeBeam, lines: Tensor) -> tuple[ConeBeam, Tensor]:
    return beam, torch.ones_like(lines)


def unseen(beam: ConeBeam, lines: Tensor) -> tuple[ConeBeam, Tensor]:
    return beam, lines * torch.nan


def another_shape(beam: ConeBeam, lines: Tensor) -> tuple[ConeBeam, Tensor]:
    return beam, lines.mT


@pytest.mark.parametrize(
    ("scan", "spoil", "message"),
    [
        ({}, unlike, "differ by|at the end of the search|disagree"),
        ({}, alike, "alike"),
        ({}, unseen, "whole views"),
        ({}, another_shape, "views, rows and columns"),
        ({"turn": 100.0}, None, "span too little"),
        ({"tilt": 0.1}, None, "upright"),
        ({"height": torch.linspace(-0.2, 0.2, 90)}, None, "circular"),
        ({"vertical": 1.0}, None, "does not see the plane"),
        ({"center": 14 * PITCH}, None, "at the end of the search|differ by"),
        ({"views": 5}, None, "5 whole views"),
    ],
    ids=[
        "views that differ",
        "views that are alike",
        "pixels unseen",
        "another shape",
        "too small a turn",
        "a tilted panel",
        "a helix",
        "no midplane",
        "an axis too far away",
        "few views",
    ],
)
def test_what_tells_no_axis_is_refused(scan: dict[str, Any], spoil: Any, message: str):
    beam, lines = scanned(**scan)
    if spoil is not None:
        beam, lines = spoil(beam, lines)
    with pytest.raises(ValueError, match=message):
        cone_center(beam, lines)
