"""Deblurring a photograph: the problem, its point-spread functions and the frame that is seen."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

import torch

from inverse_inr import Grid, Problem, SampledField, Term, baselines, noise, predict
from inverse_inr.operators import Blur
from inverse_inr.operators.optics import psf
from inverse_inr.problems.images import load_image, load_picture
from inverse_inr.problems.restoration.deconvolution import (
    FramedBlur,
    richardson_lucy,
    tv_beyond_the_frame,
    wiener,
)
from inverse_inr.problems.restoration.rounds import Rounds
from inverse_inr.problems.restoration.simulation import PartHeldOut, by_row, holding_out
from inverse_inr.problems.restoration.suggestions import TV_DEBLUR, in_rounds, suggesting
from inverse_inr.ranges import Count, Finite, NoiseLevel, Positive, WholeNumber, checked

PSFName = Literal["gaussian", "motion", "disc"]


@checked
def deblur(
    image: str = "camera",
    *,
    kernel: PSFName | str = "motion",
    size: Positive = 15.0,
    angle: Finite = 30.0,
    noise_level: NoiseLevel = 0.01,
    measured: bool = False,
    slice: WholeNumber | None = None,
    bin: Count = 1,
    crop: Count | None = None,
    rounds: Rounds = 2,
    held_out: PartHeldOut = 0.0,
    seed: WholeNumber = 0,
) -> Problem:
    """Sharpen a blurred frame.

    The field goes on beyond the frame as far as the kernel looks, so no boundary is assumed.

    Args:
        image: An example by name, or an image file.
        kernel: "gaussian" of standard deviation `size`, "disc" of diameter `size`, "motion" along
            `size` pixels; or an image file, which is divided by its sum.
        size: The kernel's size in pixels.
        angle: Direction of "motion" in degrees from axis 1 towards smaller axis 0.
        noise_level: Standard deviation of Gaussian noise, as a fraction of white.
        measured: Take the file as the measurement.
        slice: The slice of a volume, as in `load_image`.
        bin: Pixels averaged along each axis, as in `load_image`.
        crop: Largest side in pixels, as in `load_image`.
        rounds: Fits that follow the first one.
        held_out: The part of the measurements that no fit sees, from 0 to below 1.
        seed: Seed of the noise and the held-out rows.

    Returns:
        The problem on the frame, its box as far as the kernel looks.

    Raises:
        ValueError: The image is no larger than the kernel's reach, there is no noise, `kernel` is
            unknown, or `held_out` lies outside its range.
    """
    picture = load_picture(image, slice=slice, bin=bin, crop=crop)
    values, grid = picture.values, picture.grid
    seen_by = blur_psf(kernel, size, angle, grid)
    frame = grid
    if not measured:
        frame = inner_frame(seen_by, grid)
    blur = FramedBlur(Blur(seen_by, frame))
    model = noise.Gaussian(noise_level)
    if measured:
        truth = None
        y = by_row(values, len(blur))
    else:
        truth = SampledField(values, grid)
        clean = by_row(predict(blur.on(grid), truth), len(blur))
        y = model.sample(clean, torch.Generator().manual_seed(seed))
    problem = Problem(
        [Term(blur, y, model)],
        blur.grid.box,
        frame,
        values.shape[-1],
        average=1,
        reference=truth,
        notes=picture.notes,
    )
    methods = {
        "Wiener": wiener,
        "Richardson-Lucy": richardson_lucy,
        "TV": baselines.tv,
        "TV, no boundary": tv_beyond_the_frame,
    }
    problem = suggesting(holding_out(problem, held_out, seed), methods, TV_DEBLUR, on=blur.grid)
    return in_rounds(problem, rounds, blur.grid)


@checked
def blur_psf(kernel: str, size: Positive, angle: Finite, grid: Grid) -> psf.PSF:
    """The point-spread function of `deblur`, by name or from an image file.

    Args:
        kernel: "gaussian", "disc", "motion" or an image file.
        size: Standard deviation, diameter or length of the motion in pixels.
        angle: Direction of the motion in degrees from axis 1 towards smaller axis 0.
        grid: The grid of the image, for the size of its pixels.

    Returns:
        The point-spread function in units of the grid's box.

    Raises:
        ValueError: `kernel` is neither a known name nor a file name with a suffix.
    """
    h = grid.spacing[0]
    if kernel == "gaussian":
        return psf.Gaussian(size * h)
    if kernel == "disc":
        return psf.Defocus(0.5 * size * h)
    if kernel == "motion":
        a = math.radians(angle)
        along = 0.5 * size * h * torch.tensor([-math.sin(a), math.cos(a)], dtype=torch.float64)
        return psf.Motion(torch.stack([-along, along]))
    if not Path(kernel).suffix:
        raise ValueError(
            f"kernel must be 'gaussian', 'disc', 'motion' or an image file, got {kernel!r}."
        )
    taps = load_image(kernel)[0].mean(-1).double()
    return psf.Measured(taps / taps.sum(), tuple(grid.spacing))


def inner_frame(seen_by: psf.PSF, grid: Grid) -> Grid:
    """The frame that a camera could see of an image without looking beyond the image.

    Args:
        seen_by: The point-spread function.
        grid: The grid of the whole image.

    Returns:
        The grid without a margin as wide as the kernel reaches.

    Raises:
        ValueError: The kernel reaches so far that no pixel is left.
    """
    reach = Blur(seen_by, grid).reach()
    sides = zip(
        grid.box.lower, reach.box.lower, grid.box.upper, reach.box.upper, grid.spacing, strict=True
    )
    margin = [max(round((a - b) / h), round((d - c) / h)) for a, b, c, d, h in sides]
    shape = [n - 2 * m for n, m in zip(grid.shape, margin, strict=True)]
    if min(shape) < 1:
        raise ValueError(
            f"deblur: the kernel reaches {margin} pixels; "
            f"an image of {grid.shape} has no frame left."
        )
    return grid.crop(margin, shape)
