"""Spectra that a camera did not resolve: from three colours (spectral super-resolution), or fused with a coarse cube.

    spectral_sr   y_c(x) = ∫ R_c(λ) f(x, λ) dλ + noise                     three numbers a pixel
    fusion        the same, and z(X, λ) = mean of f(x, λ) over coarse pixels X + noise

Scenes are generated (`spectral_scenes`), so that the spectrum is known at every wavelength. Three colours do not
determine a spectrum: what is between is the prior's, and the smoothest spectra of the same colours stand beside.
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
    noise,
)
from inverse_inr.operators import SpectralResponse
from inverse_inr.problems.spectral.data import photograph
from inverse_inr.problems.spectral.figures import spectral_figure, write_cube
from inverse_inr.problems.spectral.scenes import Reflectances, SpectralScene, spectral_scene
from inverse_inr.solver import Ended
from inverse_inr.stopping import Discrepancy

CAMERA = ((600.0, 45.0), (540.0, 45.0), (465.0, 35.0))
"""Peak and standard deviation, nm, of the red, green and blue of a made-up camera: overlapping Gaussians."""


def spectral_sr(
    scene: str = "astronaut",
    *,
    size: int = 64,
    bands: int = 28,
    noise_level: float = 0.01,
    reflectances: Reflectances = "pigments",
    seed: int = 0,
) -> Problem:
    """A spectrum in every pixel from an RGB image of a generated scene.

    scene        "astronaut", "coffee", "cat" (scikit-image), or an RGB image file
    noise_level  standard deviation of Gaussian noise, as a fraction of the largest measurement
    """
    grid, truth = _scene(scene, size, bands, reflectances)
    term = _measured(_camera(grid), truth.sample(grid), noise_level, seed)
    classical: dict[str, Callable[[Problem], Solution]] = {"smoothest spectra": smoothest_spectra}
    return Problem(
        [term], grid.box, grid, reference=truth, suggested=_suggestion(classical), average=1
    )


def fusion(
    scene: str = "astronaut",
    *,
    size: int = 64,
    factor: int = 8,
    bands: int = 28,
    noise_level: float = 0.01,
    reflectances: Reflectances = "pigments",
    seed: int = 0,
) -> Problem:
    """A cube from an RGB image of fine pixels and a spectrometer's cube of pixels `factor` times as wide.

    Raises ValueError for a factor that does not divide `size`.
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


def coarse_pixels(grid: Grid, factor: int) -> OnGrid:
    """Means over factor x factor pixels of each band: (H, W, L) -> (H / factor, W / factor, L)."""
    height, width, bands = grid.shape
    if height % factor or width % factor:
        raise ValueError(
            f"coarse_pixels: factor={factor} must divide the grid's {height} x {width} pixels."
        )

    def mean(cube: Tensor) -> Tensor:
        return cube.unflatten(0, (-1, factor)).mean(1).unflatten(1, (-1, factor)).mean(2)

    return OnGrid(mean, grid, (height // factor, width // factor, bands))


def camera_curves(wavelengths: Tensor) -> Tensor:
    """Sensitivities (n, 3) of `CAMERA`'s red, green and blue; each integrates to one."""
    curves = [torch.exp(-0.5 * ((wavelengths - peak) / width) ** 2) for peak, width in CAMERA]
    curves = torch.stack(curves, -1)
    return curves / torch.trapezoid(curves, wavelengths[:, None], dim=0)


def smoothest_spectra(problem: Problem, weight: float | None = None) -> Solution:
    """Min over spectra: |R x - y|² / 2 σ² + weight |second differences|² / 2, pixel by pixel, in closed form.

    weight: by default that of the largest spectrum whose misfit is that of the noise (discrepancy principle).
    """
    began = time.perf_counter()
    term, grid = problem.terms[0], problem.grid
    model = term.fidelity
    assert isinstance(model, noise.Gaussian)
    count = grid.shape[-1]
    # what one pixel's bands become: the response of each band alone
    response = SpectralResponse(*_table(), Grid(Box((0.0,), (1.0,)), (1,)))
    line = response.on(Grid(Box((0.0, grid.box.lower[2]), (1.0, grid.box.upper[2])), (1, count)))
    unit = torch.eye(count, dtype=torch.float64)
    matrix = torch.stack([line.map(row[None])[0] for row in unit], -1)
    bend = unit[2:] - 2 * unit[1:-1] + unit[:-2]
    y = term.y.double()
    sigma = float(torch.as_tensor(model.sigma))

    def solve(value: float) -> Tensor:
        normal = matrix.T @ matrix / sigma**2 + value * (bend.T @ bend) + 1e-9 * unit / sigma**2
        return y @ torch.linalg.solve(normal, matrix.T / sigma**2).T

    tried = [10.0**k for k in range(6, -3, -1)] if weight is None else [weight]
    chosen, spectra = next(
        (
            (w, x)
            for w, x in ((w, solve(w)) for w in tried)
            if float(((x @ matrix.T - y) / sigma).square().mean()) <= 1
        ),
        (tried[-1], solve(tried[-1])),
    )
    image = SampledField(spectra.reshape(*grid.shape, 1).to(term.y.dtype), grid)
    return Solution(
        image,
        problem,
        "smoothest spectra",
        seconds=time.perf_counter() - began,
        stopped=Ended("direct", f"weight {chosen:.3g} (discrepancy)"),
        details={"weight": chosen},
    )


def interpolated(problem: Problem) -> Solution:
    """The coarse cube alone, cubic between its pixels' centres."""
    began = time.perf_counter()
    term, grid = problem.terms[1], problem.grid
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
    box = Box((0.0, 0.0, 420.0), (float(size), float(size), 700.0), ("px", "px", "nm"))
    return Grid(box, (size, size, bands)), spectral_scene(
        photograph(scene, size), box, reflectances=reflectances
    )


def _table() -> tuple[Tensor, Tensor]:
    knots = torch.arange(420.0, 701.0, 5.0, dtype=torch.float64)
    return knots, camera_curves(knots)


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
    # no pixels held out: each has a spectrum of its own, that no other tells
    return Suggestion(
        prior="spectral_basis",
        steps=300,
        stopping=Discrepancy(every=10),
        baselines=classical,
        figure=spectral_figure,
        write=write_cube,
    )
