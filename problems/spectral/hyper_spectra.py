"""Spectra from three colours by a network whose weights another network makes of the image.

    s(p) = f_θ(p, X_p),    θ = h(image)       (Zhang et al. 2021, arXiv:2112.10541)

X_p are the colours of pixel p, back-projected to the bands, f a small MLP to the L bands, h a
convolutional hypernetwork: `families.Generated` that sees the image. It learns from cubes with
their colour images, `train(problems)`. The cubes are those of the problems' references: generated
scenes here, the user's own if a `spectral_sr` problem is made of them. As in the paper, an image
has one set of weights of f for all its pixels, and bands are discrete. Between them spectra are
linear.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from inverse_inr import OnGrid, Problem, SampledField, Solution, Term, families, sample
from inverse_inr.fidelity import L2
from inverse_inr.problems.spectral.fused.instruments import fine_image
from inverse_inr.problems.spectral.trained import (
    affine_map,
    crops,
    mean_spectrum_of,
    of_pixels,
    unit_grid,
)
from inverse_inr.ranges import Count, Positive, WholeNumber, checked
from inverse_inr.solver import Ended

CROPS = 300
"""Crops that a training draws from."""


@checked
def hyper_spectra(*, width: Count = 32, features: Count = 32) -> families.Generated:
    """Make the family of small MLPs from colours and place to spectra, not trained.

    Args:
        width: Hidden width of the MLP.
        features: Channels of the hypernetwork.
    """
    options = {"width": width, "depth": 2, "head": "softplus"}
    encoder = families.Convolutions(features, 2)
    return families.Generated(encoder, "relu", options, sees_image=True)


@checked
def train(
    problems: Sequence[Problem],
    family: families.Family | None = None,
    *,
    steps: Count = 600,
    crop: Count = 48,
    lr: Positive = 3e-3,
    seed: WholeNumber = 0,
) -> families.Family:
    """Learn from images with known cubes: random crops, randomly flipped, are the family's tasks.

    Args:
        problems: Simulations whose first term is a colour image of the grid's pixels.
        family: The family to train further; None for `hyper_spectra()`.
        steps: Steps of Adam.
        crop: The most pixels per axis of a crop.
        lr: Learning rate at the start.
        seed: Of the weights and the crops.

    Returns:
        The trained family, whose problems are those of `image_of`.

    Raises:
        ValueError: If a problem has no reference, or its first term is not an image of the grid's
            pixels.
    """
    pairs = [_pair(problem) for problem in problems]
    response = fine_image(problems[0]).response
    instruments: dict[tuple[int, ...], OnGrid] = {}

    def make(image: Tensor, cube: Tensor) -> tuple[Problem, Problem]:
        shape = tuple(image.shape[:2])
        if shape not in instruments:
            instruments[shape] = _camera(response, shape)
        target = of_pixels(cube, 2)
        term = Term(instruments[shape], image.reshape(-1, image.shape[-1]), L2())
        return replace(target, terms=[term]), target

    generator = torch.Generator().manual_seed(seed)
    tasks, targets = crops(pairs, make, min(steps, CROPS), crop, generator, flips=True)
    return families.train(
        family or hyper_spectra(),
        tasks,
        targets=targets,
        steps=steps,
        tasks=2,
        lr=lr,
        seed=seed,
        callbacks=[],
    )


def _camera(response: Tensor, shape: Sequence[int]) -> OnGrid:
    """The camera of a field on the plane with the bands as channels."""

    def colours(spectra: Tensor) -> Tensor:
        return spectra @ response.to(spectra).T

    return OnGrid(colours, unit_grid(shape), tuple(shape))


@checked
def image_of(problem: Problem) -> Problem:
    """Make the problem of a field on the plane with the bands as channels, as the family has it.

    Args:
        problem: Its first term is a colour image of the grid's pixels.

    Raises:
        ValueError: If the first term is no such image.
    """
    image = colours_of(problem)
    bands = problem.grid.shape[-1]
    shape = tuple(image.shape[:2])
    grid = unit_grid(shape)
    term = Term(_camera(fine_image(problem).response, shape), image.flatten(0, 1), L2())
    return Problem([term], grid.box, grid, channels=bands, average=1)


@checked
def reconstruct(family: families.Family, problem: Problem) -> Solution:
    """Return the spectra of a measured image: one forward pass, nothing is fitted.

    Args:
        family: A trained family.
        problem: Its first term is a colour image of the grid's pixels.

    Raises:
        ValueError: If the first term is no such image.
    """
    began = time.perf_counter()
    cube = family.solve(image_of(problem)).sample()[..., None]
    return Solution(
        SampledField(cube, problem.grid),
        problem,
        "hypernetwork",
        seconds=time.perf_counter() - began,
        stopped=Ended("direct", "one forward pass"),
    )


@checked
def colours_of(problem: Problem) -> Tensor:
    """Return the measured image (H, W, colours) of a problem's first term.

    Args:
        problem: Its grid is (H, W, L).

    Raises:
        ValueError: If the first term is no image of up to 16 colours on the grid's pixels.
    """
    y = problem.terms[0].y
    space = problem.grid.shape[:2]
    if y.numel() % math.prod(space) or y.numel() // math.prod(space) > 16:
        raise ValueError(
            f"hyper_spectra: {y.numel()} measurements are no colour image of {space} pixels."
        )
    return y.reshape(*space, -1)


@checked
def linear_regression(problems: Sequence[Problem], problem: Problem) -> Solution:
    """Find spectra by the best affine map from a pixel's colours, which a network must beat.

    Args:
        problems: Simulations with references, from which the map is learnt.
        problem: The problem to solve.
    """
    cube = affine_map([_pair(p) for p in problems], colours_of(problem))
    return Solution(
        SampledField(cube[..., None], problem.grid),
        problem,
        "linear regression",
        stopped=Ended("direct", "closed form"),
    )


@checked
def mean_spectrum(problems: Sequence[Problem], problem: Problem) -> Solution:
    """Put the mean spectrum of the training cubes in every pixel.

    Args:
        problems: Simulations with references.
        problem: The problem to solve.
    """
    cube = mean_spectrum_of([_pair(p) for p in problems], problem.grid.shape)
    return Solution(
        SampledField(cube[..., None], problem.grid),
        problem,
        "mean spectrum",
        stopped=Ended("direct", "closed form"),
    )


def _pair(problem: Problem) -> tuple[Tensor, Tensor]:
    if problem.reference is None:
        raise ValueError(
            "hyper_spectra.train: a problem without a reference has no cube to learn from."
        )
    return colours_of(problem), sample(problem.reference, problem.grid)[..., 0]
