"""Restoring photographs: lost pixels, noise, large pixels. One function each.

    y = A f + noise,   f at pixel centres in [0, 1]

`measured=True` takes the file as the measurement itself, with no truth to compare with; otherwise
the file is the truth and the measurement is simulated from it. A first fit is followed by `rounds`
fits that go on from there, in which every patch is likely among those most like it in the fit
before (`LocalGaussians`). `held_out` is the part of the measurements that no fit sees, nor anything
that leads to one: their misfit is reported. Blurred photographs are in `deblurring`.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from inverse_inr import Grid, Problem, baselines, memory, noise
from inverse_inr.denoisers.patch_gaussians import LOST
from inverse_inr.operators import Downsample, Mask, bayer_mask, random_mask, striped_mask
from inverse_inr.problems.images import load_picture
from inverse_inr.problems.restoration.classical import (
    bicubic,
    biharmonic,
    estimated_noise,
    later,
    nearest_known,
    noise_sigma,
    nonlocal_means,
)
from inverse_inr.problems.restoration.denoisers import nl_bayes, patch_denoisers
from inverse_inr.problems.restoration.simulation import PartHeldOut, holding_out, measure, seen
from inverse_inr.problems.restoration.suggestions import (
    BENDING,
    DENOISE_SHARE,
    SIMILAR,
    TV_DENOISE,
    TV_ENLARGE,
    TV_INPAINT,
    TV_OF_KNOWN,
    in_rounds,
    suggesting,
    suggesting_instead,
)
from inverse_inr.ranges import (
    Count,
    NoiseLevelOrNone,
    NonNegative,
    Positive,
    PositiveFraction,
    WholeNumber,
    checked,
)
from inverse_inr.regularizers import NonLocal, Sobolev
from inverse_inr.rounds import Rounds, judged_afresh


@checked
def inpaint(
    image: str = "camera",
    *,
    keep: PositiveFraction = 0.2,
    pattern: Literal["random", "stripes", "bayer"] = "random",
    mask: str | None = None,
    noise_level: NoiseLevelOrNone = 0.0,
    measured: bool = False,
    slice: WholeNumber | None = None,
    bin: Count = 1,
    crop: Count | None = None,
    rounds: Rounds = 3,
    held_out: PartHeldOut = 0.0,
    seed: WholeNumber = 0,
) -> Problem:
    """Fill in lost pixels: most are lost at random, in lines, to a Bayer filter, or by a mask file.

    Args:
        image: An example by name, or an image file.
        keep: The part of the pixels that are known, in (0, 1].
        pattern: "random" pixels, one line in round(1 / keep), or a "bayer" filter.
        mask: An image file of the same size with two levels: the brighter one is known, the other
            lost. The image's values at lost pixels decide nothing where it is `measured`.
        noise_level: Standard deviation of Gaussian noise on the known pixels, as a fraction of
            white (assumed, where `measured`).
        measured: Take the file as the measurement.
        slice: The slice of a volume, as in `load_image`.
        bin: Pixels averaged along each axis, as in `load_image`.
        crop: Largest side in pixels, as in `load_image`.
        rounds: Fits that follow the first one.
        held_out: The part of the measurements that no fit sees, from 0 to below 1.
        seed: Seed of the pattern, the noise and the held-out rows.

    Returns:
        The problem, with its reference unless `measured`.

    Raises:
        ValueError: A mask has another size, more levels than two or no known pixel, a Bayer filter
            meets a grey image, or `keep` or `held_out` lies outside its range.
    """
    picture = load_picture(image, slice=slice, bin=bin, crop=crop, mask=mask, complete=not measured)
    values, grid = picture.values, picture.grid
    if mask is not None:
        operator = Mask(picture.known, grid)
    elif pattern == "bayer":
        operator = _bayer(values, grid, image)
    elif pattern == "stripes":
        operator = striped_mask(grid, round(1 / keep))
    else:
        operator = random_mask(grid, keep, seed=seed)
    problem = measure(operator, picture, noise_level, seed, measured)
    problem = holding_out(problem, held_out, seed)
    if operator.channels:
        problem = suggesting(problem, {"nearest": nearest_known, "TV": TV_OF_KNOWN}, TV_INPAINT)
        return in_rounds(problem, rounds)
    problem = suggesting(problem, {"biharmonic": biharmonic, "TV": TV_OF_KNOWN}, TV_INPAINT)
    if not noise_level:
        bending = BENDING * grid.spacing[0] ** 4 * Sobolev(order=2, grid=grid)
        similar = SIMILAR * NonLocal(later(biharmonic, seen(problem)), grid)
        problem = suggesting_instead(problem, regularizers=(similar, bending))
    return in_rounds(problem, rounds)


def _bayer(values: Tensor, grid: Grid, image: str) -> Mask:
    if values.shape[-1] != 3:
        raise ValueError(
            "inpaint: a Bayer filter measures three colours; "
            f"{image} has {values.shape[-1]} channel."
        )
    return bayer_mask(grid)


@checked
def denoise(
    image: str = "camera",
    *,
    photons: Positive | None = 30.0,
    readout: NonNegative = 2.0,
    noise_level: NoiseLevelOrNone | None = None,
    measured: bool = False,
    slice: WholeNumber | None = None,
    bin: Count = 1,
    crop: Count | None = None,
    rounds: Rounds = 1,
    held_out: PartHeldOut = 0.0,
    seed: WholeNumber = 0,
) -> Problem:
    """Remove noise that lies on every pixel: a sensor's, or Gaussian.

    What is suggested is an INR whose patches are likely among those that are like them in what
    NL-Bayes makes of the measurements. Its gain over total variation comes from these patch
    Gaussians, a classical prior; NL-Bayes itself and BM3D stand beside it as baselines.

    Args:
        image: An example by name, or an image file.
        photons: Mean number of photons at white (WIRE's 30). None without a `noise_level`: the
            level of Gaussian noise is estimated from the image's second differences.
        readout: Standard deviation of the sensor's readout in electrons.
        noise_level: Standard deviation of Gaussian noise, as a fraction of white, instead of the
            sensor's.
        measured: Take the file as the measurement.
        slice: The slice of a volume, as in `load_image`.
        bin: Pixels averaged along each axis, as in `load_image`.
        crop: Largest side in pixels, as in `load_image`.
        rounds: Fits with patch models: the first by what NL-Bayes finds, each other by the fit
            before; 0 is a fit with total variation.
        held_out: The part of the measurements that no fit sees, from 0 to below 1.
        seed: Seed of the noise and the held-out rows.

    Returns:
        The problem, with its reference unless `measured`.

    Raises:
        ValueError: There is no noise, or `held_out` lies outside its range.
    """
    picture = load_picture(image, slice=slice, bin=bin, crop=crop)
    values, grid = picture.values, picture.grid
    estimated = noise_level is None and photons is None
    if estimated:
        noise_level = estimated_noise(values)
    model = None
    if photons is not None and noise_level is None:
        model = noise.Sensor(photons, readout)
    operator = Mask(torch.ones(grid.shape, dtype=torch.bool), grid)
    if model is None and not noise_level:
        raise ValueError(
            "denoise: there is no noise to remove; give photons, or a positive noise_level."
        )
    if estimated:
        found = f"{noise_level:.4g} of white, from second differences"
        picture = picture._replace(notes={**picture.notes, "noise level": found})
    problem = measure(operator, picture, noise_level or 0.0, seed, measured, model)
    problem = holding_out(problem, held_out, seed)
    return judged_afresh(problem, partial(_denoising, rounds=rounds))


def _denoising(problem: Problem, rounds: int) -> Problem:
    """The problem that suggests its classical methods, and rounds guided by NL-Bayes."""
    classical = {**patch_denoisers(), "non-local means": nonlocal_means, "TV": baselines.tv}
    problem = suggesting(problem, classical, TV_DENOISE)
    if not rounds:
        return problem
    guide = later(nl_bayes, seen(problem))
    return in_rounds(
        problem,
        rounds,
        guide=guide,
        share=DENOISE_SHARE,
        floor=LOST * noise_sigma(problem),
        search=17,
    )


@checked
def super_resolution(
    image: str = "camera",
    *,
    factor: Count = 4,
    noise_level: NoiseLevelOrNone = 0.0,
    measured: bool = False,
    slice: WholeNumber | None = None,
    bin: Count = 1,
    crop: Count | None = None,
    rounds: Rounds = 2,
    held_out: PartHeldOut = 0.0,
    seed: WholeNumber = 0,
) -> Problem:
    """Enlarge a picture whose pixels are too large; each of them sees the mean over its area.

    Args:
        image: An example by name, or an image file.
        factor: How many times too large a pixel is, along each side. Unless the file is measured,
            its sides must be multiples.
        noise_level: Standard deviation of Gaussian noise, as a fraction of white.
        measured: Take the file as the measurement.
        slice: The slice of a volume, as in `load_image`.
        bin: Pixels averaged along each axis, as in `load_image`.
        crop: Largest side in pixels, as in `load_image`.
        rounds: Fits that follow the first one.
        held_out: The part of the measurements that no fit sees, from 0 to below 1.
        seed: Seed of the noise and the held-out rows.

    Returns:
        The problem on the fine grid, with its reference unless `measured`.

    Raises:
        ValueError: `factor` does not divide the image's sides, or `held_out` lies outside its
            range.
    """
    picture = load_picture(image, slice=slice, bin=bin, crop=crop)
    grid = picture.grid
    if measured:
        shape = tuple(n * factor for n in grid.shape)
        memory.require(
            f"super_resolution: factor={factor}, {shape} pixels,", 200 * math.prod(shape)
        )
        fine = Grid(grid.box, shape)
    else:
        _check_factor(grid, factor, image)
        fine = grid
    operator = Downsample(fine, factor).on(fine)
    problem = measure(operator, picture._replace(grid=fine), noise_level, seed, measured)
    problem = holding_out(problem, held_out, seed)
    problem = suggesting(problem, {"bicubic": bicubic, "TV": baselines.tv}, TV_ENLARGE)
    if not noise_level:
        # a fifth of inpainting's weight: with all of it, held-out pixels of a finely textured
        # photograph are worse
        similar = 0.2 * SIMILAR * NonLocal(later(bicubic, seen(problem)), fine)
        regularizers = (similar, *problem.suggested.regularizers)
        problem = suggesting_instead(problem, regularizers=regularizers)
    return in_rounds(problem, rounds)


def _check_factor(grid: Grid, factor: int, image: str) -> None:
    """Refuse large pixels that do not tile the image, and say what would fit."""
    if all(n % factor == 0 for n in grid.shape):
        return
    side = min(grid.shape) // factor * factor
    fits = [k for k in range(2, min(grid.shape) + 1) if all(n % k == 0 for n in grid.shape)]
    other = f" Factors that do: {', '.join(map(str, fits[:6]))}." if fits else ""
    crop = f" crop={side} makes it fit." if side else ""
    raise ValueError(
        f"super_resolution: factor={factor} does not divide the sides of {image}, {grid.shape} "
        f"pixels.{crop}{other}"
    )
