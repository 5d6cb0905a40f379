"""Restoring photographs: lost pixels, noise, blur, large pixels. One function each, simulated or of the user's file.

    y = A f + noise,   f at pixel centres in [0, 1]

`measured=True` takes the file as the measurement itself, with no truth to compare with; otherwise the file is the truth
and the measurement is simulated from it. `slice`, `bin` and `crop` are those of `load_image`. A first fit is followed
by `rounds` from there in which every patch is likely among those most like it in the fit before (`LocalGaussians`).
`held_out` is the part of the measurements that no fit sees, nor anything that leads to one: their misfit is reported.
"""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from inverse_inr import (
    Grid,
    Problem,
    SampledField,
    Suggestion,
    Term,
    baselines,
    noise,
    predict,
    priors,
)
from inverse_inr.operators import Blur, Downsample, Mask, bayer_mask, random_mask, striped_mask
from inverse_inr.operators.optics import psf
from inverse_inr.problems.images import load_image, load_mask, shows, write_picture
from inverse_inr.problems.restoration.classical import (
    FramedBlur,
    bicubic,
    biharmonic,
    estimated_noise,
    later,
    measured_image,
    nearest_known,
    nonlocal_means,
    richardson_lucy,
    tv_beyond_the_frame,
    wiener,
)
from inverse_inr.problems.restoration.rounds import refined
from inverse_inr.regularizers import NonLocal, Sobolev, TotalVariation
from inverse_inr.stopping import HeldOut, Never

PSFName = Literal["gaussian", "motion", "disc"]


def inpaint(
    image: str = "camera",
    *,
    keep: float = 0.2,
    pattern: Literal["random", "stripes", "bayer"] = "random",
    mask: str | None = None,
    noise_level: float = 0.0,
    measured: bool = False,
    slice: int | None = None,
    bin: int = 1,
    crop: int | None = None,
    rounds: int = 3,
    held_out: float = 0.0,
    seed: int = 0,
) -> Problem:
    """Lost pixels: `keep` of them at random, one line in round(1 / keep), a Bayer filter, or a mask file.

    mask         an image file of the same size: white pixels are known, black ones lost
    noise_level  standard deviation of Gaussian noise on the known pixels (assumed, where measured)
    Raises ValueError for a mask of another size or without a known pixel, a Bayer filter of a grey image.
    """
    values, grid = load_image(image, slice=slice, bin=bin, crop=crop)
    if not 0 < keep <= 1:
        raise ValueError(
            f"inpaint: keep={keep} is the part of the pixels that are known, in (0, 1]."
        )
    if mask is not None:
        operator = Mask(load_mask(mask, grid, bin, crop), grid)
    elif pattern == "bayer":
        operator = _bayer(values, grid, image)
    elif pattern == "stripes":
        operator = striped_mask(grid, round(1 / keep))
    else:
        operator = random_mask(grid, keep, seed=seed)
    problem = _holding_out(
        _simulated(operator, values, grid, noise_level, seed, measured), held_out, seed
    )
    if operator.channels:
        problem = _suggesting(problem, {"nearest": nearest_known, "TV": TV_OF_KNOWN}, TV_INPAINT)
        return _refined(problem, rounds)
    problem = _suggesting(problem, {"biharmonic": biharmonic, "TV": TV_OF_KNOWN}, TV_INPAINT)
    if not noise_level:
        bending = BENDING * grid.spacing[0] ** 4 * Sobolev(order=2, grid=grid)
        similar = SIMILAR * NonLocal(later(biharmonic, _seen(problem)), grid)
        problem = _changed(problem, regularizers=(similar, bending))
    return _refined(problem, rounds)


def _bayer(values: Tensor, grid: Grid, image: str) -> Mask:
    if values.shape[-1] != 3:
        raise ValueError(
            f"inpaint: a Bayer filter measures three colours; {image} has {values.shape[-1]} channel."
        )
    return bayer_mask(grid)


def denoise(
    image: str = "camera",
    *,
    photons: float | None = 30.0,
    readout: float = 2.0,
    noise_level: float | None = None,
    measured: bool = False,
    slice: int | None = None,
    bin: int = 1,
    crop: int | None = None,
    rounds: int = 2,
    held_out: float = 0.0,
    seed: int = 0,
) -> Problem:
    """Noise on every pixel: a sensor's (WIRE's 30 photons at white, 2 electrons of readout), or Gaussian.

    noise_level  standard deviation of Gaussian noise, instead of the sensor's
    Of a measured image with neither (photons=None), the level is estimated from its wavelet coefficients.
    """
    values, grid = load_image(image, slice=slice, bin=bin, crop=crop)
    if noise_level is None and photons is None:
        noise_level = estimated_noise(values)
    model = noise.Sensor(photons, readout) if photons is not None and noise_level is None else None
    operator = Mask(torch.ones(grid.shape, dtype=torch.bool), grid)
    if model is None and not noise_level:
        raise ValueError(
            "denoise: there is no noise to remove; give photons, or a positive noise_level."
        )
    problem = _simulated(operator, values, grid, noise_level or 0.0, seed, measured, model)
    problem = _holding_out(problem, held_out, seed)
    problem = _suggesting(
        problem, {"non-local means": nonlocal_means, "TV": baselines.tv}, TV_DENOISE
    )
    local = problem.suggested
    # the coarser hash grid is the better first guide where noise is strong: it cannot draw all of it
    coarse = {"bandwidth": 0.5 * priors.bandwidth_of(grid)}
    first = _changed(problem, prior="hash", options=coarse, steps=200, optimizer="adam")
    then = {"prior": local.prior, "options": local.options, "optimizer": local.optimizer}
    return _refined(first, rounds, then=then)


def deblur(
    image: str = "camera",
    *,
    kernel: PSFName | str = "motion",
    size: float = 15.0,
    angle: float = 30.0,
    noise_level: float = 0.01,
    measured: bool = False,
    slice: int | None = None,
    bin: int = 1,
    crop: int | None = None,
    rounds: int = 2,
    held_out: float = 0.0,
    seed: int = 0,
) -> Problem:
    """A blurred frame; the field lives on as far beyond it as the kernel looks, so no boundary is assumed.

    kernel  "gaussian" of standard deviation `size`, "disc" of diameter `size`, "motion" along `size` pixels at `angle`
            degrees from axis 1 towards smaller axis 0; or an image file, divided by its sum
    Raises ValueError where the image is no larger than the kernel's reach, without noise.
    """
    if not noise_level > 0:
        raise ValueError(
            f"deblur: noise_level={noise_level} must be positive; of clean data take what rounding left."
        )
    values, grid = load_image(image, slice=slice, bin=bin, crop=crop)
    seen_by = _psf(kernel, size, angle, grid)
    frame = grid if measured else _inner_frame(seen_by, grid)
    blur = FramedBlur(Blur(seen_by, frame))
    model = noise.Gaussian(noise_level)
    clean = values if measured else predict(blur.on(grid), SampledField(values, grid))
    y = clean.reshape(len(blur), -1)
    y = y[:, 0] if values.shape[-1] == 1 else y
    y = y if measured else model.sample(y, torch.Generator().manual_seed(seed))
    problem = Problem(
        [Term(blur, y, model)],
        blur.grid.box,
        frame,
        values.shape[-1],
        average=1,
        reference=None if measured else SampledField(values, grid),
    )
    methods = {
        "Wiener": wiener,
        "Richardson-Lucy": richardson_lucy,
        "TV": baselines.tv,
        "TV, no boundary": tv_beyond_the_frame,
    }
    problem = _suggesting(_holding_out(problem, held_out, seed), methods, TV_DEBLUR, on=blur.grid)
    return _refined(problem, rounds, blur.grid)


def super_resolution(
    image: str = "camera",
    *,
    factor: int = 4,
    noise_level: float = 0.0,
    measured: bool = False,
    slice: int | None = None,
    bin: int = 1,
    crop: int | None = None,
    rounds: int = 2,
    held_out: float = 0.0,
    seed: int = 0,
) -> Problem:
    """Pixels `factor` times too large, each sees the mean over its area; sides are cropped to whole factors."""
    values, grid = load_image(image, slice=slice, bin=bin, crop=crop)
    if measured:
        fine = Grid(grid.box, tuple(n * factor for n in grid.shape))
    else:
        fine = grid.crop((0, 0), [n // factor * factor for n in grid.shape])
        values = values[: fine.shape[0], : fine.shape[1]]
    operator = Downsample(fine, factor).on(fine)
    problem = _holding_out(
        _simulated(operator, values, fine, noise_level, seed, measured), held_out, seed
    )
    problem = _suggesting(problem, {"bicubic": bicubic, "TV": baselines.tv}, TV_ENLARGE)
    if not noise_level:
        # a fifth of what inpainting takes: with all of it, held-out pixels of a finely textured photograph are worse
        similar = 0.2 * SIMILAR * NonLocal(later(bicubic, _seen(problem)), fine)
        problem = _changed(problem, regularizers=(similar, *problem.suggested.regularizers))
    return _refined(problem, rounds)


# --- shared ---------------------------------------------------------------------------------------------------------

TV_INPAINT, TV_DENOISE, TV_DEBLUR, TV_ENLARGE = 10.0, 2.0, 20.0, 5.0
TV_OF_KNOWN = partial(baselines.tv, weights=[TV_INPAINT * 2.0**k for k in range(1, -4, -1)])
"""The baseline of inpainting with five weights around its own: as accurate as with eleven, in half the time."""
SIMILAR, BENDING = 50.0, 5.0
"""Weights of the first fit, found on astronaut, chelsea and coffee of scikit-image, 128 pixels of each."""
STEPS = 10
"""Of L-BFGS in each round with the patch models of the fit before."""
MODEL_ERROR = 0.01
"""Standard deviation to which images without noise are fitted: no field of local pieces needs to come closer."""


def _simulated(
    operator: Any,
    values: Tensor,
    grid: Grid,
    noise_level: float,
    seed: int,
    measured: bool,
    model: noise.Noise | None = None,
) -> Problem:
    """y from the image itself, or the image as y; without noise it is fitted to `MODEL_ERROR`."""
    channels = values.shape[-1]
    truth = SampledField(values, grid) if tuple(values.shape[:2]) == grid.shape else None
    if noise_level:
        model = noise.Gaussian(noise_level)
    if measured and isinstance(operator, Mask):
        y = predict(operator, SampledField(values, grid))
    elif measured:
        y = values.reshape(len(operator), -1)
        y = y[:, 0] if channels == 1 else y
    else:
        assert truth is not None
        y = predict(operator, truth)
        y = y if model is None else model.sample(y, torch.Generator().manual_seed(seed))
    terms = [Term(operator, y, model or noise.Gaussian(MODEL_ERROR))]
    return Problem(
        terms, grid.box, grid, channels, reference=None if measured else truth, average=1
    )


def _holding_out(problem: Problem, part: float, seed: int) -> Problem:
    """The problem whose every fit holds out the same rows.

    They are only scored at the end; they do not decide when to stop. Raises ValueError for a part outside [0, 1).
    """
    if not 0 <= part < 1:
        raise ValueError(
            f"held_out={part} is the part of the measurements that no fit sees, from 0 to below 1."
        )
    count = round(part * len(problem.terms[0].y))
    rows = torch.randperm(len(problem.terms[0].y), generator=torch.Generator().manual_seed(seed))[
        :count
    ]
    stopping = HeldOut(rows=[rows], every=sys.maxsize) if count else Never()
    return replace(problem, suggested=Suggestion(stopping=stopping))


def _seen(problem: Problem) -> Problem:
    """The problem without what its fits hold out."""
    stopping = problem.suggested.stopping
    if not isinstance(stopping, HeldOut):
        return problem
    kept, _ = stopping.split(problem.terms, 0)
    return replace(
        problem, terms=[replace(t, rows=rows) for t, rows in zip(problem.terms, kept, strict=True)]
    )


def _suggesting(
    problem: Problem, classical: dict[str, Any], weight: float, on: Grid | None = None
) -> Problem:
    """The problem that suggests total variation and local pieces as fine as the pixels, by L-BFGS.

    These problems are ill-conditioned, and Adam stays far behind.
    """
    grid = on or problem.grid
    variation = weight * TotalVariation(grid=grid, joint=problem.channels > 1)
    options = {"cells": float(max(grid.shape)), "order": 3}
    return _changed(
        problem,
        prior="grid",
        options=options,
        regularizers=(variation,),
        steps=25,
        optimizer="lbfgs",
        baselines=classical,
        figure=shows(measured_image),
        write=write_picture,
    )


def _changed(problem: Problem, **suggested: Any) -> Problem:
    """The problem that suggests otherwise: the keywords are fields of `Suggestion`."""
    return replace(problem, suggested=replace(problem.suggested, **suggested))


def _refined(
    problem: Problem, rounds: int, on: Grid | None = None, then: dict[str, Any] | None = None
) -> Problem:
    """Then the likeliest image by its own patches; the weight counts each measured value and each pixel once."""
    grid = on or problem.grid
    weight = 0.5 * problem.channels * math.prod(grid.shape) / problem.terms[0].y.numel()
    return (
        refined(problem, rounds, weight, steps=STEPS, grid=grid, then=then) if rounds else problem
    )


def _psf(kernel: str, size: float, angle: float, grid: Grid) -> psf.PSF:
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


def _inner_frame(seen_by: psf.PSF, grid: Grid) -> Grid:
    """What a camera would have seen of the image without asking for what lies beyond it."""
    reach = Blur(seen_by, grid).reach()
    sides = zip(
        grid.box.lower, reach.box.lower, grid.box.upper, reach.box.upper, grid.spacing, strict=True
    )
    margin = [max(round((a - b) / h), round((d - c) / h)) for a, b, c, d, h in sides]
    shape = [n - 2 * m for n, m in zip(grid.shape, margin, strict=True)]
    if min(shape) < 1:
        raise ValueError(
            f"deblur: the kernel reaches {margin} pixels; an image of {grid.shape} has no frame left."
        )
    return grid.crop(margin, shape)
