"""The suggestions of k-space problems, and the files that they write."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from inverse_inr import Field, Grid, Problem, Solution, Suggestion, noise, sample
from inverse_inr.io import write_hdf5, write_image
from inverse_inr.problems.kspace.candidates import variation_and_patches
from inverse_inr.problems.kspace.classical import BASELINES
from inverse_inr.problems.kspace.coil_maps import Correction
from inverse_inr.problems.kspace.variation import total_variation
from inverse_inr.protocol import placed
from inverse_inr.ranges import Count, Positive, checked
from inverse_inr.regularizers import LocalGaussians, TotalVariation
from inverse_inr.regularizers.weighted import Regularizer
from inverse_inr.rounds import refined

Penalty = Literal["patches", "total_variation"]
"""What is likely of an image: that its patches are like others of it, or that it varies little."""
PATCH = 5
"""Pixels along the side of the patches."""
FLOOR = 0.25
"""Standard deviation of what patches may differ by, by the noise of a fully sampled pixel."""
LEAST_FLOOR = 5e-3
"""The least of it, by the image, which is near 1: quiet scans have other errors than noise."""
STEPS = 10
"""L-BFGS steps of each fit with patches."""


@checked
def suggesting(
    problem: Problem,
    model: noise.ComplexGaussian,
    penalty: Penalty = "patches",
    finer: Count = 1,
    factor: Positive | None = None,
) -> Problem:
    """The problem that suggests one value per pixel and what is likely of the image.

    With "patches" the image of least total variation, whose weight held-out samples choose, is the
    guide of Gaussian models of similar patches, whose weight follows from counting each measurement
    and each pixel once. A second fit is guided by the first. With "total_variation" held-out
    samples choose its weight in the same way.

    Args:
        problem: The problem, whose suggestion has its stopping rule.
        model: The noise of a sample.
        penalty: "patches" or "total_variation".
        finer: Values along each side of a pixel, for total variation.
        factor: Weight of total variation relative to the one that follows from the noise; None for
            held-out samples.

    Returns:
        The problem, with the classical methods as baselines.
    """
    grid = problem.grid.refined(finer)
    deviation = pixel_noise(model, problem.grid)
    first = Suggestion(
        prior="grid",
        options={"cells": float(max(grid.shape))},
        steps=400,
        lr=0.1,
        stopping=problem.suggested.stopping,
        baselines=BASELINES,
        write=write_images,
    )
    if penalty == "total_variation" or grid.ndim != 2 or min(grid.shape) < PATCH:
        variation = TotalVariation(grid=grid, epsilon=1e-2 * deviation / min(problem.grid.spacing))
        if factor is None:
            rule: Regularizer = WeightOfHeldOut(problem, variation, finer)
        else:
            rule = factor * weight_by_noise(problem, deviation) * variation
        return replace(problem, suggested=replace(first, regularizers=(rule,)))

    floor = max(FLOOR * deviation, LEAST_FLOOR)
    # a real image has one number a pixel, a complex one two, and so has a measurement; half pixels
    # say no more than the pixel that they are parts of
    weight = 0.5 * (1 + problem.is_complex) * grid.numel / problem.terms[0].y.numel()

    def guided(
        seen: Problem, guide: Callable[[], Field], parts: int = 1, rounds: int = 1
    ) -> Problem:
        lattice = grid.refined(parts)

        def guiding(points: Tensor) -> Tensor:
            field = guide()
            return field(placed(points, field)).to(points.device)

        likely = LocalGaussians(guiding, lattice, patch=PATCH, floor=floor)
        fit = replace(
            first,
            options={"cells": float(max(lattice.shape))},
            regularizers=(weight * likely,),
            steps=STEPS,
            lr=None,
            optimizer="lbfgs",
            stopping=seen.suggested.stopping,
        )
        seen = replace(seen, suggested=fit)
        if not rounds:
            return seen
        return refined(seen, rounds, weight, steps=STEPS, grid=lattice, patch=PATCH, floor=floor)

    @cache
    def smooth() -> Field:
        return total_variation(problem).field

    suggested = guided(problem, smooth)
    candidates = partial(variation_and_patches, guided=guided)
    return replace(suggested, suggested=replace(suggested.suggested, candidates=candidates))


@checked
def chosen_penalty(
    penalty: Penalty | Literal["auto"], learn_coils: Correction, finer: Count, weight: float | None
) -> tuple[Penalty, int]:
    """The penalty that suits the other settings, and the number of steps between two checks.

    Args:
        penalty: "auto" or a penalty.
        learn_coils: How the maps are corrected: patches are of fixed maps.
        finer: Values along each side of a pixel: patches are of pixels.
        weight: The weight of total variation; with one, total variation is meant.

    Raises:
        ValueError: Patches are asked for together with what they do not go with.
    """
    fits = learn_coils == "none" and finer == 1 and weight is None
    if penalty == "patches" and not fits:
        raise ValueError(
            f"penalty='patches' goes with learn_coils='none', finer=1 and no weight, not with "
            f"learn_coils={learn_coils!r}, finer={finer}, weight={weight}."
        )
    if penalty == "auto" and fits:
        penalty = "patches"
    if penalty == "patches":
        return "patches", 5
    return "total_variation", 50


@checked
def pixel_noise(model: noise.ComplexGaussian, grid: Grid) -> float:
    """The noise of a pixel of a fully sampled image, the square root of E|n|².

    Args:
        model: The noise of a sample.
        grid: The grid of the image.
    """
    sigma = float(torch.as_tensor(model.sigma).square().mean().sqrt())
    return sigma / (math.prod(grid.spacing) * grid.numel**0.5)


@checked
def weight_by_noise(problem: Problem, deviation: Positive) -> float:
    """A weight of total variation that follows from the noise, 1 / σ of a pixel, in a mean over y.

    Held-out samples choose about half of it (docs/kspace.md).

    Args:
        problem: The problem.
        deviation: The noise of a pixel of a fully sampled image.
    """
    grid = problem.grid
    return min(grid.spacing) * grid.numel / problem.terms[0].y.numel() / deviation


class WeightOfHeldOut(Regularizer):
    """Total variation with the weight that held-out samples choose for an image on the grid.

    Args:
        problem: The problem, whose own samples are held out.
        variation: The penalty.
        finer: Values along each side of a pixel of the penalty's grid.
    """

    @checked
    def __init__(self, problem: Problem, variation: TotalVariation, finer: Count = 1) -> None:
        self.problem = problem
        self.variation = variation
        self.finer = finer
        self._weight: float | None = None

    @property
    def weight(self) -> float:
        """The weight; the path is run when it is first asked for."""
        if self._weight is None:
            with torch.no_grad():
                image = total_variation(self.problem, finer=self.finer)
                self._weight = float(image.details["weight"])
        return self._weight

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        return self.weight * self.variation(field, points)


def write_images(solution: Solution, folder: Path) -> list[Path]:
    """Write the image and the coil maps as they came out.

    Args:
        solution: The solution of a k-space problem.
        folder: The folder, which exists.

    Returns:
        reconstruction.h5, and magnitude.nii.gz where the box has a unit of length.
    """
    image = solution.sample()
    grid = solution.problem.grid
    paths = [folder / "reconstruction.h5"]
    if all(u in ("mm", "cm", "m") for u in grid.box.units):
        paths.insert(0, folder / "magnitude.nii.gz")
        write_image(paths[0], image.abs(), grid)
    datasets = {"image": image[..., 0]}
    for term in solution.problem.terms:
        coils = getattr(term.operator, "coils", None)
        if isinstance(coils, nn.Module):
            with torch.no_grad():
                datasets["coil_maps"] = sample(coils, grid).movedim(-1, 0)
    write_hdf5(paths[-1], datasets, {"lower": str(grid.box.lower), "upper": str(grid.box.upper)})
    return paths
