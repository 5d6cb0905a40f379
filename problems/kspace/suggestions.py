"""The suggestion of a k-space problem, and the files that it writes."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor, nn

from inverse_inr import Grid, Solution, Suggestion, noise, sample
from inverse_inr.io import write_hdf5, write_image
from inverse_inr.problems.kspace.classical import BASELINES
from inverse_inr.ranges import Count, Positive, checked
from inverse_inr.regularizers import TotalVariation


@checked
def suggestion(
    grid: Grid,
    model: noise.ComplexGaussian,
    y: Tensor,
    finer: Count = 1,
    factor: Positive = 1.0,
) -> Suggestion:
    """Suggest one value per pixel with total variation, whose weight follows from the noise.

    The weight is λ = 1 / σ of a pixel, in a mean over y, where σ is the noise of a fully sampled
    image. It was tried on random lines and Poisson discs, where held-out samples choose much the
    same weight (docs/kspace.md).

    Args:
        grid: The grid of the reconstruction.
        model: The noise of a sample.
        y: (samples, coils), the measurements.
        finer: Values along each side of a pixel.
        factor: A factor of the weight.

    Returns:
        The suggestion, with the classical methods as baselines.
    """
    sigma = float(torch.as_tensor(model.sigma).square().mean().sqrt())
    deviation = sigma / (math.prod(grid.spacing) * grid.numel**0.5)
    weight = factor * min(grid.spacing) * grid.numel / y.numel() / deviation
    fitted = grid.refined(finer)
    penalty = weight * TotalVariation(grid=fitted, epsilon=1e-2 * deviation / min(grid.spacing))
    return Suggestion(
        prior="grid",
        options={"cells": float(max(fitted.shape))},
        regularizers=(penalty,),
        steps=400,
        baselines=BASELINES,
        write=write_images,
    )


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
