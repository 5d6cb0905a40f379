"""Every scanner refuses what it cannot mean, by name, before any work starts."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from inverse_inr import Box, Grid
from inverse_inr.operators import (
    ConeBeam,
    ConeVectors,
    FanBeam,
    ParallelBeam,
    fbp,
    from_scikit_image,
)
from inverse_inr.operators.ct.ramp_filters import ramp_filter
from inverse_inr.operators.ct.view_weights import angular_weights

FLAT = Box((-1.0, -1.0), (1.0, 1.0))
SOLID = Box((-1.0,) * 3, (1.0,) * 3)
ANGLES = torch.arange(6) * 0.5
HOLE = torch.tensor([0.0, math.nan, 1.0])


def vectors(**changed: Any) -> dict[str, Any]:
    one = torch.ones(6)
    parts = {
        "source": torch.stack([4 * ANGLES.cos(), 4 * ANGLES.sin(), 0 * one], -1),
        "middle": torch.stack([-2 * ANGLES.cos(), -2 * ANGLES.sin(), 0 * one], -1),
        "across": 0.1 * torch.stack([-ANGLES.sin(), ANGLES.cos(), 0 * one], -1),
        "along": 0.1 * torch.stack([0 * one, 0 * one, one], -1),
    }
    return parts | changed


SCANS: dict[Callable[..., Any], dict[str, Any]] = {
    ParallelBeam: {"box": FLAT, "angles": ANGLES, "detectors": 8},
    FanBeam: {
        "box": FLAT,
        "angles": ANGLES,
        "detectors": 8,
        "source_distance": 4.0,
        "detector_distance": 2.0,
    },
    ConeBeam: {
        "box": SOLID,
        "angles": ANGLES,
        "detectors": (4, 8),
        "source_distance": 4.0,
        "detector_distance": 2.0,
    },
    ConeVectors: {"box": SOLID, "detectors": (4, 8), **vectors()},
}

EVERYWHERE: list[tuple[str, Any]] = [
    ("box", None),
    ("box", Grid(FLAT, (4, 4))),
    ("samples", 0),
    ("samples", 2.5),
    ("subrays", 0),
    ("subrays", True),
    ("subrays", "2"),
]
TURNING: list[tuple[str, Any]] = [
    ("angles", HOLE),
    ("angles", [0.0, 1.0]),
    ("angles", torch.zeros(0)),
    ("angles", torch.zeros(2, 2)),
    ("pitch", 0.0),
    ("pitch", -0.1),
    ("pitch", math.nan),
    ("pitch", math.inf),
    ("pitch", "wide"),
    ("center", math.nan),
    ("center", torch.zeros(5)),
    ("center", torch.zeros(6, 1)),
    ("center", HOLE.repeat(2)),
    ("center", "middle"),
]
DISTANCES: list[tuple[str, Any]] = [
    ("source_distance", 0.0),
    ("source_distance", -4.0),
    ("source_distance", math.nan),
    ("source_distance", 1.2),  # inside the circle of the box
    ("source_distance", torch.full((6,), 4.0)),
    ("detector_distance", -2.0),
    ("detector_distance", math.inf),
    ("detector_distance", None),
]
FLAT_DETECTOR: list[tuple[str, Any]] = [
    ("detectors", 0),
    ("detectors", -3),
    ("detectors", 7.5),
    ("detectors", True),
    ("box", SOLID),
]
PANEL: list[tuple[str, Any]] = [
    ("detectors", 8),
    ("detectors", (4, 8, 2)),
    ("detectors", (0, 8)),
    ("detectors", (4, 8.5)),
    ("box", FLAT),
]
MOVES: list[tuple[str, Any]] = [
    ("pitch", (0.1, -0.1)),
    ("pitch", (0.1, 0.1, 0.1)),
    ("vertical", torch.zeros(5)),
    ("height", math.inf),
    ("height", torch.zeros(3)),
    ("tilt", math.nan),
    ("roll", torch.zeros(7)),
    ("yaw", "left"),
]
FREE: list[tuple[str, Any]] = [
    ("source", vectors()["source"][:5]),
    ("source", vectors()["source"] * math.nan),
    ("source", torch.zeros(6, 3)),
    ("source", torch.zeros(6, 2)),
    ("middle", torch.zeros(6, 2)),
    ("middle", None),
    ("across", torch.zeros(6, 3)),
    ("along", vectors()["across"]),
]
CALLS = [
    *((ParallelBeam, *bad) for bad in EVERYWHERE + TURNING + FLAT_DETECTOR),
    *((FanBeam, *bad) for bad in EVERYWHERE + TURNING + FLAT_DETECTOR + DISTANCES),
    *((ConeBeam, *bad) for bad in EVERYWHERE + TURNING + PANEL + DISTANCES + MOVES),
    *((ConeVectors, *bad) for bad in EVERYWHERE + PANEL + FREE),
]


@pytest.mark.parametrize(("scan", "argument", "value"), CALLS)
def test_a_scan_refuses_what_it_cannot_mean(scan: Callable[..., Any], argument: str, value: Any):
    scan(**SCANS[scan])
    message = f"{scan.__name__}.*{argument}"
    if argument == "box" and isinstance(value, Box):
        message = f"{scan.__name__} is .-dimensional; the box"
    with pytest.raises((TypeError, ValueError), match=message):
        scan(**SCANS[scan] | {argument: value})


@pytest.mark.parametrize("scan", [FanBeam, ConeBeam])
def test_swapped_distances_are_named(scan: Callable[..., Any]):
    with pytest.raises(ValueError, match="swapped"):
        scan(**SCANS[scan] | {"source_distance": 1.0, "detector_distance": 5.0})


def test_a_source_and_a_panel_that_are_swapped_are_named():
    parts = vectors()
    parts["source"], parts["middle"] = 0.2 * parts["middle"], parts["source"]
    with pytest.raises(ValueError, match="swapped"):
        ConeVectors(SOLID, **parts, detectors=(2, 2))


def test_a_source_in_the_plane_of_its_panel_is_refused():
    parts = vectors()
    parts["middle"] = parts["source"] + 3 * parts["across"]
    with pytest.raises(ValueError, match="plane of its panel"):
        ConeVectors(SOLID, **parts, detectors=(2, 2))


BEAM = ParallelBeam(FLAT, ANGLES, 8)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fbp(BEAM, [0.0] * 48, Grid(FLAT, (4, 4))), "y="),  # type: ignore[arg-type]
        (lambda: fbp(BEAM, torch.zeros(48), FLAT), "grid="),  # type: ignore[arg-type]
        (lambda: fbp(BEAM, torch.zeros(48), Grid(FLAT, (4, 4)), 3), "window="),  # type: ignore[arg-type]
        (lambda: ramp_filter(torch.zeros(8), 0.0), "pitch="),
        (lambda: angular_weights(HOLE, math.pi), "angles="),
        (lambda: angular_weights(ANGLES, -1.0), "period="),
        (lambda: from_scikit_image([0.0], (0, 4)), "shape="),
    ],
)
def test_functions_refuse_what_they_cannot_mean(call: Callable[[], Tensor], message: str):
    with pytest.raises((TypeError, ValueError), match=message):
        call()
