"""Shared by tests of spectral imaging: a small camera, random numbers, the definition as a loop."""

import itertools
import math

import torch
from torch import Tensor

from inverse_inr import Box, Grid, Problem, SampledField, Solution, metrics, sample
from inverse_inr.operators import CASSI
from inverse_inr.operators.spectral.dispersion import steps
from inverse_inr.problems.spectral.from_colours import camera as colour_camera
from inverse_inr.problems.spectral.from_colours import measured
from inverse_inr.problems.spectral.fused.problem import coarse_pixels, fused


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


# --- scenes whose spectra follow their colours ---

SIZE, BANDS = 16, 7


def affine_scene(
    *, blur: float = 0.0, offset: float = 0.0, noise_level: float = 1e-5
) -> tuple[Problem, Tensor]:
    """A fusion whose spectra are an affine function of colour, and its cube (SIZE, SIZE, BANDS)."""
    box = Box((0.0, 0.0, 420.0), (SIZE, SIZE, 700.0), ("px", "px", "nm"))
    grid = Grid(box, (SIZE, SIZE, BANDS))
    generator = torch.Generator().manual_seed(0)
    waves = torch.linspace(0, 1, BANDS)
    shapes = torch.stack([torch.exp(-8 * (waves - c) ** 2) for c in (0.1, 0.5, 0.9)])
    cube = torch.rand(SIZE, SIZE, 3, generator=generator) @ shapes + offset * waves
    fine = measured(colour_camera(grid), cube[..., None], noise_level, 0)
    coarse = measured(coarse_pixels(grid, 4, blur), cube[..., None], noise_level, 1)
    return fused(fine, coarse, grid, reference=SampledField(cube[..., None], grid)), cube


def psnr(solution: Solution) -> float:
    """Mean PSNR of the bands of a solution, in dB."""
    problem = solution.problem
    assert problem.reference is not None
    truth = sample(problem.reference, problem.grid)[..., 0]
    return float(metrics.band_psnr(solution.sample()[..., 0], truth).mean())
