"""Spectra that a camera did not resolve: from three colours, or fused with a coarse cube.

    spectral_sr   y_c(x) = ∫ R_c(λ) f(x, λ) dλ + noise,   three numbers per pixel
    fusion        the same, and z(X, λ) = mean of f(x, λ) over coarse pixels X + noise

`spectral_sr` is spectral super-resolution. Scenes are generated (`scenes.spectral_scene`), so that
the spectrum is known at every wavelength. Three colours do not determine a spectrum: the prior
decides the rest. The smoothest spectra of the same colours are the baseline.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

from inverse_inr import (
    Box,
    Grid,
    OnGrid,
    Problem,
    SampledField,
    Solution,
    Suggestion,
    Term,
    baselines,
    memory,
    noise,
)
from inverse_inr.operators import SpectralResponse
from inverse_inr.problems.spectral.data import photograph
from inverse_inr.problems.spectral.figures import spectral_figure, write_cube
from inverse_inr.problems.spectral.scenes import Reflectances, SpectralScene, spectral_scene
from inverse_inr.ranges import Count, NoiseLevel, Positive, WholeNumber, checked
from inverse_inr.solver import Ended
from inverse_inr.stopping import Discrepancy

CAMERA = ((600.0, 45.0), (540.0, 45.0), (465.0, 35.0))
"""Peak and standard deviation (nm) of a made-up camera's red, green and blue: Gaussians."""

WEIGHTS = tuple(10.0**k for k in range(6, -3, -1))
"""Weights of smoothness that `smoothest_spectra` tries, from the largest down."""


@checked
def spectral_sr(
    scene: str = "astronaut",
    *,
    size: Count = 64,
    bands: Count = 28,
    noise_level: NoiseLevel = 0.01,
    reflectances: Reflectances = "pigments",
    seed: WholeNumber = 0,
) -> Problem:
    """Simulate an RGB image of a generated scene, from which to find a spectrum in every pixel.

    Args:
        scene: "astronaut", "coffee", "cat" (scikit-image), or an RGB image file.
        size: Pixels per axis.
        bands: Bands of the cube that is shown, between 420 and 700 nm.
        noise_level: Standard deviation of Gaussian noise, as a fraction of the largest measurement.
        reflectances: Materials of the scene, "pigments" or "colorchecker".
        seed: Of the noise.

    Raises:
        ValueError: If the noise level is not positive, or the scene is unknown.
    """
    grid, truth = _scene(scene, size, bands, reflectances)
    term = _measured(_camera(grid), truth.sample(grid), noise_level, seed)
    classical: dict[str, Callable[[Problem], Solution]] = {"smoothest spectra": smoothest_spectra}
    return Problem(
        [term], grid.box, grid, reference=truth, suggested=_suggestion(classical), average=1
    )


@checked
def fusion(
    scene: str = "astronaut",
    *,
    size: Count = 64,
    factor: Count = 8,
    bands: Count = 28,
    noise_level: NoiseLevel = 0.01,
    reflectances: Reflectances = "pigments",
    seed: WholeNumber = 0,
) -> Problem:
    """Simulate an RGB image of fine pixels, and a spectrometer's cube of coarse ones.

    Args:
        scene: "astronaut", "coffee", "cat" (scikit-image), or an RGB image file.
        size: Fine pixels per axis.
        factor: Width of a coarse pixel in fine ones; divides `size`.
        bands: Bands of the cube, between 420 and 700 nm.
        noise_level: Standard deviation of Gaussian noise, as a fraction of the largest measurement
            of each instrument.
        reflectances: Materials of the scene, "pigments" or "colorchecker".
        seed: Of the noise.

    Raises:
        ValueError: If the factor does not divide `size`, the noise level is not positive, or the
            scene is unknown.
    """
    if factor < 1 or size % factor:
        raise ValueError(f"fusion: factor={factor} must divide size={size}.")
    grid, truth = _scene(scene, size, bands, reflectances)
    cube = truth.sample(grid)
    terms = [
        _measured(_camera(grid), cube, noise_level, seed),
        _measured(coarse_pixels(grid, factor), cube, noise_level, seed + 1),
    ]
    classical: dict[str, Callable[[Problem], Solution]] = {
        "interpolated": interpolated,
        "CGLS": baselines.cgls,
    }
    return Problem(
        terms, grid.box, grid, reference=truth, suggested=_suggestion(classical), average=1
    )


@checked
def coarse_pixels(grid: Grid, factor: Count) -> OnGrid:
    """Return the operator that takes means over factor x factor pixels of each band.

    Args:
        grid: (H, W, L) of the cube.
        factor: Width of a coarse pixel in fine ones; divides H and W.

    Returns:
        An operator of shape (H / factor, W / factor, L).

    Raises:
        ValueError: If the factor does not divide the grid.
    """
    height, width, bands = grid.shape
    if height % factor or width % factor:
        raise ValueError(
            f"coarse_pixels: factor={factor} must divide the grid's {height} x {width} pixels."
        )

    def mean(cube: Tensor) -> Tensor:
        return cube.unflatten(0, (-1, factor)).mean(1).unflatten(1, (-1, factor)).mean(2)

    return OnGrid(mean, grid, (height // factor, width // factor, bands))


@checked
def camera_curves(wavelengths: Tensor) -> Tensor:
    """Return the sensitivities of `CAMERA`'s red, green and blue; each integrates to one.

    Args:
        wavelengths: (n,) in nm, rising.

    Returns:
        (n, 3) per nm.
    """
    gaussians = [torch.exp(-0.5 * ((wavelengths - peak) / width) ** 2) for peak, width in CAMERA]
    curves = torch.stack(gaussians, -1)
    return curves / torch.trapezoid(curves, wavelengths[:, None], dim=0)


@checked
def smoothest_spectra(problem: Problem, weight: Positive | None = None) -> Solution:
    """Find the smoothest spectra of the measured colours, pixel by pixel, in closed form.

        minimise |R x - y|² / 2 σ² + weight |second differences of x|² / 2

    Args:
        problem: Its first term is an RGB image with Gaussian noise.
        weight: By default the largest of `WEIGHTS` that fits to the noise level (discrepancy
            principle), or the smallest if none does.
    """
    began = time.perf_counter()
    term = problem.terms[0]
    grid = problem.grid
    model = term.fidelity
    assert isinstance(model, noise.Gaussian)
    matrix = _colours_of_bands(grid)
    unit = torch.eye(grid.shape[-1], dtype=torch.float64)
    bend = unit[2:] - 2 * unit[1:-1] + unit[:-2]
    y = term.y.double()
    sigma = float(torch.as_tensor(model.sigma))

    def solve(value: float) -> Tensor:
        normal = matrix.T @ matrix / sigma**2 + value * (bend.T @ bend) + 1e-9 * unit / sigma**2
        return y @ torch.linalg.solve(normal, matrix.T / sigma**2).T

    def fits(spectra: Tensor) -> bool:
        return float(((spectra @ matrix.T - y) / sigma).square().mean()) <= 1

    untried = list(WEIGHTS)
    if weight is not None:
        untried = [weight]
    chosen = untried.pop(0)
    spectra = solve(chosen)
    while untried and not fits(spectra):
        chosen = untried.pop(0)
        spectra = solve(chosen)
    image = SampledField(spectra.reshape(*grid.shape, 1).to(term.y.dtype), grid)
    return Solution(
        image,
        problem,
        "smoothest spectra",
        seconds=time.perf_counter() - began,
        stopped=Ended("direct", f"weight {chosen:.3g} (discrepancy)"),
        details={"weight": chosen},
    )


@checked
def interpolated(problem: Problem) -> Solution:
    """Interpolate the coarse cube alone, cubic between its pixels' centres.

    Args:
        problem: As `fusion` makes it; its second term is the coarse cube.
    """
    began = time.perf_counter()
    term = problem.terms[1]
    grid = problem.grid
    assert isinstance(term.operator, OnGrid)
    coarse = term.operator.unflatten(term.y).movedim(-1, 0)[None]
    fine = torch.nn.functional.interpolate(
        coarse, size=grid.shape[:2], mode="bicubic", align_corners=False
    )
    image = SampledField(fine[0].movedim(0, -1)[..., None].contiguous(), grid)
    return Solution(
        image,
        problem,
        "interpolated",
        seconds=time.perf_counter() - began,
        stopped=Ended("direct", "bicubic"),
    )


def _scene(
    scene: str, size: int, bands: int, reflectances: Reflectances
) -> tuple[Grid, SpectralScene]:
    # 24 materials, and the cube a few times
    memory.require(f"size={size}, bands={bands}", size**2 * (800.0 + 16.0 * bands))
    box = Box((0.0, 0.0, 420.0), (float(size), float(size), 700.0), ("px", "px", "nm"))
    truth = spectral_scene(photograph(scene, size), box, reflectances=reflectances)
    return Grid(box, (size, size, bands)), truth


def _table() -> tuple[Tensor, Tensor]:
    knots = torch.arange(420.0, 701.0, 5.0, dtype=torch.float64)
    return knots, camera_curves(knots)


def _colours_of_bands(grid: Grid) -> Tensor:
    """The matrix (3, L) that maps one pixel's bands to its colours."""
    count = grid.shape[-1]
    response = SpectralResponse(*_table(), Grid(Box((0.0,), (1.0,)), (1,)))
    line = response.on(Grid(Box((0.0, grid.box.lower[2]), (1.0, grid.box.upper[2])), (1, count)))
    unit = torch.eye(count, dtype=torch.float64)
    return torch.stack([line.map(band[None])[0] for band in unit], -1)


def _camera(grid: Grid) -> OnGrid:
    space = Grid(Box(grid.box.lower[:2], grid.box.upper[:2], grid.box.units[:2]), grid.shape[:2])
    return SpectralResponse(*_table(), space).on(grid)


def _measured(operator: OnGrid, cube: Tensor, noise_level: float, seed: int) -> Term:
    mean = operator.flatten(operator.map(cube[..., 0]))
    if not noise_level > 0:
        raise ValueError(
            f"noise_level={noise_level} must be positive: it is also what the fit is judged by."
        )
    model = noise.Gaussian(noise_level * float(mean.max()))
    return Term(operator, model.sample(mean, torch.Generator().manual_seed(seed)), model)


def _suggestion(classical: dict[str, Callable[[Problem], Solution]]) -> Suggestion:
    # no pixels are held out: each has a spectrum of its own, which no other pixel tells
    return Suggestion(
        prior="spectral_basis",
        steps=300,
        stopping=Discrepancy(every=10),
        baselines=classical,
        figure=spectral_figure,
        write=write_cube,
    )
