"""Small scenes of spectra, for tests of several files."""

from __future__ import annotations

import torch
from torch import Tensor

from inverse_inr import Box, Grid, Problem, SampledField, Solution, metrics, sample
from inverse_inr.problems.spectral.from_colours import camera, measured
from inverse_inr.problems.spectral.fused.problem import coarse_pixels, fused

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
    fine = measured(camera(grid), cube[..., None], noise_level, 0)
    coarse = measured(coarse_pixels(grid, 4, blur), cube[..., None], noise_level, 1)
    return fused(fine, coarse, grid, reference=SampledField(cube[..., None], grid)), cube


def psnr(solution: Solution) -> float:
    """Mean PSNR of the bands of a solution, in dB."""
    problem = solution.problem
    assert problem.reference is not None
    truth = sample(problem.reference, problem.grid)[..., 0]
    return float(metrics.band_psnr(solution.sample()[..., 0], truth).mean())
