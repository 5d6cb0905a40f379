"""Deblurring a photograph: the problem, its point-spread functions and the frame that is seen."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Literal

import torch

from inverse_inr import Grid, Problem, SampledField, Term, baselines, noise, predict
from inverse_inr.operators import Blur
from inverse_inr.operators.optics import psf
from inverse_inr.problems.images import ImageOrFile, load_image, load_picture
from inverse_inr.problems.restoration.classical import later
from inverse_inr.problems.restoration.deconvolution import (
    FramedBlur,
    richardson_lucy,
    tv_beyond_the_frame,
    wiener,
)
from inverse_inr.problems.restoration.simulation import (
    PartHeldOut,
    by_row,
    holding_out,
    seen,
)
from inverse_inr.problems.restoration.suggestions import TV_DEBLUR, in_rounds, suggesting
from inverse_inr.problems.restoration.trained import plug_and_play
from inverse_inr.ranges import Count, Finite, NoiseLevel, Positive, WholeNumber, checked
from inverse_inr.rounds import Rounds, judged_afresh

MOST_NEGATIVE = 0.05
"""The most negative weight of a kernel, as a part of all, that noise explains."""

FAR_OFF = 0.6
"""Pixels between a kernel's middle and its centre of mass that are worth a note; an even kernel has
its middle half a pixel off."""

PEDESTAL = 0.02
"""The least value at the edge of a kernel, as a part of its peak, that is worth a note."""

PSFName = Literal["gaussian", "motion", "disc"]


@checked
def deblur(
    image: ImageOrFile = "camera",
    *,
    kernel: PSFName | str = "motion",
    size: Positive = 15.0,
    angle: Finite = 30.0,
    noise_level: NoiseLevel = 0.01,
    measured: bool = False,
    slice: WholeNumber | None = None,
    bin: Count = 1,
    crop: Count | None = None,
    rounds: Rounds = 1,
    held_out: PartHeldOut = 0.0,
    seed: WholeNumber = 0,
) -> Problem:
    """Sharpen a blurred frame.

    The field goes on beyond the frame as far as the kernel looks, so no boundary is assumed.

    Args:
        image: An example by name, an image file, or (h, w) or (h, w, c) values.
        kernel: "gaussian" of standard deviation `size`, "disc" of diameter `size`, "motion" along
            `size` pixels; or an image file, which is divided by its sum.
        size: The kernel's size in pixels.
        angle: Direction of "motion" in degrees from axis 1 towards smaller axis 0.
        noise_level: Standard deviation of Gaussian noise, as a fraction of white.
        measured: Take the file as the measurement.
        slice: The slice of a volume, as in `load_image`.
        bin: Pixels averaged along each axis, as in `load_image`.
        crop: Largest side in pixels, as in `load_image`.
        rounds: Fits with patch models, the first of them guided by plug-and-play with the trained
            network; 0 for a fit with total variation alone.
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
    notes = dict(picture.notes)
    if kernel not in ("gaussian", "disc", "motion"):
        notes |= kernel_file(kernel, grid)[1]
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
        notes=notes,
    )
    return judged_afresh(
        holding_out(problem, held_out, seed), partial(_sharpening, grid=blur.grid, rounds=rounds)
    )


def _sharpening(problem: Problem, grid: Grid, rounds: int) -> Problem:
    """The problem with its suggestion: patch models, the first of the trained network's image."""
    methods = {
        "Wiener": wiener,
        "Richardson-Lucy": richardson_lucy,
        "TV": baselines.tv,
        "TV, no boundary": tv_beyond_the_frame,
        "plug-and-play": plug_and_play,
    }
    problem = suggesting(problem, methods, TV_DEBLUR, on=grid)
    guide = later(plug_and_play, seen(problem))
    return in_rounds(problem, rounds, grid, guide=guide)


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
    taps, _ = kernel_file(kernel, grid)
    return psf.Measured(taps, tuple(grid.spacing))


@checked
def kernel_file(kernel: str, grid: Grid) -> tuple[torch.Tensor, dict[str, str]]:
    """Read a blur's kernel from an image file.

    Args:
        kernel: The file: grey, one pixel of the kernel a pixel of the image.
        grid: The grid of the image that it blurs.

    Returns:
        (h, w) float64 that sums to one, and notes on how it is used.

    Raises:
        ValueError: It has several colours, is larger than the image, has no net sum, or has
            parts that are as negative as no light is.
    """
    found = load_image(kernel)[0].double()
    if bool((found != found[..., :1]).any()):
        raise ValueError(f"{kernel}: a kernel has one channel; this one has colours that differ.")
    taps = found[..., 0]
    shape = tuple(taps.shape)
    if any(n > m for n, m in zip(shape, grid.shape, strict=True)):
        raise ValueError(
            f"{kernel}: a kernel of {shape} pixels for an image of {grid.shape}. Image and kernel "
            "mixed up?"
        )
    dark = float(-taps.clamp(max=0).sum() / taps.abs().sum())
    if dark > MOST_NEGATIVE:
        raise ValueError(
            f"{kernel}: {100 * dark:.0f} % of the kernel's weight is negative; light adds up. Is "
            "a mean subtracted, or is it a filter rather than a blur?"
        )
    taps = taps / taps.sum()
    notes = {"kernel": f"{kernel} {shape}, divided by its sum; its middle is {_middle(shape)}"}
    where = torch.stack(torch.meshgrid(*(torch.arange(n) for n in shape), indexing="ij"), -1)
    off = (taps[..., None] * where).sum((0, 1)) - torch.tensor(_middle(shape))
    if float(off.abs().max()) > FAR_OFF:
        notes["kernel off its middle"] = (
            f"its centre of mass lies {off[0]:.1f} and {off[1]:.1f} px off, by which the sharp "
            "image is moved"
        )
    edge = torch.cat([taps[0], taps[-1], taps[:, 0], taps[:, -1]])
    if min(shape) > 4 and float(edge.min()) > PEDESTAL * float(taps.max()):
        notes["kernel on a pedestal"] = (
            f"its edge is at least {100 * float(edge.min() / taps.max()):.0f} % of its peak: is "
            "the background subtracted?"
        )
    return taps, notes


def _middle(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The index of a kernel's pixel that stays in place, as in `psf.Measured`."""
    return tuple(n // 2 for n in shape)


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
