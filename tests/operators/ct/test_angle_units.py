"""Angles that can only be degrees are noticed; scans of many turns are not."""

import math
import warnings

import pytest
import torch
from torch import Tensor

from inverse_inr import Box
from inverse_inr.operators import ConeBeam, FanBeam, ParallelBeam
from inverse_inr.operators.ct.angle_units import check_radians

GOLDEN = math.pi * (math.sqrt(5) - 1) / 2


def degrees(views: int, step: float, first: float = 0.0) -> Tensor:
    return first + step * torch.arange(views, dtype=torch.float64)


@pytest.mark.parametrize(
    "angles",
    [
        torch.arange(180.0),
        torch.arange(12.0),
        torch.linspace(0, 180, 181),
        torch.linspace(0, 360, 1000),
        torch.arange(720) * 0.25,
        torch.arange(100) * (180 / 100),
        torch.arange(77) * (360 / 77),
        torch.arange(3600) * 0.1,
        degrees(170, 0.73, 3.1),
        -torch.arange(180.0),
        torch.arange(0, 180, 3.0) + 720,
        torch.tensor([90.0]),
        torch.tensor([0.0, 45.0]) + 45,
    ],
)
def test_degrees_are_warned_of(angles: Tensor):
    angles = angles.double()
    steps = angles.diff().abs()
    if len(steps) and float(steps.median()) > 2 * math.pi:
        with pytest.raises(ValueError, match=r"torch\.deg2rad"):
            check_radians(angles, "Scan")
        return
    with pytest.warns(UserWarning, match="degrees"):
        check_radians(angles, "Scan")


@pytest.mark.parametrize(
    "angles",
    [
        torch.arange(0, 180, 10.0),
        degrees(60, 111.246),
        360 * torch.rand(90, generator=torch.Generator().manual_seed(0)),
    ],
    ids=["tens", "golden degrees", "random degrees"],
)
def test_steps_of_more_than_a_turn_are_refused(angles: Tensor):
    with pytest.raises(ValueError, match=r"more than a whole turn.*deg2rad.*modulo a turn"):
        check_radians(angles, "Scan")


@pytest.mark.parametrize(
    "angles",
    [
        degrees(180, math.pi / 180),
        degrees(360, math.pi / 180).float(),
        degrees(300, GOLDEN),
        degrees(1000, GOLDEN).float(),
        degrees(300, math.pi * (3 - math.sqrt(5))),
        degrees(300, 2 * GOLDEN % (2 * math.pi)),
        degrees(500, math.pi / (GOLDEN / math.pi + 7)),
        degrees(20000, 2 * math.pi / 720),
        degrees(6000, 2 * math.pi / 1024) - 40,
        degrees(360, 10 * math.pi / 180) + 0.1,
        degrees(200, math.pi / 12),
        degrees(300, GOLDEN)[100:101],
        torch.tensor([3.0, 1.0, 2.0]),
    ],
    ids=[
        "half a turn",
        "a turn",
        "golden",
        "golden, float32",
        "golden of a turn",
        "twice golden",
        "tiny golden",
        "helix",
        "helix from below",
        "ten turns of 36 views",
        "interlaced",
        "one golden view",
        "three views",
    ],
)
def test_radians_of_many_turns_pass(angles: Tensor):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_radians(angles, "Scan")


@pytest.mark.parametrize("kind", [ParallelBeam, FanBeam, ConeBeam])
def test_every_scanner_looks_at_its_angles(kind: type):
    angles = torch.arange(0, 360, 10.0)
    flat, solid = Box((-1,) * 2, (1,) * 2), Box((-1,) * 3, (1,) * 3)
    options = {
        ParallelBeam: (flat, angles, 4),
        FanBeam: (flat, angles, 4, 3.0, 1.0),
        ConeBeam: (solid, angles, (4, 4), 3.0, 1.0),
    }
    with pytest.raises(ValueError, match=f"{kind.__name__}: neighbouring views"):
        kind(*options[kind])
