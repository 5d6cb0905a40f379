"""Coded light: one detector behind many patterns, and one frame behind many masks.

single_pixel     y_k = mean of pattern_k f             (Duarte et al. 2008)
video_snapshot   y(x) = Σ_t code(x, t) f(x, t)         (Llull et al. 2013)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from torch import Tensor

from inverse_inr import (
    Box,
    Grid,
    Problem,
    SampledField,
    Solution,
    Suggestion,
    Term,
    baselines,
    noise,
    predict,
)
from inverse_inr.io import read_image
from inverse_inr.memory import require
from inverse_inr.operators import CodedVideo, HadamardPatterns, SinglePixel
from inverse_inr.problems.images import (
    ImageOrFile,
    binned,
    cropped,
    grey,
    load_image,
    load_picture,
)
from inverse_inr.problems.pictures import row_of, write_picture
from inverse_inr.problems.restoration.classical import later
from inverse_inr.problems.restoration.simulation import seen
from inverse_inr.problems.restoration.suggestions import PATCH, in_rounds
from inverse_inr.problems.restoration.trained import plug_and_play
from inverse_inr.ranges import (
    Count,
    Finite,
    NoiseLevel,
    PositiveFraction,
    Range,
    WholeNumber,
    checked,
)
from inverse_inr.regularizers import TotalVariation
from inverse_inr.rounds import judged_afresh
from inverse_inr.stopping import Never

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STEPS = 25
"""L-BFGS steps of each fit with patch models."""

TRAINED = partial(plug_and_play, coupling=0.23)
"""Plug-and-play with DPIR's own trust in the network: with less, a noisy image of few patterns is
lost."""

FLOOR = 0.05
"""Standard deviation of details that the guide does not show, as a fraction of white.

Found on astronaut, chelsea and coffee of scikit-image, 64 pixels of each."""


@checked
def single_pixel(
    image: ImageOrFile = "camera",
    *,
    fraction: PositiveFraction = 0.25,
    patterns: Literal["hadamard", "random"] = "hadamard",
    noise_level: NoiseLevel = 1e-3,
    bin: Count = 4,
    crop: Count | None = 64,
    slice: WholeNumber | None = None,
    seed: WholeNumber = 0,
) -> Problem:
    """Recover a grey image from fewer numbers than it has pixels.

    Args:
        image: An example by name, an image file, or (h, w) or (h, w, c) values.
        fraction: Measured numbers per pixel, in (0, 1].
        patterns: "hadamard": Walsh patterns of ±1, the coarsest first; "random": ±1 by chance.
        noise_level: Standard deviation of a number; an image of ones gives 1 behind an open
            pattern.
        bin: Pixels averaged along each axis, as in `load_image`.
        crop: Largest side in pixels, as in `load_image`.
        slice: The slice of a volume, as in `load_image`.
        seed: Seed of random patterns and of the noise.

    Returns:
        The problem, with the image as its reference.

    Raises:
        ValueError: `fraction` lies outside (0, 1], or `noise_level` is not positive.

    Source:
        Duarte et al. 2008.
    """
    picture = load_picture(image, slice=slice, bin=bin, crop=crop)
    values, grid = grey(picture.values), picture.grid
    count = max(1, round(fraction * grid.numel))
    if patterns == "hadamard":
        operator = SinglePixel(HadamardPatterns(grid, count), grid)
    else:
        signs = torch.rand(count, *grid.shape, generator=torch.Generator().manual_seed(seed)) < 0.5
        operator = SinglePixel(1.0 - 2.0 * signs, grid)
    truth = SampledField(values, grid)
    model = noise.Gaussian(noise_level)
    y = model.sample(predict(operator, truth), torch.Generator().manual_seed(seed))
    problem = Problem(
        [Term(operator, y, model)],
        grid.box,
        grid,
        reference=truth,
        average=1,
        notes=picture.notes,
    )
    classical = {"CGLS": baselines.cgls, "TV": baselines.tv, "plug-and-play": TRAINED}
    return _suggesting(problem, classical, TRAINED, rounds=1, write=write_picture)


@checked
def video_snapshot(
    video: str = "camera",
    *,
    frames: Annotated[int, Range(least=2)] = 8,
    motion: Finite = 1.0,
    noise_level: NoiseLevel = 0.01,
    bin: Count = 4,
    crop: Count | None = 64,
    seed: WholeNumber = 0,
) -> Problem:
    """Recover a video from one exposure behind random 0-1 codes that change from frame to frame.

    Args:
        video: A TIFF stack whose pages are the frames, or an image that pans along axis 1.
        frames: Number of frames in the exposure.
        motion: Speed at which an image pans, in pixels per frame.
        noise_level: Standard deviation of the noise of a pixel; a white frame behind an open code
            gives 1.
        bin: Pixels averaged along each axis, as in `load_image`.
        crop: Largest side in pixels, as in `load_image`.
        seed: Seed of the codes and of the noise.

    Returns:
        The problem on (rows, columns, frames), with the video as its reference.

    Raises:
        ValueError: There are fewer than 2 frames, or fewer in the file than asked for, the pan
            leaves the image, or `noise_level` is not positive.

    Source:
        Llull et al. 2013.
    """
    values = _frames(video, frames, motion, bin, crop)  # (H, W, T)
    shape = tuple(values.shape)
    grid = Grid(Box((0.0,) * 3, tuple(float(n) for n in shape), ("px", "px", "frame")), shape)
    codes = (torch.rand(shape, generator=torch.Generator().manual_seed(seed + 1)) < 0.5).float()
    codes[..., 0] += (codes.sum(-1) == 0).float()  # no pixel stays dark
    operator = CodedVideo(codes, grid)
    truth = SampledField(values[..., None], grid)
    model = noise.Gaussian(noise_level)
    y = model.sample(predict(operator, truth), torch.Generator().manual_seed(seed))
    problem = Problem([Term(operator, y, model)], grid.box, grid, reference=truth, average=1)
    # similar patches are looked for nearby, in few frames: 3-D offsets are many
    near = {"patch": 3, "search": 3, "neighbours": 40}
    classical = {"TV": baselines.tv, "plug-and-play": TRAINED}
    return _suggesting(
        problem,
        classical,
        baselines.tv,
        rounds=3,
        others={"network": TRAINED},
        figure=_film,
        **near,
    )


def _suggesting(
    problem: Problem,
    classical: dict[str, Any],
    guiding: Callable[[Problem], Solution],
    *,
    rounds: int,
    others: Mapping[str, Callable[[Problem], Solution]] | None = None,
    figure: Any = None,
    write: Any = None,
    **options: Any,
) -> Problem:
    """The problem that suggests local pieces as fine as the pixels, whose patches are likely.

    An image too small for patches keeps to total variation.

    Args:
        problem: The problem without a suggestion.
        classical: The baselines by name.
        guiding: The method whose image the first patch models are made of.
        rounds: Fits with patch models, each guided by the one before.
        others: Other methods that guide a trial, by the word that names it.
        figure: The modality's figure.
        write: The modality's files.
        **options: Keywords of `LocalGaussians`.
    """
    grid = problem.grid
    # a cell along the longest side is a pixel: no more parameters than the image has values
    suggested = Suggestion(
        prior="grid",
        options={"cells": float(max(grid.shape)), "order": 3},
        regularizers=(TotalVariation(grid=grid),),
        steps=STEPS,
        optimizer="lbfgs",
        stopping=Never(),
        baselines=classical,
        figure=figure,
        write=write,
    )
    if min(grid.shape) < options.get("patch", PATCH):
        return replace(problem, suggested=suggested)

    def guided(each: Problem, by: Callable[[Problem], Solution] = guiding) -> Problem:
        rule = each.suggested.stopping
        each = replace(each, suggested=replace(suggested, stopping=rule))
        guide = later(by, seen(each))
        return in_rounds(each, rounds, guide=guide, steps=STEPS, floor=FLOOR, **options)

    bare = replace(problem, suggested=Suggestion(stopping=Never()))
    return judged_afresh(
        bare, guided, {word: partial(guided, by=other) for word, other in (others or {}).items()}
    )


def _frames(video: str, frames: int, motion: float, bin: int, crop: int | None) -> Tensor:
    """The frames of a TIFF stack, or of an image that pans: (H, W, frames)."""
    if video.lower().endswith((".tif", ".tiff")):
        stack, lattice = read_image(video)
        if lattice.ndim == 3:
            if len(stack) < frames:
                raise ValueError(
                    f"video_snapshot: {video} has {len(stack)} pages, frames={frames}."
                )
            flat = Grid(Box((0.0, 0.0), lattice.box.upper[1:], ("px", "px")), lattice.shape[1:])
            values = stack[:frames, ..., 0].movedim(0, -1)
            return cropped(*binned(values / max(1.0, float(values.max())), flat, bin), crop)[0]
    return _panning(video, frames, motion, bin, crop)


def _panning(image: str, frames: int, motion: float, bin: int, crop: int | None) -> Tensor:
    """Frames of a window that moves over an image by `motion` pixels per frame: (H, W, frames)."""
    values, grid = load_image(image, bin=bin)
    still = SampledField(grey(values), grid)
    _, window = cropped(values, grid, crop)
    start = [0.5 * (n - m) for n, m in zip(grid.shape, window.shape, strict=True)]
    reach = start[1] + motion * (frames - 1)
    if not 0 <= reach <= grid.shape[1] - window.shape[1]:
        raise ValueError(
            f"video_snapshot: motion={motion} leaves {image} within {frames} frames; "
            "crop it smaller."
        )
    points = window.points() + torch.tensor(start)
    require(
        f"video_snapshot: frames={frames} of {window.shape} pixels", 32.0 * frames * window.numel
    )
    shifts = [motion * k for k in range(frames)]
    return torch.cat([still(points + torch.tensor([0.0, s])) for s in shifts], -1)


def _film(problem: Problem, solutions: Sequence[Solution]) -> Figure:
    """The snapshot, then the first and the last frame of the truth and of each method."""
    last = problem.grid.shape[2] - 1
    snapshot = problem.terms[0].y.reshape(*problem.grid.shape[:2], 1)
    pictures = [("snapshot", snapshot / snapshot.max())]
    assert isinstance(problem.reference, SampledField)
    rows = [
        ("truth", problem.reference.values),
        *((s.method, s.sample(problem.grid)) for s in solutions),
    ]
    for name, frames in rows:
        pictures += [(f"{name}, frame {k + 1}", frames[:, :, k]) for k in (0, last)]
    return row_of(pictures)
