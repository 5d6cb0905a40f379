"""Fusion: a fine image of few channels and a coarse cube of many bands of one scene.

    y_c(x) = ∫ R_c(λ) f(x, λ) dλ + noise,     z(X, λ) = mean of f(x, λ) over coarse pixels X + noise

Pixels of like colour share spectra, which the coarse cube tells: regression answers first, and what
it leaves is learnt.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from inverse_inr import (
    Field,
    Grid,
    OnGrid,
    Problem,
    SampledField,
    Solution,
    Suggestion,
    Term,
)
from inverse_inr.problems.spectral.from_colours import camera, measured, scene_and_grid
from inverse_inr.problems.spectral.fused.candidates import offset_suggestion
from inverse_inr.problems.spectral.fused.instruments import coarse_cube, filled, fine_image
from inverse_inr.problems.spectral.fused.regression import (
    affine_regression,
    denoised_regression,
    gsa,
)
from inverse_inr.problems.spectral.fused.subspace import subspace_tv
from inverse_inr.problems.spectral.scenes import Reflectances
from inverse_inr.ranges import Count, NoiseLevel, NonNegative, WholeNumber, checked
from inverse_inr.solver import Ended


@checked
def fusion(
    scene: str = "astronaut",
    *,
    size: Count = 64,
    factor: Count = 8,
    blur: NonNegative = 0.0,
    bands: Count = 28,
    noise_level: NoiseLevel = 0.01,
    reflectances: Reflectances = "pigments",
    seed: WholeNumber = 0,
) -> Problem:
    """Simulate an RGB image of fine pixels, and a spectrometer's cube of coarse ones.

    Args:
        scene: "astronaut", "coffee", "cat" (scikit-image), or an RGB image file.
        size: Fine pixels per axis.
        factor: Width of a coarse pixel in fine ones; divides `size`.
        blur: Standard deviation of the spectrometer's point-spread function, in fine pixels.
        bands: Bands of the cube, between 420 and 700 nm.
        noise_level: Standard deviation of Gaussian noise, as a fraction of the largest measurement
            of each instrument.
        reflectances: Materials of the scene, "pigments" or "colorchecker".
        seed: Of the noise.

    Raises:
        ValueError: If the factor does not divide `size`, the noise level is not positive, or the
            scene is unknown.
    """
    if size % factor:
        raise ValueError(f"fusion: factor={factor} must divide size={size}.")
    grid, truth = scene_and_grid(scene, size, bands, reflectances)
    cube = truth.sample(grid)
    fine = measured(camera(grid), cube, noise_level, seed)
    coarse = measured(coarse_pixels(grid, factor, blur), cube, noise_level, seed + 1)
    return fused(fine, coarse, grid, reference=truth)


@checked
def fused(fine: Term, coarse: Term, grid: Grid, *, reference: Field | None = None) -> Problem:
    """Make the problem of two measured images, of any camera and any spectrometer.

    Args:
        fine: The fine image: a row is a pixel of the grid, with n channels
            (`SpectralResponse(...).on(grid)`). Its noise is `noise.Gaussian`.
        coarse: The coarse cube, an operator of shape (h, w, L) (`coarse_pixels`). Its noise is
            `noise.Gaussian`; its weight becomes that of a likelihood.
        grid: (H, W, L) of the cube that is sought.
        reference: The truth of a simulation.

    Raises:
        TypeError: If the terms are of other kinds.
    """
    coarse = replace(coarse, weight=fine.weight * coarse.y.numel() / fine.y.numel())
    problem = Problem([fine, coarse], grid.box, grid, reference=reference, average=1)
    channels = fine_image(problem).values.shape[-1]
    coarse_cube(problem)
    return replace(problem, suggested=_suggestion(grid, channels))


def _suggestion(grid: Grid, channels: int) -> Suggestion:
    classical: dict[str, Callable[[Problem], Solution]] = {
        "interpolated": interpolated,
        "affine regression": affine_regression,
        "GSA": gsa,
        "subspace TV": subspace_tv,
        "denoised regression": denoised_regression,
    }
    closed = ("affine regression", "GSA")
    return offset_suggestion("denoised regression", channels, grid, classical, closed)


@checked
def coarse_pixels(grid: Grid, factor: Count, blur: NonNegative = 0.0) -> OnGrid:
    """Return the operator that takes means over factor x factor pixels of each band.

    Args:
        grid: (H, W, L) of the cube.
        factor: Width of a coarse pixel in fine ones; divides H and W.
        blur: Standard deviation of a Gaussian point-spread function before, in fine pixels. Beyond
            its edges the image goes on as the outermost pixels.

    Returns:
        An operator of shape (H / factor, W / factor, L).

    Raises:
        ValueError: If the factor does not divide the grid.
    """
    height, width, bands = grid.shape
    if height % factor or width % factor:
        raise ValueError(
            f"coarse_pixels: factor={factor} must divide the grid's {height} x {width} pixels."
        )
    reach = min(math.ceil(3 * blur), 4 * max(height, width))
    taps = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / max(blur, 1e-6)) ** 2)
    taps = taps / taps.sum()

    def mean(cube: Tensor) -> Tensor:
        if reach:
            cube = _blurred(_blurred(cube, taps.to(cube)).transpose(0, 1), taps.to(cube))
            cube = cube.transpose(0, 1)
        return cube.unflatten(0, (-1, factor)).mean(1).unflatten(1, (-1, factor)).mean(2)

    return OnGrid(mean, grid, (height // factor, width // factor, bands))


def _blurred(cube: Tensor, taps: Tensor) -> Tensor:
    """Convolve along the first axis; the outermost values go on beyond the edges."""
    lines = cube.flatten(1).T[:, None]
    reach = len(taps) // 2
    lines = functional.pad(lines, (reach, reach), mode="replicate")
    return functional.conv1d(lines, taps[None, None])[:, 0].T.reshape(cube.shape)


@checked
def interpolated(problem: Problem) -> Solution:
    """Interpolate the coarse cube alone, cubic between its pixels' centres.

    Args:
        problem: As `fusion` makes it; its second term is the coarse cube.
    """
    began = time.perf_counter()
    coarse = coarse_cube(problem)
    height, width, _ = problem.grid.shape
    image = coarse.enlarged(filled(coarse.values, coarse.known), (height, width))
    return Solution(
        SampledField(image[..., None].contiguous(), problem.grid),
        problem,
        "interpolated",
        seconds=time.perf_counter() - began,
        stopped=Ended("direct", "bicubic"),
    )
