"""Shared by the tests of masks and coded apertures: sizes, a plane, contracts held to 1e-12."""

from typing import Any

import pytest
import torch
from torch import Tensor

from inverse_inr import Box, Grid
from inverse_inr.testing import OperatorTests

BOX = Box((-1.0, 2.0), (0.5, 4.0), ("mm", "mm"))
SIZES = [(8, 8), (7, 7), (6, 9)]
sizes = pytest.mark.parametrize("shape", SIZES, ids=lambda s: "x".join(map(str, s)))


def plane(points: Tensor) -> Tensor:
    return (points * points.new_tensor([2.0, -1.0])).sum(-1, keepdim=True) + 0.3


def some(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


class Tight(OperatorTests):
    """Sampling is exact: the dot test holds to 1e-12."""

    tolerance = 1e-12


class Sized(Tight):
    @pytest.fixture(autouse=True, params=SIZES, ids=lambda s: "x".join(map(str, s)))
    def choose(self, request: Any):
        self.grid = Grid(BOX, request.param)
