"""Shared by the tests of CT back ends: boxes and grids, two beams, and blobs off the centre."""

import math

import pytest
import torch
from torch import Tensor

from inverse_inr import Box
from inverse_inr.operators.ct.diverging_beams import FanBeam
from inverse_inr.operators.ct.radon import ParallelBeam
from inverse_inr.phantoms import GaussianBlobs

ANGLES = torch.arange(24) * (2 * math.pi / 24) - 0.3
UNIT = Box((-1.0, -1.0), (1.0, 1.0), ("cm", "cm"))
OBLONG = Box((2.0, -1.0), (2 + 0.02 * 87, -1 + 0.02 * 121), ("mm", "mm"))
SCANS = [(UNIT, (96, 96)), (UNIT, (95, 95)), (OBLONG, (87, 121))]
scans = pytest.mark.parametrize(("box", "shape"), SCANS, ids=["even", "odd", "oblong"])
centers = pytest.mark.parametrize("center", [0.0, 0.13])


def parallel(box: Box, center: float | Tensor = 0.0) -> ParallelBeam:
    return ParallelBeam(box, ANGLES, 131, pitch=1.1 * box.diagonal / 131, center=center)


def fan(box: Box, center: float | Tensor = 0.0) -> FanBeam:
    return FanBeam(box, ANGLES, 131, 3.0, 1.5, pitch=2.0 * box.diagonal / 131, center=center)


def blobs(box: Box) -> GaussianBlobs:
    """Three blobs off the centre; their standard deviation is 6 pixels on the grids above."""
    side = min(box.lengths)
    place = torch.tensor([[-0.15, 0.1], [0.18, 0.05], [0.02, -0.19]], dtype=torch.float64)
    centers = torch.tensor(box.center, dtype=torch.float64) + side * place
    return GaussianBlobs(centers, torch.full((3,), side / 16), torch.tensor([1.0, 0.7, -0.4]))


def error(result: Tensor, truth: Tensor) -> float:
    return float(
        torch.linalg.vector_norm(result.double() - truth.double())
        / torch.linalg.vector_norm(truth.double())
    )
