"""Shared by the tests of blur: point-spread functions, grids, a plane wave before and after."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from inverse_inr import Box, Grid
from inverse_inr.operators.optics.psf import Airy, Defocus, Gaussian, Measured, Motion, Pixel

BOX = Box((-1.0, 2.0), (0.5, 4.0), ("mm", "mm"))
GRIDS = [Grid(BOX, (8, 8)), Grid(BOX, (7, 7)), Grid(BOX, (6, 9))]
PATH = torch.tensor([[0.0, 0.0], [0.3, 0.1], [0.2, 0.4], [-0.1, 0.5]], dtype=torch.float64)
K = torch.tensor([[0.0, 0.0], [0.8, -0.3], [-1.1, 1.7], [2.1, 0.4]], dtype=torch.float64)
COVARIANCE = torch.tensor([[0.09, 0.03], [0.03, 0.05]], dtype=torch.float64)


def kernel(shape: tuple[int, ...] = (5, 4)) -> Tensor:
    taps = torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    return taps / taps.sum()


PSFS: dict[str, Any] = {
    "gaussian": lambda: Gaussian(torch.tensor([0.2, 0.3])),
    "covariance": lambda: Gaussian(covariance=COVARIANCE),
    "pixel": lambda: Pixel(torch.tensor([0.4, 0.25])),
    "motion": lambda: Motion(PATH, torch.tensor([0.0, 1.0, 1.5, 4.0])),
    "defocus": lambda: Defocus(0.35),
    "airy": lambda: Airy(0.2, rings=2),
    "measured": lambda: Measured(kernel(), (0.1, 0.15), center=(1, 2)),
}
each = pytest.mark.parametrize("name", PSFS)


def wave(k: Tensor, phase: float = 0.4) -> Any:
    return lambda x: torch.sin(2 * math.pi * (x @ k.to(x))[..., None] + phase)


def blurred_wave(k: Tensor, x: Tensor, transfer: Tensor, phase: float = 0.4) -> Tensor:
    return (transfer * torch.exp(1j * (2 * math.pi * x @ k + phase))).imag
