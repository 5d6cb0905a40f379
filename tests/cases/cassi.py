"""Shared by the CASSI tests: a small camera, random numbers, and the definition as a loop."""

import itertools
import math

import torch
from torch import Tensor

from inverse_inr import Box, Grid
from inverse_inr.operators import CASSI
from inverse_inr.operators.spectral.dispersion import steps


def box(height: int, width: int) -> Box:
    return Box((0.0, 0.0, 450.0), (height, width, 650.0), units=("px", "px", "nm"))


def rand(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def bands(count: int) -> Tensor:
    return Grid(box(1, 1), (1, 1, count)).axes(torch.float64)[-1]


def camera(height=6, width=9, count=5, pixels=1.0, mode="single", axis=1, **keywords) -> CASSI:
    shape = [height, width]
    if mode != "single":
        shape[axis] += math.ceil((count - 1) * abs(pixels) - 1e-6)
    mask = keywords.pop("mask", rand(*shape))
    wavelengths = bands(count)
    return CASSI(
        box(height, width), mask, wavelengths, steps(wavelengths, pixels), mode, axis, **keywords
    )


def loop(mask: Tensor, cube: Tensor, shifts: list[int], mode: str, axis: int) -> Tensor:
    """The definition, one scalar product at a time."""
    if axis == 0:
        return loop(mask.T, cube.transpose(0, 1), shifts, mode, 1).T
    height, width, _ = cube.shape
    detector_width = width
    if mode == "single":
        detector_width += max(shifts)
    y = torch.zeros(height, detector_width, dtype=cube.dtype)
    for i, j, (band, d) in itertools.product(range(height), range(width), enumerate(shifts)):
        if mode == "single":
            y[i, j + d] += mask[i, j] * cube[i, j, band]
        else:
            y[i, j] += mask[i, j + d] * cube[i, j, band]
    return y
