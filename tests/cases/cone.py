"""Shared by the tests of cone beams: a scan whose panel moves, and the same as vectors."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from inverse_inr import Box
from inverse_inr.operators import ConeBeam, ConeVectors

CUBE = Box((-1.0, -1.2, -0.9), (1.4, 1.0, 0.9))
F64 = torch.float64
VIEWS = 7
ANGLES = torch.arange(VIEWS, dtype=F64) * (2 * math.pi / VIEWS) + 0.2


def wave(size: float, phase: float = 0.0) -> Tensor:
    return size * torch.sin(torch.arange(VIEWS, dtype=F64) * 1.3 + phase)


MOVES: dict[str, dict[str, Any]] = {
    "plain": {},
    "offset": {"center": 0.2, "vertical": -0.15},
    "rectangular": {"pitch": (0.15, 0.09)},
    "tilt": {"tilt": 0.2},
    "roll": {"roll": -0.3},
    "yaw": {"yaw": 0.25},
    "helix": {"height": torch.linspace(-0.5, 0.5, VIEWS, dtype=F64)},
    "all, for each view": {
        "center": wave(0.1),
        "vertical": wave(0.1, 1),
        "height": wave(0.2, 2),
        "tilt": wave(0.1, 3),
        "roll": wave(0.2, 4),
        "yaw": wave(0.15, 5),
        "pitch": (0.11, 0.13),
    },
}
moves = pytest.mark.parametrize("move", MOVES.values(), ids=MOVES)


def cone(counts: tuple[int, int] = (9, 14), **options: Any) -> ConeBeam:
    return ConeBeam(CUBE, ANGLES, counts, 4.0, 2.0, **options)


def free(beam: ConeBeam, **options: Any) -> ConeVectors:
    """The same scan as vectors."""
    frame = beam.frame(torch.arange(beam.shape[0]))
    return ConeVectors(beam.box, *frame, (beam.shape[1], beam.shape[2]), **options)
