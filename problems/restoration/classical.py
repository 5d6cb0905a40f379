"""Classical inpainting, denoising and enlargement as functions Problem -> Solution.

Most of them are scikit-image's. Every INR is shown together with them. Methods against blur are in
`deconvolution`. Rows that the problem's stopping rule holds out are lost pixels to all of them, so
that `solve` can judge them beside its fits.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from inverse_inr import Field, OnGrid, Problem, SampledField, Solution, noise
from inverse_inr.baselines import on_the_cpu
from inverse_inr.operators import Mask
from inverse_inr.problems.restoration.filling import completed, nearest_filled
from inverse_inr.problems.restoration.simulation import seen
from inverse_inr.ranges import Positive, checked
from inverse_inr.solver import Ended
from inverse_inr.stopping import HeldOut


def later(method: Callable[[Problem], Solution], problem: Problem) -> Field:
    """The field of a classical solution, which is solved only when the field is first looked at.

    Args:
        method: A classical method, e.g. `biharmonic`.
        problem: The problem that it will solve, once.

    Returns:
        A field: points (*s, d) -> values (*s, channels).
    """
    solved = cache(lambda: method(problem).field)
    return lambda points: solved()(points)


@on_the_cpu
def biharmonic(problem: Problem) -> Solution:
    """Fill the pixels that a `Mask` lost by biharmonic inpainting: Δ²f = 0 there.

    Args:
        problem: A problem whose first term has a `Mask`.

    Returns:
        The filled image on the problem's grid.

    Raises:
        TypeError: The operator is no `Mask`.

    Source:
        Chui & Mhaskar 2010.
    """
    from skimage.restoration import inpaint_biharmonic

    began = time.perf_counter()
    image, lost = _known(seen(problem))
    filled = inpaint_biharmonic(
        image.nan_to_num(0.0).double().numpy(), lost.numpy(), channel_axis=-1
    )
    return image_solution("biharmonic", filled, problem, began)


@on_the_cpu
def nearest_known(problem: Problem) -> Solution:
    """Fill each lost pixel, or each lost channel of a pixel, with the nearest known value.

    Args:
        problem: A problem whose first term has a `Mask`.

    Returns:
        The filled image on the problem's grid.

    Raises:
        TypeError: The operator is no `Mask`.
    """
    began = time.perf_counter()
    return image_solution(
        "nearest", nearest_filled(_known(seen(problem))[0]).numpy(), problem, began
    )


def _trusted(problem: Problem) -> Tensor:
    """Measured values, NaN in rows that are not to be trusted."""
    term = problem.terms[0]
    if term.rows is None:
        return term.y
    y = torch.full_like(term.y, torch.nan)
    y[term.rows] = term.y[term.rows]
    return y


def _known(problem: Problem) -> tuple[Tensor, Tensor]:
    """The measured image, NaN where nothing was, and the pixels of which no channel is known."""
    operator = problem.terms[0].operator
    if not isinstance(operator, Mask):
        raise TypeError(
            f"Inpainting needs measurements of a Mask, not of {type(operator).__name__}."
        )
    image = operator.embed(_trusted(problem))
    if image.ndim == problem.grid.ndim:
        image = image[..., None]
    return image, image.isnan().all(-1)


@on_the_cpu
@checked
def nonlocal_means(problem: Problem, strength: Positive = 0.8) -> Solution:
    """Denoise by non-local means, with sigma from the noise model.

    Args:
        problem: A problem whose `Mask` keeps every pixel, with a noise model.
        strength: Filter strength in units of sigma; 0.8 is scikit-image's advice for its fast mode.

    Returns:
        The denoised image on the problem's grid.

    Raises:
        ValueError: Pixels are missing.
        TypeError: The operator is no `Mask`, or the fidelity is no noise model.

    Source:
        Buades, Coll & Morel 2005.
    """
    from skimage.restoration import denoise_nl_means

    began = time.perf_counter()
    lost = _known(problem)[1]
    if lost.any():
        raise ValueError(
            f"nonlocal_means: {int(lost.sum())} pixels are missing; inpaint them first."
        )
    image = completed(_known(seen(problem))[0])
    sigma = noise_sigma(problem)
    clean = denoise_nl_means(
        image.double().numpy(),
        patch_size=5,
        patch_distance=6,
        h=strength * sigma,
        sigma=sigma,
        fast_mode=True,
        channel_axis=-1,
    )
    return image_solution("non-local means", clean, problem, began, {"strength": strength})


@checked
def estimated_noise(values: Tensor) -> float:
    """Estimate the noise's standard deviation from second differences along both axes.

    It is `noise.estimate_deviation` of each channel.

    Args:
        values: (h, w, c), a noisy image.

    Returns:
        The standard deviation in the image's unit, averaged over channels. Of a strip narrower than
        3 pixels, second differences along it.

    Raises:
        ValueError: Both sides are shorter than 3 pixels.
    """
    if max(values.shape[:2]) < 3:
        raise ValueError(
            f"denoise: noise cannot be estimated from {tuple(values.shape[:2])} pixels; "
            "give noise_level."
        )
    channels = [noise.estimate_deviation(v) for v in values.unbind(-1)]
    return sum(channels) / len(channels)


def noise_sigma(problem: Problem) -> float:
    """One standard deviation for all measurements: the average over the noise model's.

    Args:
        problem: A problem whose first term has a noise model.

    Returns:
        The standard deviation in the unit of the measurements.

    Raises:
        TypeError: The fidelity is no noise model.
    """
    term = problem.terms[0]
    if not isinstance(term.fidelity, noise.Noise):
        raise TypeError(
            f"The noise level is needed; {type(term.fidelity).__name__} does not say it."
        )
    return float(term.fidelity.least_squares(term.y)[1].rsqrt().mean())


@on_the_cpu
def bicubic(problem: Problem) -> Solution:
    """Enlarge by bicubic interpolation, registered at the centres of the large pixels.

    Args:
        problem: A problem whose measurements are a picture of large pixels.

    Returns:
        The enlarged image on the problem's grid.

    Source:
        Keys 1981, with a = -1/2.
    """
    began = time.perf_counter()
    small = nearest_filled(measured_image(seen(problem))).movedim(-1, 0)[None]
    # torch's antialiased bicubic is Keys' with a = -1/2; enlarging, there is nothing to filter
    large = functional.interpolate(
        small, problem.grid.shape, mode="bicubic", align_corners=False, antialias=True
    )
    return image_solution("bicubic", large[0].movedim(0, -1).numpy(), problem, began)


def measured_image(problem: Problem) -> Tensor:
    """The picture that the measurements are themselves: a blurred one, large pixels, a mask's.

    Args:
        problem: A problem whose first term has a `Mask` or an `OnGrid`.

    Returns:
        (h, w, c), NaN where a pixel is lost or not to be trusted.
    """
    term = problem.terms[0]
    if isinstance(term.operator, Mask):
        return _known(problem)[0]
    assert isinstance(term.operator, OnGrid)
    image = term.operator.unflatten(_trusted(problem))
    if image.ndim == 2:
        image = image[..., None]
    return image


def image_solution(
    name: str,
    image: np.ndarray,
    problem: Problem,
    began: float,
    details: dict[str, Any] | None = None,
) -> Solution:
    """The solution of a classical method that gives an image.

    Args:
        name: The method's name, for tables and figures.
        image: (h, w, c) or (h, w) on the problem's grid.
        problem: The problem that was solved.
        began: The time in s at which the method began, by `time.perf_counter`.
        details: Parameters of the method that are recorded.

    Returns:
        The image as a `SampledField`, in the precision of the measurements.

    Raises:
        FloatingPointError: The image holds NaN or Inf.
    """
    values = torch.from_numpy(np.ascontiguousarray(image)).to(problem.terms[0].y.dtype)
    values = values.reshape(*problem.grid.shape, -1)
    if not math.isfinite(float(values.sum())):
        raise FloatingPointError(f"{name}: the result holds NaN or Inf.")
    watched: list[Tensor] = []
    text = "all measurements seen"
    rule = problem.suggested.stopping
    if isinstance(rule, HeldOut):
        watched = rule.split(problem.terms, 0)[1]
        text = "all measurements seen but those held out"
    return Solution(
        SampledField(values, problem.grid),
        problem,
        name,
        seconds=time.perf_counter() - began,
        stopped=Ended("direct", text),
        watched=watched,
        details=details or {},
    )
