"""Denoising by patches as functions Problem -> Solution: collaborative filter, NL-Bayes, BM3D.

All assume Gaussian noise of one standard deviation. A camera's noise is made such by the
generalised Anscombe transform, and the result is taken back without bias.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from inverse_inr import Problem, Solution, noise
from inverse_inr.baselines import on_the_cpu
from inverse_inr.denoisers import CollaborativeFilter, PatchGaussians
from inverse_inr.problems.restoration.classical import (
    image_solution,
    measured_image,
    noise_sigma,
)
from inverse_inr.problems.restoration.filling import completed
from inverse_inr.problems.restoration.simulation import seen
from inverse_inr.problems.restoration.stabilised import Stabilised

Denoiser = Callable[[Tensor, float], Tensor]
"""A function of an image (h, w, c) and the standard deviation of its noise."""

SMALLEST = 8
"""The least side in pixels of an image that BM3D, whose patches have 8 x 8 pixels, can denoise."""


@on_the_cpu
def nl_bayes(problem: Problem) -> Solution:
    """Denoise by NL-Bayes, with the noise level from the noise model.

    Args:
        problem: A problem of a `Mask` with a noise model. Pixels that are lost, or held out, are
            filled by their nearest known neighbours' mean first.

    Returns:
        The denoised image on the problem's grid.

    Raises:
        TypeError: The operator is no `Mask`, or the fidelity is no noise model.

    Source:
        Lebrun, Buades & Morel 2013; see `denoisers.PatchGaussians` for what differs.
    """
    return denoised("NL-Bayes", problem, PatchGaussians())


@on_the_cpu
def collaborative(problem: Problem) -> Solution:
    """Denoise by collaborative filtering, with the noise level from the noise model.

    Args:
        problem: As in `nl_bayes`.

    Returns:
        The denoised image on the problem's grid.

    Raises:
        TypeError: The operator is no `Mask`, or the fidelity is no noise model.

    Source:
        Dabov, Foi, Katkovnik & Egiazarian 2007; see `denoisers.CollaborativeFilter`.
    """
    return denoised("collaborative", problem, CollaborativeFilter())


@on_the_cpu
def bm3d(problem: Problem) -> Solution:
    """Denoise by BM3D, with the noise level from the noise model; colours in an opponent space.

    Args:
        problem: As in `nl_bayes`.

    Returns:
        The denoised image on the problem's grid.

    Raises:
        ImportError: The package `bm3d` is not installed.
        TypeError: The operator is no `Mask`, or the fidelity is no noise model.
        ValueError: The image is smaller than a patch.

    Source:
        Dabov, Foi, Katkovnik & Egiazarian 2007; Mäkinen, Azzari & Foi 2020 (the package).
    """
    if not has_bm3d():
        raise ImportError(
            "bm3d: the package is not installed. `pip install bm3d`, or take collaborative or "
            "nl_bayes, which need nothing."
        )
    if min(problem.grid.shape) < SMALLEST:
        raise ValueError(
            f"bm3d: patches have {SMALLEST} pixels a side, the image {problem.grid.shape}. "
            "nl_bayes shrinks its patches."
        )
    return denoised("BM3D", problem, _bm3d_image)


def has_bm3d() -> bool:
    """Whether the optional package `bm3d` is installed."""
    return importlib.util.find_spec("bm3d") is not None


def patch_denoisers() -> dict[str, Callable[[Problem], Solution]]:
    """The denoisers that a problem can suggest as baselines here: BM3D only where it is installed.

    Returns:
        Functions Problem -> Solution, by the names that tables show.
    """
    found: dict[str, Callable[[Problem], Solution]] = {
        "collaborative": collaborative,
        "NL-Bayes": nl_bayes,
    }
    if has_bm3d():
        found["BM3D"] = bm3d
    return found


def denoised(name: str, problem: Problem, method: Denoiser) -> Solution:
    """Denoise by a method for Gaussian noise; a camera's is stabilised first.

    Args:
        name: The method's name for tables.
        problem: As in `nl_bayes`.
        method: The method.

    Returns:
        The denoised image on the problem's grid.
    """
    began = time.perf_counter()
    image = completed(measured_image(seen(problem)))
    model = problem.terms[0].fidelity
    if isinstance(model, noise.Sensor):
        stable = Stabilised.of(model)
        clean = stable.back(method(stable(image), 1.0))
    else:
        clean = method(image, noise_sigma(problem))
    return image_solution(name, clean.numpy(force=True), problem, began)


def _bm3d_image(image: Tensor, sigma: float) -> Tensor:
    """BM3D on values of size one, which its fixed constants expect."""
    import bm3d as package  # pyright: ignore[reportMissingImports]

    values = image.double().numpy(force=True)
    low = float(values.min())
    span = max(float(values.max()) - low, 1e-12)
    scaled = (values - low) / span
    if values.shape[-1] == 3:
        clean = package.bm3d_rgb(scaled, sigma / span)
    else:
        sheets = [package.bm3d(scaled[..., k], sigma / span) for k in range(values.shape[-1])]
        clean = np.stack(sheets, -1)
    back = low + span * np.asarray(clean).reshape(values.shape)
    return torch.from_numpy(back).to(image.dtype)
