"""Spectra that a camera did not resolve, from three colours: spectral super-resolution.

    y_c(x) = ∫ R_c(λ) f(x, λ) dλ + noise,   three numbers per pixel

Scenes are generated (`scenes.spectral_scene`), so that the spectrum is known at every wavelength.
Three colours do not determine a spectrum: smoothness decides the rest (`smooth_spectra`). `fused`
adds a coarse cube.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from inverse_inr import (
    Box,
    Field,
    Grid,
    OnGrid,
    Problem,
    Solution,
    Term,
    memory,
    noise,
)
from inverse_inr.operators import SpectralResponse
from inverse_inr.problems.spectral.data import photograph
from inverse_inr.problems.spectral.fused.candidates import offset_suggestion
from inverse_inr.problems.spectral.scenes import Reflectances, SpectralScene, spectral_scene
from inverse_inr.problems.spectral.smooth_spectra import (
    smoothest_log_spectra,
    smoothest_spectra,
)
from inverse_inr.ranges import Count, NoiseLevel, WholeNumber, checked

CAMERA = ((600.0, 45.0), (540.0, 45.0), (465.0, 35.0))
"""Peak and standard deviation (nm) of a made-up camera's red, green and blue: Gaussians."""


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
    grid, truth = scene_and_grid(scene, size, bands, reflectances)
    term = measured(camera(grid), truth.sample(grid), noise_level, seed)
    return spectra_of(term, grid, reference=truth)


@checked
def spectra_of(term: Term, grid: Grid, *, reference: Field | None = None) -> Problem:
    """Make the problem of a measured image of few channels, of any camera.

    Args:
        term: The image: a row is a pixel of the grid, with n channels
            (`SpectralResponse(...).on(grid)`). Its noise is `noise.Gaussian`.
        grid: (H, W, L) of the cube that is sought.
        reference: The truth of a simulation.
    """
    classical: dict[str, Callable[[Problem], Solution]] = {
        "smoothest spectra": smoothest_spectra,
        "flattest spectra": partial(smoothest_spectra, order=1),
        "smoothest log spectra": smoothest_log_spectra,
        "denoised log spectra": partial(smoothest_log_spectra, denoised=True),
    }
    suggested = offset_suggestion(
        "denoised log spectra", term.y.shape[-1], grid, classical, list(classical)[:3], head="exp"
    )
    return Problem([term], grid.box, grid, reference=reference, suggested=suggested, average=1)


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


def scene_and_grid(
    scene: str, size: int, bands: int, reflectances: Reflectances
) -> tuple[Grid, SpectralScene]:
    """Paint a photograph with materials.

    Args:
        scene: A name of scikit-image, or an RGB image file.
        size: Pixels per axis.
        bands: Bands between 420 and 700 nm.
        reflectances: Materials of the scene.

    Returns:
        The grid (size, size, bands), and the scene.
    """
    # 24 materials, and the cube a few times
    memory.require(f"size={size}, bands={bands}", size**2 * (800.0 + 16.0 * bands))
    box = Box((0.0, 0.0, 420.0), (float(size), float(size), 700.0), ("px", "px", "nm"))
    truth = spectral_scene(photograph(scene, size), box, reflectances=reflectances)
    return Grid(box, (size, size, bands)), truth


def _table() -> tuple[Tensor, Tensor]:
    knots = torch.arange(420.0, 701.0, 5.0, dtype=torch.float64)
    return knots, camera_curves(knots)


def camera(grid: Grid) -> OnGrid:
    """The made-up camera's image of a cube: its operator, with three channels in each row.

    Args:
        grid: (H, W, L) of the cube, its last axis in nm.
    """
    space = Grid(Box(grid.box.lower[:2], grid.box.upper[:2], grid.box.units[:2]), grid.shape[:2])
    return SpectralResponse(*_table(), space).on(grid)


def measured(operator: OnGrid, cube: Tensor, noise_level: float, seed: int) -> Term:
    """Measure a cube, with Gaussian noise.

    Args:
        operator: The instrument.
        cube: (H, W, L, 1), the truth.
        noise_level: Standard deviation, as a fraction of the largest measurement.
        seed: Of the noise.

    Raises:
        ValueError: If the noise level is not positive.
    """
    mean = operator.flatten(operator.map(cube[..., 0]))
    if not noise_level > 0:
        raise ValueError(
            f"noise_level={noise_level} must be positive: it is also what the fit is judged by."
        )
    model = noise.Gaussian(noise_level * float(mean.max()))
    return Term(operator, model.sample(mean, torch.Generator().manual_seed(seed)), model)
