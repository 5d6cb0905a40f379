"""Spectra of measured colours alone: the smoothest ones, pixel by pixel.

    smoothest    min_s |R s - y|² / 2 σ² + weight |D s|² / 2         D: second or first differences
    of logarithms           the same of z = log s, with first differences per nm

Three colours do not determine a spectrum: smoothness decides the rest. Spectra of light are not
negative, and steps between dark and bright bands are factors: the logarithm knows both.
"""

from __future__ import annotations

import time
from typing import Literal

import torch
from torch import Tensor

from inverse_inr import Problem, SampledField, Solution
from inverse_inr.denoisers import PatchGaussians
from inverse_inr.problems.spectral.fused.instruments import FineImage, fine_image, noise_level
from inverse_inr.ranges import Count, Positive, checked
from inverse_inr.solver import Ended

WEIGHTS = tuple(10.0**k for k in range(6, -3, -1))
"""Weights of smoothness that `smoothest_spectra` tries, from the largest down."""
SLOPE = 30.0
"""Weight, in nm, of the integral of squared slopes of a logarithm, (d log s / dλ)²."""
FAINT = 1e-3
"""Variance, in inverse, with which logarithms are drawn to that of the pixel's mean colour."""
DARKEST = 1e-2
"""Least mean colour of a pixel whose logarithm is taken, as a fraction of the image's largest."""


@checked
def smoothest_spectra(
    problem: Problem, weight: Positive | None = None, *, order: Literal[1, 2] = 2
) -> Solution:
    """Find the smoothest spectra of the measured colours, pixel by pixel, in closed form.

        minimise |R x - y|² / 2 σ² + weight |differences of x|² / 2

    Args:
        problem: Its first term is an image of a few channels with Gaussian noise.
        weight: By default the largest of `WEIGHTS` that fits to the noise level (discrepancy
            principle), or the smallest if none does.
        order: Second differences, or first ones: flat spectra.
    """
    began = time.perf_counter()
    fine = fine_image(problem)
    chosen, matrix = smoothest_map(fine, weight, order)
    spectra = fine.filled().double() @ matrix.T
    name = {1: "flattest spectra", 2: "smoothest spectra"}[order]
    return _solution(problem, spectra, name, began, f"weight {chosen:.3g} (discrepancy)", chosen)


def smoothest_map(fine: FineImage, weight: float | None, order: int) -> tuple[float, Tensor]:
    """The weight, and the map from colours to the smoothest spectra.

    Args:
        fine: The image, of n channels.
        weight: The weight, or None for the discrepancy principle.
        order: Order of the differences.

    Returns:
        The weight, and (L, n).
    """
    response = fine.response.double()
    unit = torch.eye(response.shape[1], dtype=torch.float64)
    bend = torch.diff(unit, n=order, dim=0)
    sigma = noise_level(fine.term)
    y = fine.values[fine.known].double()

    def solve(value: float) -> Tensor:
        normal = response.T @ response / sigma**2 + value * (bend.T @ bend)
        return torch.linalg.solve(normal + 1e-9 * unit / sigma**2, response.T / sigma**2)

    def fits(matrix: Tensor) -> bool:
        return float(((y @ (response @ matrix).T - y) / sigma).square().mean()) <= 1

    untried = list(WEIGHTS)
    if weight is not None:
        untried = [weight]
    chosen = untried.pop(0)
    matrix = solve(chosen)
    while untried and not fits(matrix):
        chosen = untried.pop(0)
        matrix = solve(chosen)
    return chosen, matrix


@checked
def smoothest_log_spectra(
    problem: Problem, *, denoised: bool = False, iterations: Count = 25
) -> Solution:
    """Find the positive spectra of the measured colours whose logarithms are flattest.

    Gauss-Newton steps, pixel by pixel; each is a system of as many equations as there are channels.

    Args:
        problem: Its first term is an image of a few channels with Gaussian noise.
        denoised: True to remove the colours' noise first, by NL-Bayes.
        iterations: The most Gauss-Newton steps.

    Source:
        Burns, Numerical methods for smoothest reflectance reconstruction (2020): least log slope
        squared, with noise.
    """
    began = time.perf_counter()
    fine = fine_image(problem)
    colours = fine.filled().double()
    name = "smoothest log spectra"
    if denoised:
        name = "denoised log spectra"
        colours = PatchGaussians(patch=3)(fine.filled(), noise_level(fine.term)).double()
    wavelengths = problem.grid.axes(torch.float64)[-1]
    spectra = flattest_logarithms(
        colours.flatten(0, 1),
        fine.response.double(),
        wavelengths,
        noise_level(fine.term),
        iterations,
    )
    shape = problem.grid.shape
    text = f"{iterations} Gauss-Newton steps"
    return _solution(problem, spectra.reshape(shape), name, began, text, SLOPE)


def flattest_logarithms(
    colours: Tensor, response: Tensor, wavelengths: Tensor, sigma: float, iterations: int
) -> Tensor:
    """Minimise |R exp(z) - y|² / 2 σ² + SLOPE ∫ (dz/dλ)² dλ / 2 for each pixel.

    Args:
        colours: (n, c) measured colours.
        response: (c, L), what each band adds to each channel.
        wavelengths: (L,) in nm.
        sigma: Standard deviation of the noise of colours.
        iterations: The most Gauss-Newton steps.

    Returns:
        (n, L) spectra exp(z).
    """
    unit = torch.eye(len(wavelengths), dtype=colours.dtype)
    slopes = torch.diff(unit, dim=0) / wavelengths.diff()[:, None].sqrt()
    stiff = SLOPE * slopes.T @ slopes + FAINT * unit
    loose = torch.linalg.inv(stiff)
    grey = (colours / response.sum(1)).mean(1, keepdim=True)
    level = grey.clamp(min=max(DARKEST * float(grey.max()), 1e-30)).log()
    noise = sigma**2 * torch.eye(len(response), dtype=colours.dtype)
    z = torch.zeros(len(colours), len(wavelengths), dtype=colours.dtype)  # beside the level

    def cost(z: Tensor) -> Tensor:
        misfit = ((z + level).exp() @ response.T - colours).square().sum(1) / sigma**2
        return misfit + ((z @ stiff) * z).sum(1)

    now = cost(z)
    length = torch.ones_like(now)
    for _ in range(iterations):
        spectrum = (z + level).exp()
        slope = response * spectrum[:, None]  # (n, c, L)
        wanted = colours - spectrum @ response.T + (slope @ z[..., None])[..., 0]
        turned = slope @ loose
        dual = torch.linalg.solve(turned @ slope.mT + noise, wanted[..., None])
        new = z + length[:, None] * ((turned.mT @ dual)[..., 0] - z).clamp(-3, 3)
        then = cost(new)
        better = then < now
        z = torch.where(better[:, None], new, z)
        now = torch.where(better, then, now)
        length = torch.where(better, (2 * length).clamp(max=1), length / 3)
    return (z + level).exp()


@checked
def spectra_like(problem: Problem, examples: Tensor) -> Solution:
    """Find the likeliest spectra of the measured colours under a Gaussian model of examples.

    The model's mean is zero and its covariance the examples' mean square, so that brightness is
    free: Wiener estimation.

    Args:
        problem: Its first term is an image of a few channels with Gaussian noise.
        examples: (n, L) spectra of materials that the scene is like, at the grid's bands, in the
            unit of the field.

    Raises:
        ValueError: If the examples have another number of bands, or are not finite.

    Source:
        Haneishi et al. 2000, Wiener estimation of spectral reflectances.
    """
    began = time.perf_counter()
    fine = fine_image(problem)
    bands = problem.grid.shape[-1]
    if examples.ndim != 2 or examples.shape[1] != bands or not bool(examples.isfinite().all()):
        raise ValueError(
            f"spectra_like: examples of shape {tuple(examples.shape)} must be finite, "
            f"(n, {bands}): one value for each band of the grid."
        )
    known, response = examples.double(), fine.response.double()
    covariance = known.T @ known / len(known)
    # as bright as the scene is, whatever the examples' light was
    colours = fine.values[fine.known].double()
    own = (response @ covariance @ response.T).trace()
    covariance = covariance * (colours.square().sum(1).mean() / own.clamp(min=1e-30))
    noise = noise_level(fine.term) ** 2 * torch.eye(len(response), dtype=torch.float64)
    gain = torch.linalg.solve(response @ covariance @ response.T + noise, response @ covariance)
    text = f"from {len(known)} examples"
    return _solution(
        problem, fine.filled().double() @ gain, "spectra like examples", began, text, 1
    )


def _solution(
    problem: Problem, spectra: Tensor, name: str, began: float, text: str, weight: float
) -> Solution:
    values = spectra.reshape(*problem.grid.shape, 1).to(problem.terms[0].y.dtype)
    return Solution(
        SampledField(values, problem.grid),
        problem,
        name,
        seconds=time.perf_counter() - began,
        stopped=Ended("direct", text),
        details={"weight": weight},
    )
