"""Restoring photographs: lost pixels and large pixels. One function each.

    y = A f + noise,   f at pixel centres in [0, 1]

`measured=True` takes the file as the measurement itself, with no truth to compare with; otherwise
the file is the truth and the measurement is simulated from it. In each of `rounds` fits every patch
is likely among those most like it in a guide (`LocalGaussians`): the image of plug-and-play with a
trained network, then the fit before. `held_out` is the part of the measurements that no fit sees,
nor anything that leads to one: their misfit is reported. Noisy photographs are in `denoising`,
blurred ones in `deblurring`.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Literal

from torch import Tensor

from inverse_inr import Grid, Problem, baselines, memory
from inverse_inr.operators import Downsample, Mask, bayer_mask, random_mask, striped_mask
from inverse_inr.problems.images import ImageOrFile, in_words, load_picture
from inverse_inr.problems.restoration.classical import (
    bicubic,
    biharmonic,
    later,
    nearest_known,
)
from inverse_inr.problems.restoration.simulation import PartHeldOut, holding_out, measure, seen
from inverse_inr.problems.restoration.suggestions import (
    BENDING,
    SIMILAR,
    TV_ENLARGE,
    TV_INPAINT,
    TV_OF_KNOWN,
    in_rounds,
    suggesting,
    suggesting_instead,
)
from inverse_inr.problems.restoration.trained import plug_and_play
from inverse_inr.ranges import (
    Count,
    NoiseLevelOrNone,
    PositiveFraction,
    WholeNumber,
    checked,
)
from inverse_inr.regularizers import NonLocal, Sobolev
from inverse_inr.rounds import Rounds, judged_afresh


@checked
def inpaint(
    image: ImageOrFile = "camera",
    *,
    keep: PositiveFraction = 0.2,
    pattern: Literal["random", "stripes", "bayer"] = "random",
    mask: ImageOrFile | None = None,
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
        image: An example by name, an image file, or (h, w) or (h, w, c) values.
        keep: The part of the pixels that are known, in (0, 1].
        pattern: "random" pixels, one line in round(1 / keep), or a "bayer" filter.
        mask: An image file, or values, of the same size with two levels: the brighter one is known,
            the other lost. The image's values at lost pixels decide nothing where it is `measured`.
        noise_level: Standard deviation of Gaussian noise on the known pixels, as a fraction of
            white (assumed, where `measured`).
        measured: Take the file as the measurement.
        slice: The slice of a volume, as in `load_image`.
        bin: Pixels averaged along each axis, as in `load_image`.
        crop: Largest side in pixels, as in `load_image`.
        rounds: Fits with patch models, the first of them guided by plug-and-play with the trained
            network; 0 for a fit without patches.
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
        operator = _bayer(values, grid, in_words(image))
    elif pattern == "stripes":
        operator = striped_mask(grid, round(1 / keep))
    else:
        operator = random_mask(grid, keep, seed=seed)
    problem = measure(operator, picture, noise_level, seed, measured)
    problem = holding_out(problem, held_out, seed)
    return judged_afresh(problem, partial(_filling, rounds=rounds, noisy=bool(noise_level)))


def _filling(problem: Problem, rounds: int, noisy: bool) -> Problem:
    """The problem that suggests its classical methods, and rounds or a fit without patches."""
    operator = problem.terms[0].operator
    assert isinstance(operator, Mask)
    filling = {"biharmonic": biharmonic}
    trained = partial(plug_and_play, first=biharmonic)
    if operator.channels:
        filling = {"nearest": nearest_known}
        trained = plug_and_play
    classical = {**filling, "TV": TV_OF_KNOWN, "plug-and-play": trained}
    problem = suggesting(problem, classical, TV_INPAINT)
    if rounds:
        return in_rounds(problem, rounds, guide=later(trained, seen(problem)))
    if not noisy and not operator.channels:
        grid = problem.grid
        bending = BENDING * grid.spacing[0] ** 4 * Sobolev(order=2, grid=grid)
        similar = SIMILAR * NonLocal(later(biharmonic, seen(problem)), grid)
        problem = suggesting_instead(problem, regularizers=(similar, bending))
    return problem


def _bayer(values: Tensor, grid: Grid, image: str) -> Mask:
    if values.shape[-1] != 3:
        raise ValueError(
            "inpaint: a Bayer filter measures three colours; "
            f"{image} has {values.shape[-1]} channel."
        )
    return bayer_mask(grid)


@checked
def super_resolution(
    image: ImageOrFile = "camera",
    *,
    factor: Count = 4,
    noise_level: NoiseLevelOrNone = 0.0,
    measured: bool = False,
    slice: WholeNumber | None = None,
    bin: Count = 1,
    crop: Count | None = None,
    rounds: Rounds = 1,
    held_out: PartHeldOut = 0.0,
    seed: WholeNumber = 0,
) -> Problem:
    """Enlarge a picture whose pixels are too large; each of them sees the mean over its area.

    Args:
        image: An example by name, an image file, or (h, w) or (h, w, c) values.
        factor: How many times too large a pixel is, along each side. Unless the file is measured,
            its sides must be multiples.
        noise_level: Standard deviation of Gaussian noise, as a fraction of white.
        measured: Take the file as the measurement.
        slice: The slice of a volume, as in `load_image`.
        bin: Pixels averaged along each axis, as in `load_image`.
        crop: Largest side in pixels, as in `load_image`.
        rounds: Fits with patch models, the first of them guided by plug-and-play with the trained
            network; 0 for a fit without patches.
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
        fine = Grid(grid.box, shape, metadata=grid.metadata)
    else:
        _check_factor(grid, factor, in_words(image))
        fine = grid
    operator = Downsample(fine, factor).on(fine)
    problem = measure(operator, picture._replace(grid=fine), noise_level, seed, measured)
    problem = holding_out(problem, held_out, seed)
    return judged_afresh(problem, partial(_enlarging, rounds=rounds, noisy=bool(noise_level)))


def _enlarging(problem: Problem, rounds: int, noisy: bool) -> Problem:
    """The problem that suggests its classical methods, and rounds or a fit without patches."""
    classical = {"bicubic": bicubic, "TV": baselines.tv, "plug-and-play": plug_and_play}
    problem = suggesting(problem, classical, TV_ENLARGE)
    if rounds:
        return in_rounds(problem, rounds, guide=later(plug_and_play, seen(problem)))
    if not noisy:
        # a fifth of inpainting's weight: with all of it, held-out pixels of a finely textured
        # photograph are worse
        similar = 0.2 * SIMILAR * NonLocal(later(bicubic, seen(problem)), problem.grid)
        regularizers = (similar, *problem.suggested.regularizers)
        problem = suggesting_instead(problem, regularizers=regularizers)
    return problem


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
