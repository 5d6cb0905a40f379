"""What filtered backprojection says of an object that the detector cuts off."""

import math
import warnings

import pytest
import torch

from inverse_inr import Box, Grid
from inverse_inr.operators import ParallelBeam, fbp


@pytest.mark.parametrize("detectors", [64, 16])
def test_an_object_beyond_both_ends_of_the_detector_is_warned_of(detectors: int):
    box = Box((-16.0, -16.0), (16.0, 16.0))
    beam = ParallelBeam(box, torch.arange(60) * math.pi / 60, detectors, pitch=1.0)
    s = torch.arange(detectors) - 0.5 * (detectors - 1)
    y = (2 * (144 - s.square()).clamp(min=0).sqrt()).expand(60, -1)
    grid = Grid(box, (32, 32))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        fbp(beam, y, grid)
    assert any("both ends" in str(w.message) for w in said) == (detectors == 16)
